"""The status of every kind, as the CRD's schema knows it.  Written by `status/`, read by people.

Looser than the spec: the operator writes it, and a status that is refused helps nobody.
"""

from typing import Annotated, Literal

from pydantic import Field

from .schema import ATOMIC, Part, keyed

Word = Annotated[str, Field(max_length=64)]
Text = Annotated[str, Field(max_length=256)]
Digest = Annotated[str, Field(max_length=128)]
Count = Annotated[int, Field(ge=0)]


class Condition(Part):
    type: Annotated[str, Field(max_length=316)]
    """What is spoken of."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, Field(max_length=1024)]
    """Why, in one stable word."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, in a sentence for the owner."""
    observedGeneration: Annotated[int, Field(ge=0)] | None = None
    """Generation of the object that this was said of."""
    lastTransitionTime: Annotated[
        str, Field(max_length=64, json_schema_extra={"format": "date-time"})
    ]
    """Since when the status is what it is."""


Conditions = Annotated[
    tuple[Condition, ...] | None, Field(max_length=32, json_schema_extra=keyed("type"))
]


class Protocol(Part):
    backend: Word | None = None
    """Newest revision that the server itself speaks."""
    served: Annotated[tuple[Word, ...] | None, Field(max_length=16, json_schema_extra=ATOMIC)] = (
        None
    )
    """Revisions that a client may use."""
    notBridged: Annotated[
        tuple[Word, ...] | None, Field(max_length=16, json_schema_extra=ATOMIC)
    ] = None
    """What clients of the era that the server does not speak itself do without."""


class ServerInfo(Part):
    name: Text | None = None
    """What the server calls itself."""
    version: Text | None = None
    """Its version, by its own word."""


class ToolInfo(Part):
    name: Text
    """Name of the tool."""
    digest: Digest | None = None
    """SHA-256 of its name, title, description, schemas and annotations."""


class Tools(Part):
    count: Count | None = None
    """Tools that the server has, after `spec.tools`."""
    digest: Digest | None = None
    """SHA-256 of all of them."""
    items: Annotated[
        tuple[ToolInfo, ...] | None, Field(max_length=512, json_schema_extra=ATOMIC)
    ] = None
    """The tools by name, 512 at most."""


class MCPServerStatus(Part):
    observedGeneration: Count | None = None
    """Generation of the object that this status speaks of."""
    url: Annotated[str, Field(max_length=512)] | None = None
    """Where clients inside the cluster reach the server."""
    exposedURL: Annotated[str, Field(max_length=512)] | None = None
    """Where clients outside the cluster do: `spec.expose.url`, unless an older object has it."""
    protocol: Protocol | None = None
    """Revisions of MCP, the server's own and those served."""
    server: ServerInfo | None = None
    """What the server says of itself."""
    tools: Tools | None = None
    """Its tools."""
    callers: Count | None = None
    """Rules of policies that admit somebody; 0: nobody may call yet."""
    replicas: Count | None = None
    """Pods that exist."""
    readyReplicas: Count | None = None
    """Pods that are ready."""
    selector: Text | None = None
    """Label selector of the pods, for autoscalers."""
    proxyVersion: Word | None = None
    """Version of the proxy in the pods."""
    conditions: Conditions = None
    """Ready, Accepted, ResolvedRefs, Programmed, BackendPrivate, TransportEncrypted and
    ToolsPinned; ToolsSuspect, Reconciling and Stalled while they hold."""


class MemberStatus(Part):
    server: Annotated[str, Field(max_length=128)]
    """Namespace and name of the server."""
    alias: Annotated[str, Field(max_length=63)] | None = None
    """What it is called in the group."""
    state: Literal["Ready", "Waiting", "NoConsent", "NameConflict", "NotFound", "Unhealthy"]
    """Ready: its tools are served. Waiting: it has not been heard of yet. NoConsent: it does not
    expose itself to this namespace. NameConflict: an older server has its alias. NotFound: there
    is no such server, or it is invalid. Unhealthy: it does not answer, and what it had last is
    served as stale."""
    tools: Count | None = None
    """Tools that it brings."""
    digest: Digest | None = None
    """SHA-256 of all of them, as its own status has it."""
    message: Annotated[str, Field(max_length=1024)] | None = None
    """Why it is not Ready, and what to do."""


