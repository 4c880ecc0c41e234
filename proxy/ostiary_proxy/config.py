"""The contract between the operator and the proxy: the config document and the status report.

The operator (or `ostiary up`) writes one `ProxyConfig` as JSON; a proxy reads it, enforces it, and
answers `GET /status` with one `StatusReport`.  Nothing else passes between the halves.  Shapes
only, no files, no clock, no decisions.  Units: seconds, bytes, counts.  Every model refuses fields
it does not know, except the report, which an older operator must read from a newer proxy.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from ostiary_proxy.backend_shapes import AUTO as AUTO
from ostiary_proxy.backend_shapes import HeaderFile as HeaderFile
from ostiary_proxy.backend_shapes import HttpBackend as HttpBackend
from ostiary_proxy.backend_shapes import Outside as Outside
from ostiary_proxy.backend_shapes import Protocol as Protocol
from ostiary_proxy.backend_shapes import SseBackend as SseBackend
from ostiary_proxy.backend_shapes import WebSocketBackend as WebSocketBackend
from ostiary_proxy.condition_shape import complaint as complaint
from ostiary_proxy.group_shapes import ALIAS_PATTERN as ALIAS_PATTERN
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
from ostiary_proxy.report_shapes import MemberReport as MemberReport
from ostiary_proxy.report_shapes import ObservedReport as ObservedReport
from ostiary_proxy.report_shapes import ServerReport as ServerReport
from ostiary_proxy.report_shapes import StatusReport as StatusReport
from ostiary_proxy.report_shapes import SuspectReport as SuspectReport
from ostiary_proxy.report_shapes import TlsReport as TlsReport
from ostiary_proxy.report_shapes import ToolReport as ToolReport
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
WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
"""Before an endpoint's path: where its metadata lies (RFC 9728)."""
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


class AuditSettings(Shape):
    """What the cluster admin wants of the audit trail."""

    onFull: Literal["Drop", "Refuse"] = "Drop"
    """While nobody reads it: Drop loses events and counts them; Refuse answers 503 instead."""
    arguments: Literal["Digest", "Text"] = "Digest"
    """Of a tool's call: their SHA-256, or beside it the first 4,096 characters of them."""


class Clients(Shape):
    """Ways in that are closed unless they are opened here."""

    sse: bool = False
    webSocket: bool = False
    """In place of the path's last step: `sse` and `messages`, or `ws`."""
    allowedOrigins: tuple[str, ...] = ()
    """Pages that may call from a browser, each as a browser writes its Origin; they alone get CORS
    headers.  A request with any other Origin is refused, but a loopback page's own."""


class Exposed(Shape):
    """Where clients outside the cluster find the very same endpoint."""

    url: str
    """https://HOST[:PORT]/PATH as they write it; one of the server's audiences."""
    host: str
    """Its host without port, in lower case; one of the server's hosts."""
    path: str
    """Served as it is: nothing on the way rewrites it."""

    @property
    def origin(self) -> str:
        return self.url.removesuffix(self.path)

    def below(self, path: str) -> "Exposed":
        """What else of the endpoint is there, by a path that begins with a slash."""
        return Exposed(url=self.url + path, host=self.host, path=self.path + path)


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
    exposed: Exposed | None = None
    """The way in from outside the cluster; None: there is none."""
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
    audit: AuditSettings = AuditSettings()
    hops: tuple[str, ...] = ()
    """Networks whose X-Forwarded-For, -Proto and -Host are believed; nobody else's are."""
    tls: bool = False
    """Clients come to `TLS_PORT`, with the certificate in `TLS_DIR`; pods to the plain one."""
