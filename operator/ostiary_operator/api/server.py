"""MCPServer: one MCP server, where it is, its pod, and the limits of its endpoint."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from ostiary_proxy.config import AUTO, Protocol

from . import source
from .clients import Clients, ExposeTo, ServerTls
from .container import (
    Env,
    EnvFroms,
    Identity,
    PullSecrets,
    Resources,
    Security,
    Volumes,
)
from .expose import Expose
from .fields import AnnotationMap, LabelMap, label_keys
from .limits import Limits, ServerTools
from .metadata import Metadata
from .network import Network
from .object_names import SERVER_NAME_LENGTH, name_rules
from .ports import RESERVED_PORTS, Sse, WebSocket
from .processes import Stdio
from .scheduling import Scheduling
from .schema import ATOMIC, Part, Rule, exactly_one

RESERVED_PREFIXES: Final = (
    "ostiary.dev/",
    "app.kubernetes.io/",
    "container.apparmor.security.beta.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
)
_unreserved_cel: Final = " && ".join(f"!k.startsWith('{prefix}')" for prefix in RESERVED_PREFIXES)


class StreamableHttp(Part):
    laws: ClassVar = (
        Rule(
            cel=f"!has(self.port) || !(self.port in [{', '.join(map(str, RESERVED_PORTS))}])",
            message=f"ports {', '.join(map(str, RESERVED_PORTS))} are the proxy's: let the server "
            "listen on another one, for example 8000",
            holds=lambda it: it.port not in RESERVED_PORTS,
            field="port",
        ),
    )

    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port that the server listens on; 127.0.0.1 is enough, and preferred. Required with image, and
    left out with remote and service."""
    path: (
        Annotated[str, Field(max_length=256, pattern=r"^/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$")] | None
    ) = None
    """Path of its MCP endpoint; that of a remote is in its url. Default: /mcp."""


class Transport(Part):
    laws: ClassVar = (
        exactly_one(
            "stdio",
            "streamableHTTP",
            "sse",
            "webSocket",
            message="write exactly one of stdio, streamableHTTP, sse and webSocket, "
            "or leave transport out for stdio",
        ),
    )

    stdio: Stdio | None = None
    """The server speaks over stdin and stdout: no port exists at all. Default: this, when
    transport is left out, with image alone."""
    streamableHTTP: StreamableHttp | None = None
    """The server listens on a port, which only the proxy beside it reaches; or it is a remote or a
    service. Default: this for remote and service."""
    sse: Sse | None = None
    """A server of the older HTTP+SSE transport (2024-11-05) on a port, with image alone.
    Default: none."""
    webSocket: WebSocket | None = None
    """A server that speaks WebSocket on a port, one message per text frame, with image alone.
    Default: none."""
    protocol: Protocol | None = None
    """Revision of MCP that the server speaks: the proxy asks it (Auto) or is told here, and then
    asks in no other. Clients may use any revision in either case. Default: Auto."""
    sessionAffinity: Literal["Principal", "Request"] | None = None
    """Clients of revision 2026-07-28 and later have no sessions. Principal: what one caller asks
    with the same capabilities goes to the same process of a stdio server; Request: each request
    has a process to itself, as requests without a token always have. Default: Principal."""
    onSessionLoss: Literal["Repair", "End"] | None = None
    """When what the server held for a session of an older revision is gone (its process ended, it
    forgot the session, the pod was replaced, the client deleted it and goes on). Repair: the
    session begins anew, its state at the server lost; End: its client is answered 404 and has to
    begin another. Default: Repair."""


def _reserved(field: str) -> Rule:
    return Rule(
        cel=f"!has(self.{field}) || self.{field}.all(k, {_unreserved_cel})",
        message=f"keys that begin with {', '.join(RESERVED_PREFIXES)} are reserved: "
        "use a prefix of your own",
        holds=lambda it: (
            not any(key.startswith(RESERVED_PREFIXES) for key in getattr(it, field) or ())
        ),
        field=field,
    )


class PodMetadata(Part):
    laws: ClassVar = (
        label_keys("labels"),
        label_keys("annotations"),
        _reserved("labels"),
        _reserved("annotations"),
    )

    labels: LabelMap = None
    """Labels for the pods; the object's own are never copied. Default: none."""
    annotations: AnnotationMap = None
    """Annotations for the pods; the object's own are never copied. Default: none."""


