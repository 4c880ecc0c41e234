"""The contract between the operator and the proxy: the config document and the status report.

The operator (or `ostiary up`) writes one `ProxyConfig` as JSON; a proxy reads it, enforces it, and
answers `GET /status` with one `StatusReport`.  Nothing else passes between the halves.  Shapes
only, no files, no clock, no decisions.  Units: seconds, bytes, counts.  Every model refuses fields
it does not know, except the report, which an older operator must read from a newer proxy.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ostiary_proxy.backend_shapes import AUTO as AUTO
from ostiary_proxy.backend_shapes import HeaderFile as HeaderFile
from ostiary_proxy.backend_shapes import HttpBackend as HttpBackend
from ostiary_proxy.backend_shapes import Outside as Outside
from ostiary_proxy.backend_shapes import Protocol as Protocol
from ostiary_proxy.backend_shapes import SseBackend as SseBackend
from ostiary_proxy.backend_shapes import WebSocketBackend as WebSocketBackend
from ostiary_proxy.condition_shape import complaint as complaint
from ostiary_proxy.group_shapes import GroupBackend as GroupBackend
from ostiary_proxy.group_shapes import GroupLink as GroupLink
from ostiary_proxy.group_shapes import Member as Member
from ostiary_proxy.group_shapes import Naming as Naming
from ostiary_proxy.identity_shapes import AccessToken as AccessToken
from ostiary_proxy.identity_shapes import Issuer as Issuer
from ostiary_proxy.pin_shapes import Drift as Drift
from ostiary_proxy.pin_shapes import Pin as Pin
from ostiary_proxy.pin_shapes import ToolPin as ToolPin
from ostiary_proxy.pin_shapes import drift as drift
from ostiary_proxy.policy_shapes import Allow as Allow
from ostiary_proxy.policy_shapes import Deny as Deny
from ostiary_proxy.policy_shapes import Effect as Effect
from ostiary_proxy.policy_shapes import Policy as Policy
from ostiary_proxy.policy_shapes import Rate as Rate
from ostiary_proxy.policy_shapes import Rule as Rule
from ostiary_proxy.policy_shapes import Subject as Subject
from ostiary_proxy.policy_shapes import SubjectKind as SubjectKind
from ostiary_proxy.policy_shapes import ToolFilter as ToolFilter
from ostiary_proxy.shape import Shape

FORMAT: Final = 1  # of the config document; a proxy refuses one it does not know

CONFIG_DIR: Final = "/etc/ostiary/config"
"""Where the ConfigMap `<name>-proxy` is mounted; the document is `config.json` in it."""
CONFIG_FILE: Final = "config.json"
KEYS_DIR: Final = "/etc/ostiary/keys"
"""Projected volume of the key Secrets: a file per held master, named by its number (0 to 3)."""
RUN_DIR: Final = "/run/ostiary"
"""emptyDir shared by the proxy and the server container; holds the two sockets below."""
STDIO_SOCKET: Final = f"{RUN_DIR}/stdio.sock"
"""The shim listens here: one child process per connection."""
DRAIN_SOCKET: Final = f"{RUN_DIR}/drain.sock"
"""The proxy listens here: a connection starts the drain, `drained` and EOF end it."""
SHIM_DIR: Final = "/ostiary"
"""Where the shim is mounted, read-only, in every server container."""
TLS_DIR: Final = "/etc/ostiary/tls"
"""A Secret of type kubernetes.io/tls is mounted here."""
TLS_CERTIFICATE: Final = "tls.crt"
TLS_KEY: Final = "tls.key"
UPSTREAM_DIR: Final = "/etc/ostiary/upstream"
"""Projected volume of a server that is not beside the proxy: header values and its CA bundle."""
SHIM_EXIT_KEY: Final = "ostiary.dev/exit"
"""Key of the one line the shim writes after a child's last: {"<key>": {code, signal, error}}."""

MCP_PORT: Final = 8080
TLS_PORT: Final = 8443
ADMIN_PORT: Final = 9464
STATUS_AUDIENCE: Final = "ostiary.dev/status"
"""Audience of the operator's own projected token, the only one that opens `GET /status`."""
CATALOGUE_AUDIENCE: Final = "ostiary.dev/catalogue"
"""Audience of a gateway's own projected token, which opens its members' lists and nothing else."""
CATALOGUE_TOKEN: Final = "/etc/ostiary/catalogue/token"
"""Where that token is mounted in a gateway's pod."""
LOCAL_AUDIENCE: Final = "ostiary.dev/local"
"""Audience of development tokens, accepted by the local role alone."""