class GroupTools(Part):
    count: Count | None = None
    """Tools of all members."""
    digest: Digest | None = None
    """SHA-256 of their names and of the members' digests."""


class MCPGroupStatus(Part):
    observedGeneration: Count | None = None
    """Generation of the object that this status speaks of."""
    url: Annotated[str, Field(max_length=512)] | None = None
    """Where clients inside the cluster reach the group."""
    exposedURL: Annotated[str, Field(max_length=512)] | None = None
    """Where clients outside the cluster do: `spec.expose.url`, unless an older object has it."""
    servers: Word | None = None
    """How many of the members are Ready."""
    members: Annotated[
        tuple[MemberStatus, ...] | None, Field(max_length=512, json_schema_extra=keyed("server"))
    ] = None
    """The servers that the spec speaks of, by alias, 512 at most."""
    tools: GroupTools | None = None
    """Tools of the group."""
    callers: Count | None = None
    """Rules of the members' policies that admit somebody; 0: nobody may call yet."""
    replicas: Count | None = None
    """Pods of the gateway that exist."""
    readyReplicas: Count | None = None
    """Pods of the gateway that are ready."""
    selector: Text | None = None
    """Label selector of the pods, for autoscalers."""
    proxyVersion: Word | None = None
    """Version of the proxy in the pods."""
    conditions: Conditions = None
    """Ready, Accepted, ResolvedRefs, Programmed and TransportEncrypted; Reconciling and Stalled
    while they hold."""


class TargetStatus(Part):
    ref: Annotated[str, Field(max_length=320)]
    """Kind and name of the target."""
    enforced: Word | None = None
    """How many of its pods enforce the policy as it stands."""
    conditions: Conditions = None
    """Accepted and Programmed, for this target."""


class Subjects(Part):
    namespaces: Annotated[
        tuple[Annotated[str, Field(max_length=63)], ...] | None,
        Field(max_length=256, json_schema_extra=ATOMIC),
    ] = None
    """Namespaces that the rules admit, resolved; `*` for all, 256 at most."""


class ObservedCounts(Part):
    allow: Count | None = None
    """Decisions that refused and would have allowed."""
    deny: Count | None = None
    """Decisions that allowed and would have refused."""


class MCPAccessTokenStatus(Part):
    observedGeneration: Count | None = None
    """Generation of the object that this status speaks of."""
    opens: Count | None = None
    """Servers and groups that it is restricted to, exist, and have a policy that names it; members
    of a group are not counted with it."""
    enforced: Word | None = None
    """How many of all their pods take the token."""
    conditions: Conditions = None
    """Ready, Accepted and Programmed; Stalled while it holds."""


class MCPAccessPolicyStatus(Part):
    observedGeneration: Count | None = None
    """Generation of the object that this status speaks of."""
    targetCount: Count | None = None
    """Servers and groups that the policy speaks of and that exist."""
    enforced: Word | None = None
    """How many of all their pods enforce the policy as it stands."""
    targets: Annotated[
        tuple[TargetStatus, ...] | None, Field(max_length=256, json_schema_extra=keyed("ref"))
    ] = None
    """The servers and groups, by kind and name, 256 at most."""
    subjects: Subjects | None = None
    """Who is admitted, resolved."""
    observed: ObservedCounts | None = None
    """With mode: Observe, what the policy would have decided otherwise, since the pods' proxies
    started; told again whenever a count has doubled."""
    conditions: Conditions = None
    """Ready, Accepted and Programmed; AnonymousAccess, Reconciling and Stalled while they hold."""
