"""`ostiary review`: what of all that is written down deserves a second look.  Pure.

Each finding names its object and what to write instead; how bad it is, is a judgement.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from ostiary_operator.api import GROUP_KIND, SERVER_KIND, MCPAccessToken, MCPServer, Reason, Type
from ostiary_operator.api.limits import ServerTools
from ostiary_operator.api.token import EVERY
from ostiary_operator.render.memberships import memberships
from ostiary_operator.render.selection import granting, namespaces_of

from .review_policies import of_policies
from .standing import Standing
from .through import opened_by_group
from .walls import peers_of

Severity = Literal["high", "medium", "low"]
ORDER: Final = ("high", "medium", "low")
ENDS_SOON: Final = timedelta(days=14)
OLD: Final = timedelta(days=180)
_EVERY: Final = {SERVER_KIND: "every server", GROUP_KIND: "every group"}
PIN: Final = "pin"


@dataclass(frozen=True, slots=True)
class Finding:
    severity: Severity
    object: str
    """Kind, namespace and name."""
    what: str
    """A CamelCase word."""
    message: str
    instead: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def review(standing: Standing, namespace: str | None, now: datetime) -> list[Finding]:
    """`namespace`: None: every one.  The worst first."""
    found = [
        *_servers(standing, namespace),
        *(Finding(*it) for it in of_policies(standing, namespace)),
        *_tokens(standing, namespace, now),
    ]
    return sorted(found, key=lambda it: (ORDER.index(it.severity), it.object, it.what, it.message))


def _within(namespace: str | None, objects: Iterable[Any]) -> list[Any]:
    return [it for it in objects if namespace in (None, it.metadata.namespace)]


def _servers(standing: Standing, namespace: str | None) -> Iterator[Finding]:
    for server in _within(namespace, standing.servers.values()):
        where = f"{SERVER_KIND} {server.metadata.namespace}/{server.metadata.name}"
        for severity, what, message, instead in (
            *_egress(standing, server),
            *_source(server),
            *_wire(standing, server),
            *_identity(server),
            *_status(standing, server),
            *_rules(standing, server),
            *_consent(standing, server),
        ):
            yield Finding(severity, where, what, message, instead)


Said = tuple[Severity, str, str, str]


def _egress(standing: Standing, server: MCPServer) -> Iterator[Said]:
    spec = server.spec
    if spec.image is None:
        return  # it follows from the source
    egress = spec.network.egress if spec.network else None
    mode = (egress and egress.mode) or standing.default_egress
    instead = "network.egress.mode: None, or Custom with what it needs"
    if mode == "Unrestricted":
        yield "high", "OpenEgress", "its pods may connect to anything", instead
    elif mode == "Public":
        yield "low", "OpenEgress", "its pods may send data anywhere on the internet", instead


def _source(server: MCPServer) -> Iterator[Said]:
    spec = server.spec
    if spec.service is not None and not spec.service.protect:
        message = f"whoever reaches the pods of Service {spec.service.name} passes the proxy by"
        yield "high", "Unprotected", message, "service.protect: true"
    if spec.remote is not None and spec.remote.allowInsecure:
        message = f"calls travel in plain text to {spec.remote.url}"
        yield "high", "Plaintext", message, "an https url, without remote.allowInsecure"


def _wire(standing: Standing, server: MCPServer) -> Iterator[Said]:
    """Worth a word only where tokens come from other namespaces than the server's own."""
    if server.spec.tls is not None:
        return
    own = f"namespace {server.metadata.namespace}"
    others = sorted(peers_of(standing, server) - {own})
    if others:
        message = f"tokens and answers cross the network in plain text, from {', '.join(others)}"
        yield "low", "Plaintext", message, "tls: {secretName: ...}, if the network is not encrypted"


def _identity(server: MCPServer) -> Iterator[Said]:
    identity, tools = server.spec.identity, server.spec.tools
    if identity is not None and identity.kubernetesToken:
        message = "its code holds a token for the Kubernetes API"
        yield "medium", "KubernetesToken", message, "identity without kubernetesToken"
    if identity is not None and identity.cloudMetadata:
        message = "its code reaches the cloud's metadata, and the node's credentials there"
        yield "high", "CloudMetadata", message, "identity without cloudMetadata"
    if PIN in ServerTools.model_fields:
        pin = getattr(tools, PIN, None)
        mode = getattr(pin, "mode", None)
        if mode in (None, "Off"):
            message = "its tools may change from one day to the next without a word"
            yield "low", "Unpinned", message, "tools.pin: {mode: Warn}, or Enforce with a digest"