class SessionKey(Shape):
    """A master key by its hash: the proxy uses only a file whose SHA-256 matches."""

    number: Annotated[int, Field(ge=0, le=3)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    seals: bool = True
    """False: it only opens, until every pod holds it; unless there is no other."""


class StdioBackend(Shape):
    """A server that speaks over stdin and stdout, one process per session or modern principal."""

    kind: Literal["stdio"] = "stdio"
    command: tuple[str, ...] = ()
    """Local role only: the argv to start.  Empty: connect to `socket`, where the shim starts it."""
    socket: str = STDIO_SOCKET
    env: dict[str, str] = Field(default={})
    """Local role only: the child's whole own environment, beside a small inherited list."""
    workingDir: str = ""
    process: Literal["PerSession", "PerUser", "Shared"] = "PerSession"
    lists: Literal["Catalogue", "PerSession"] = "Catalogue"
    """Catalogue: handshakes and lists cost no process; a session's begins at its first call."""
    maxProcesses: Annotated[int, Field(ge=1)] = 16
    idleSeconds: Annotated[int, Field(ge=1)] = 600
    protocol: Protocol = AUTO


PortBackend = HttpBackend | SseBackend | WebSocketBackend
Backend = Annotated[StdioBackend | PortBackend | GroupBackend, Field(discriminator="kind")]


class Limits(Shape):
    requestBytes: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024
    callSeconds: Annotated[int, Field(ge=1)] = 300
    """How long a backend may be silent on a call; progress resets it."""
    inputSeconds: Annotated[int, Field(ge=1)] = 900
    """How long a person may take to answer a server's request."""
    concurrency: Annotated[int, Field(ge=1)] = 64
    """Calls in flight per proxy; beyond it 503 with Retry-After."""
    perCaller: Rate | None = None
    """Requests of one caller; beyond it 429 with Retry-After."""


class Clients(Shape):
    """Ways in that are closed unless they are opened here."""

    sse: bool = False
    webSocket: bool = False
    """In place of the path's last step: `sse` and `messages`, or `ws`."""
    allowedOrigins: tuple[str, ...] = ()
    """Pages that may call from a browser, each as a browser writes its Origin; they alone get CORS
    headers.  A request with any other Origin is refused, but a loopback page's own."""


class Server(Shape):
    """One endpoint and what lies behind it."""

    namespace: str
    name: str
    uid: str
    path: str = "/mcp"
    """Local role: `/<namespace>/<name>/mcp`."""
    url: str
    """The canonical URL, as in the object's status; the first audience."""
    audiences: tuple[str, ...]
    hosts: tuple[str, ...]
    """Accepted Host names without port, beside localhost, 127.0.0.1 and [::1]."""
    backend: Backend
    sessionAffinity: Literal["Principal", "Request"] = "Principal"
    """Principal: modern requests share a process by (principal, capabilities, revision)."""
    onSessionLoss: Literal["Repair", "End"] = "Repair"
    """What becomes of a legacy session that lost its process or upstream session; End: 404."""
    pods: str = ""
    """DNS name that holds the addresses of this server's own pods; empty where there is one."""
    policies: tuple[Policy, ...] = ()
    """No policy: everybody is refused."""
    tokens: tuple[AccessToken, ...] = ()
    """Access tokens that are restricted to this server and that a policy of it names."""
    tools: ToolFilter = ToolFilter()
    groups: tuple[GroupLink, ...] = ()
    """Whose gateways may send callers here, and read the lists."""
    clients: Clients = Clients()
    limits: Limits = Limits()
    keys: tuple[SessionKey, ...] = ()
    """Newest first.  The local role makes its own and leaves this empty."""


class ProxyConfig(Shape):
    """The whole document."""

    format: Literal[1] = 1
    generation: Annotated[int, Field(ge=1)]
    """Grows with every change of the content; reported back once enforced."""
    role: Literal["sidecar", "gateway", "local"]
    operatorSubject: str = ""
    """`sub` of the only token that opens /status: the operator's ServiceAccount."""
    issuers: tuple[Issuer, ...] = ()
    servers: tuple[Server, ...]
    """The sidecar role holds exactly one; so does the gateway role, and it is a group."""
    drainSeconds: Annotated[int, Field(ge=1)] = 30
    tls: bool = False
    """Clients come to `TLS_PORT`, with the certificate in `TLS_DIR`; pods to the plain one."""


class _Report(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ToolReport(_Report):
    name: str
    digest: str
    """sha256:<hex> of the canonical name, title, description, schemas and annotations."""


class SuspectReport(_Report):
    """A tool that speaks to the model as an attack would."""

    name: str
    findings: tuple[str, ...]
    """Sentences that say what was found where."""


class ObservedReport(_Report):
    """How often a policy in Observe mode would have decided otherwise, since the proxy started."""

    policy: str
    """<namespace>/<name>"""
    allow: int
    deny: int


class MemberReport(_Report):
    """What a gateway sees of one member."""

    alias: str
    state: Literal["Waiting", "Ready", "Unhealthy"]
    """Waiting: nothing was heard of it yet."""
    reason: str = ""
    message: str = ""
    toolCount: int = 0
    toolsDigest: str = ""
    conflicts: tuple[str, ...] = ()
    """Names of its tools and prompts that are left out, for another has them already."""


class ServerReport(_Report):
    """What a proxy saw of one backend.  Sent over a bounded read: names are capped in length."""

    namespace: str
    name: str
    state: Literal["Starting", "Ready", "Unavailable"]
    """Starting: no answer yet and no failure (a remote that nobody called yet stays so);
    Unavailable: the last look or call failed."""
    reason: str = ""
    """A CamelCase word when Unavailable: CommandExited, CommandNotFound, NoAnswer, NotMCP,
    ConnectionRefused, ProtocolUnsupported; of a server that is not beside the proxy also
    NameNotFound, AddressBlocked, CertificateRefused, TLSFailed, Redirected, CredentialsRefused,
    CredentialsUnreadable."""
    message: str = ""
    """A sentence for the owner: what is wrong and where to look."""
    protocol: str = ""
    """The newest revision that the backend itself speaks, for example 2026-07-28."""
    served: tuple[str, ...] = ()
    """Revisions that a client may use here."""
    notBridged: tuple[str, ...] = ()
    """What clients of the era that it does not speak itself do without: words of `cells`."""
    serverName: str = ""
    serverVersion: str = ""
    toolCount: int = 0
    toolsDigest: str = ""
    tools: tuple[ToolReport, ...] = ()
    suspects: tuple[SuspectReport, ...] = ()
    members: tuple[MemberReport, ...] = ()
    """Of a group."""
    processes: int = 0
    """Live children of a stdio backend; left out of the etag."""
    observed: tuple[ObservedReport, ...] = ()
    """In the etag only by orders of two: a poll does not wake for each call."""


class TlsReport(_Report):
    """Of the port that clients come to over TLS."""

    serving: bool = False
    notAfter: str = ""
    """Of the certificate that is shown, RFC 3339 in UTC."""
    names: tuple[str, ...] = ()
    """Its DNS names, in lower case."""
    error: str = ""
    """Why the files cannot be used; `serving` then tells of an older pair."""


class StatusReport(_Report):
    """Body of `GET /status?since=<etag>&wait=<seconds, at most 25>`; header ETag is `etag`."""

    etag: str
    version: str  # of the proxy program
    pod: str = ""
    podUid: str = ""
    generation: int
    """The generation in force; 0 while none is."""
    digest: str = ""
    """sha256:<hex> of the bytes of the document in force."""
    configError: str = ""
    """Why a newer document is not in force: what is wrong and where."""
    draining: bool = False
    keys: tuple[int, ...] = ()
    """Numbers of the session masters held that match their hash."""
    unknownKeyIds: tuple[str, ...] = ()
    """`kid`s of known issuers that no shipped key has, at most 8: the operator looks again."""
    servers: tuple[ServerReport, ...] = ()
    tls: TlsReport | None = None
    """None: not asked for."""
    auditHead: str = ""
    """SHA-256 of the last audit line written; left out of the etag, like the next."""
    auditSeq: int = -1
    """Number of that line; -1 before the first."""
