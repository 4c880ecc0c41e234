"""The contract between the operator and the proxy: the config document and the status report.

The operator (or `ostiary up`) writes one `ProxyConfig` as JSON; a proxy reads it, enforces it, and
answers `GET /status` with one `StatusReport`.  Nothing else passes between the halves.  This module
holds shapes only: no files, no clock, no decisions.

Units: seconds, bytes, counts.  Every model refuses fields it does not know, except the report,
which an older operator must be able to read from a newer proxy.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT: Final = 1
"""Version of the config document; a proxy refuses one it does not know."""

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
SHIM_EXIT_KEY: Final = "ostiary.dev/exit"
"""Key of the one line the shim writes after a child's last: {"<key>": {code, signal, error}}."""

MCP_PORT: Final = 8080
ADMIN_PORT: Final = 9464
STATUS_AUDIENCE: Final = "ostiary.dev/status"
"""Audience of the operator's own projected token, the only one that opens `GET /status`."""
LOCAL_AUDIENCE: Final = "ostiary.dev/local"
"""Audience of development tokens, accepted by the local role alone."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Issuer(_Model):
    """Who signs tokens, with the keys to check them offline."""

    kind: Literal["kubernetes", "local"]
    """kubernetes: `sub` is `system:serviceaccount:<ns>:<name>`; local: a development token whose
    `sub` is the principal to play."""
    issuer: str
    """Compared with `iss`, byte for byte."""
    audiences: tuple[str, ...] = ()
    """Taken for every endpoint beside the endpoint's own (only `local` uses it today)."""
    keys: tuple[dict[str, object], ...] = ()
    """Public JWKs (RFC 7517)."""


class SessionKey(_Model):
    """A master key by its hash: the proxy uses only a file whose SHA-256 matches."""

    number: Annotated[int, Field(ge=0, le=3)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class StdioBackend(_Model):
    """A server that speaks over stdin and stdout, one process per session or modern principal."""

    kind: Literal["stdio"] = "stdio"
    command: tuple[str, ...] = ()
    """Local role only: the argv to start.  Empty: connect to `socket`, where the shim starts it."""
    socket: str = STDIO_SOCKET
    env: dict[str, str] = {}
    """Local role only: the child's whole own environment, beside a small inherited list."""
    workingDir: str = ""
    maxProcesses: Annotated[int, Field(ge=1)] = 16
    idleSeconds: Annotated[int, Field(ge=1)] = 600


class HttpBackend(_Model):
    """A server that speaks streamable HTTP on loopback."""

    kind: Literal["streamableHTTP"] = "streamableHTTP"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)]
    path: str = "/mcp"
    command: tuple[str, ...] = ()
    """Local role only: the argv to start and keep running.  Empty: somebody else runs it."""
    env: dict[str, str] = {}
    workingDir: str = ""


Backend = Annotated[StdioBackend | HttpBackend, Field(discriminator="kind")]


class Subject(_Model):
    """Who a rule speaks of."""

    kind: Literal["serviceAccount", "anonymous"]
    names: tuple[str, ...] = ()
    """serviceAccount: globs (`*` alone is special) over the account's name."""
    namespaces: tuple[str, ...] | None = ()
    """serviceAccount: literal namespaces, resolved by the operator; null = every namespace."""


class Allow(_Model):
    """What a rule grants: an absent (null) list grants none of that kind."""

    tools: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    prompts: tuple[str, ...] | None = None


class Rule(_Model):
    name: str
    subjects: tuple[Subject, ...]
    allow: Allow


class Deny(_Model):
    """Always wins.  Empty `subjects`: everybody.  All lists null: everything."""

    tools: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    prompts: tuple[str, ...] | None = None
    subjects: tuple[Subject, ...] = ()


class Policy(_Model):
    """One MCPAccessPolicy as it applies to one server."""

    namespace: str
    name: str
    rules: tuple[Rule, ...] = ()
    deny: tuple[Deny, ...] = ()


class ToolFilter(_Model):
    """`spec.tools` of the server: what exists at all, for anybody.  Globs."""

    allow: tuple[str, ...] | None = None
    """Null: every tool."""
    deny: tuple[str, ...] = ()


class Limits(_Model):
    requestBytes: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024
    callSeconds: Annotated[int, Field(ge=1)] = 300
    """How long a backend may be silent on a call; progress resets it."""
    inputSeconds: Annotated[int, Field(ge=1)] = 900
    """How long a person may take to answer a server's request."""
    concurrency: Annotated[int, Field(ge=1)] = 64
    """Calls in flight per proxy; beyond it 503 with Retry-After."""


class Server(_Model):
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
    policies: tuple[Policy, ...] = ()
    """No policy: everybody is refused."""
    tools: ToolFilter = ToolFilter()
    limits: Limits = Limits()
    keys: tuple[SessionKey, ...] = ()
    """Newest first.  The local role makes its own and leaves this empty."""


class ProxyConfig(_Model):
    """The whole document."""

    format: Literal[1] = 1
    generation: Annotated[int, Field(ge=1)]
    """Grows with every change of the content; reported back once enforced."""
    role: Literal["sidecar", "local"]
    operatorSubject: str = ""
    """`sub` of the only token that opens /status: the operator's ServiceAccount."""
    issuers: tuple[Issuer, ...] = ()
    servers: tuple[Server, ...]
    """The sidecar role holds exactly one."""
    drainSeconds: Annotated[int, Field(ge=1)] = 30


class _Report(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ToolReport(_Report):
    name: str
    digest: str
    """sha256:<hex> of the canonical name, description, schemas and annotations."""


class ServerReport(_Report):
    """What a proxy saw of one backend.  Sent over a bounded read: names are capped in length."""

    namespace: str
    name: str
    state: Literal["Starting", "Ready", "Unavailable"]
    """Starting: no answer yet and no failure; Unavailable: the last look or call failed."""
    reason: str = ""
    """A CamelCase word when Unavailable: CommandExited, CommandNotFound, NoAnswer, NotMCP,
    ConnectionRefused, ProtocolUnsupported."""
    message: str = ""
    """A sentence for the owner: what is wrong and where to look."""
    protocol: str = ""
    """The newest revision that the backend itself speaks, for example 2026-07-28."""
    served: tuple[str, ...] = ()
    """Revisions that a client may use here."""
    serverName: str = ""
    serverVersion: str = ""
    toolCount: int = 0
    toolsDigest: str = ""
    tools: tuple[ToolReport, ...] = ()
    processes: int = 0
    """Live children of a stdio backend; left out of the etag."""


class StatusReport(_Report):
    """Body of `GET /status?since=<etag>&wait=<seconds, at most 25>`; header ETag is `etag`."""

    etag: str
    version: str
    """Of the proxy program."""
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
    auditHead: str = ""
    """SHA-256 of the last audit line written; left out of the etag, like the next."""
    auditSeq: int = -1
    """Number of that line; -1 before the first."""