def _status(standing: Standing, server: MCPServer) -> Iterator[Said]:
    place = server.metadata
    status = standing.statuses.get(f"{place.namespace}/{place.name}") or {}
    for it in status.get("conditions") or ():
        if (it["type"], it["reason"]) == (Type.BACKEND_PRIVATE, Reason.WIDENED_BY):
            message = str(it.get("message") or "another NetworkPolicy admits more to its pods")
            yield "high", "WidenedBy", message, "that NetworkPolicy with a podSelector of its own"


def _rules(standing: Standing, server: MCPServer) -> Iterator[Said]:
    if not granting(standing.policies.values(), server):
        name = server.metadata.name
        instead = f"ostiary allow {name} --to SUBJECT prints a policy; or remove the MCPServer"
        yield "low", "NoPolicy", "nobody may call it", instead


def _consent(standing: Standing, server: MCPServer) -> Iterator[Said]:
    """What the owner agreed to, and who made use of it."""
    exposed = server.spec.exposeTo.namespaces if server.spec.exposeTo else None
    if exposed is None or exposed.from_ == "Same":
        return
    used = ", ".join(_groups_of(standing, server)) or "none does"
    if exposed.from_ == "All":
        message = f"a group of any namespace may make it a member; now {used}"
        yield "medium", "Exposed", message, "exposeTo with a selector of namespaces"
        return
    own, known = server.metadata.namespace, standing.namespaces
    named = ", ".join(namespaces_of(exposed, own=own, known=known) or ()) or "no namespace"
    message = f"groups of {named} may make it a member; now {used}"
    yield "low", "Exposed", message, "exposeTo without those that no group needs"


def _groups_of(standing: Standing, server: MCPServer) -> Iterator[str]:
    """The groups that the server is a member of, each with what it is called there."""
    for key, group in sorted(standing.groups.items()):
        for it in memberships(group, standing.servers.values(), standing.namespaces):
            if it.state == "Accepted" and it.server is server:
                yield f"{GROUP_KIND} {key} does, as {it.alias}"


def _tokens(standing: Standing, namespace: str | None, now: datetime) -> Iterator[Finding]:
    for token in _within(namespace, standing.tokens.values()):
        where = f"MCPAccessToken {token.metadata.namespace}/{token.metadata.name}"
        for severity, what, message, instead in _token(standing, token, now):
            yield Finding(severity, where, what, message, instead)


def _token(standing: Standing, token: MCPAccessToken, now: datetime) -> Iterator[Said]:
    ends = datetime.fromtimestamp(token.spec.expires, now.tzinfo)
    another = "ostiary token create with another name, then ostiary token revoke"
    if ends <= now:
        message = f"it ended at {token.spec.expirationTime}"
        yield "low", "Expired", message, "nothing: ostiary token revoke removes it"
        return
    if ends <= now + ENDS_SOON:
        message = f"it ends at {token.spec.expirationTime}"
        yield "medium", "EndsSoon", message, another
    if token.metadata.creationTimestamp and token.metadata.created <= now - OLD:
        message = f"the same secret since {token.metadata.creationTimestamp}"
        yield "medium", "Old", message, another
    wide = [it for it in token.spec.restrictTo if it.name == EVERY]
    if wide:
        all_of = ", ".join(f"{_EVERY[it.kind]} of {it.namespace}" for it in wide)
        message = f"it is good for {all_of} that names it"
        yield "medium", "Wide", message, "restrictTo with the names that it is for"
    opens = any(token in standing.opened_by(server) for server in standing.servers.values())
    opens = opens or any(token in opened_by_group(standing, it) for it in standing.groups.values())
    if not opens:
        message = "it opens nothing: no policy of those that it names speaks of it"
        yield "low", "Unused", message, "a rule with tokens or users; or revoke it"