class MCPServerSpec(Part):
    laws: ClassVar = (
        *source.LAWS,
        Rule(
            cel="!has(self.image) || (has(self.transport) && !has(self.transport.stdio)) "
            "|| (has(self.command) && size(self.command) > 0)",
            message="a stdio server needs command, as the image's own entry point is replaced: "
            'write the program and its arguments, for example command: ["mcp-server-time"]',
            holds=lambda it: it.image is None or it.listens is not None or bool(it.command),
            field="command",
        ),
        Rule(
            cel="!has(self.volumes) || self.volumes.all(v, "
            "self.volumes.exists_one(w, w.mountPath == v.mountPath))",
            message="two volumes have one mountPath: give each its own",
            holds=lambda it: (
                len({volume.mountPath for volume in it.volumes or ()}) == len(it.volumes or ())
            ),
            field="volumes",
        ),
    )

    image: Annotated[str, Field(min_length=1, max_length=512, pattern="^[!-~]+$")] | None = None
    """Container image of the server, for example registry.example/mcp-time:1.4. Exactly one of
    image, remote and service is required. Default: none."""
    remote: source.Remote | None = None
    """A server on the internet, which somebody else runs: the proxy alone is here. Default:
    none."""
    service: source.ServiceSource | None = None
    """A workload of your own in this namespace: the proxy alone is made. Default: none."""
    upstream: source.Upstream | None = None
    """What the proxy needs to speak to a remote or a service: credentials, and CAs to trust.
    Default: nothing."""
    command: Annotated[
        tuple[Annotated[str, Field(max_length=4096)], ...] | None,
        Field(max_length=64, json_schema_extra=ATOMIC),
    ] = None
    """Program and arguments, never read by a shell. Required for stdio, where it takes the place of
    the image's entry point. Default for other transports: the image's own."""
    args: Annotated[
        tuple[Annotated[str, Field(max_length=4096)], ...] | None,
        Field(max_length=128, json_schema_extra=ATOMIC),
    ] = None
    """Arguments after `command`. Default: none for stdio, else the image's own."""
    workingDir: Annotated[str, Field(max_length=1024)] | None = None
    """Folder that the server starts in. Default: the image's."""
    transport: Transport | None = None
    """How the proxy speaks to the server. May be changed later. Default: stdio for image,
    streamableHTTP for remote and service."""
    clients: Clients | None = None
    """Extra ways in, beside streamable HTTP, which every client has. Default: none."""
    tls: ServerTls | None = None
    """Clients inside the cluster come over https alone, port 443 of the Service; the URL and the
    audience of tokens become https. Default: plain HTTP on port 80, behind the NetworkPolicy."""
    env: Env = None
    """Environment variables; secretKeyRef is the only place for a credential. Default: HOME."""
    envFrom: EnvFroms = None
    """Environment variables from all keys of a Secret or ConfigMap. Default: none."""
    resources: Resources | None = None
    """CPU and memory of the server's container; the proxy has its own. Default: none."""
    volumes: Volumes = None
    """Volumes, each with its mount; a path of the node is never one of them. Default: /tmp and
    /home/mcp alone are writable."""
    security: Security | None = None
    """User id and root filesystem; restricted Pod Security holds whatever is set. Default: user
    65532, read-only root."""
    identity: Identity | None = None
    """What the pod may be for Kubernetes and the cloud. Default: an account of its own without
    rights and without a token."""
    scheduling: Scheduling | None = None
    """Where the pods run. Default: anywhere, replicas spread over nodes."""
    imagePullSecrets: PullSecrets = None
    """Secrets that hold the registry's credentials. Default: none."""
    imagePullPolicy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When the node asks the registry. Default: Always for the tag latest, else IfNotPresent."""
    startupSeconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    """Seconds from the start of the container that the server may take to answer; until then a
    silent server counts as starting, not as unavailable. Default: 60."""
    terminationGracePeriodSeconds: Annotated[int, Field(ge=1, le=86400)] | None = None
    """Seconds from the order to stop until the pod is killed. Default and minimum: the cluster's
    drainSeconds + 10, which is 40 unless the admin changed it."""
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Pods. Default: 1, without writing it here."""
    podMetadata: PodMetadata | None = None
    """Labels and annotations for the pods, and the only way to set them. Default: none."""
    network: Network | None = None
    """Where the server may connect to. Default: the cluster's setting."""
    tools: ServerTools | None = None
    """Which of the server's tools exist here. Who may call them is a policy's word.
    Default: all."""
    exposeTo: ExposeTo | None = None
    """Whose MCPGroups may have this server as a member. Default: those of its own namespace."""
    expose: Expose | None = None
    """A way in from outside the cluster, beside the one inside it. Default: none."""
    limits: Limits | None = None
    """Limits of the endpoint. Default: see each field."""

    @property
    def is_stdio(self) -> bool:
        return self.image is not None and self.listens is None

    @property
    def protocol(self) -> Protocol:
        return (self.transport.protocol if self.transport else None) or AUTO

    @property
    def http(self) -> StreamableHttp | None:
        return self.transport.streamableHTTP if self.transport else None

    @property
    def listens(self) -> StreamableHttp | Sse | WebSocket | None:
        """Where the server listens; None: it has no port."""
        it = self.transport
        return (it.streamableHTTP or it.sse or it.webSocket) if it else None

    @property
    def stdio(self) -> Stdio:
        """The settings of the stdio transport, which is also the default; mind `listens` first."""
        return (self.transport.stdio if self.transport else None) or Stdio()


class MCPServer(Part):
    """An MCP server: a private pod, one endpoint for every MCP client, and rules for who may call.

    Nobody may call until an MCPAccessPolicy says who.
    """

    laws: ClassVar = (
        *name_rules(SERVER_NAME_LENGTH, "time"),
        Rule(
            cel="!has(self.spec.service) || self.spec.service.name != self.metadata.name",
            message="the MCPServer's own Service has this very name: name the MCPServer otherwise",
            holds=lambda it: it.spec.service is None or it.spec.service.name != it.metadata.name,
            field="spec",
        ),
    )

    apiVersion: Literal["ostiary.dev/v1alpha1"]
    kind: Literal["MCPServer"]
    metadata: Metadata
    spec: MCPServerSpec
    """What the server is and how it runs."""
