"""Shapes of the status report, a part of `config`, where others find them.

Shapes only.  An older operator must read them from a newer proxy: unknown fields are passed over.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict


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
    """Of those that the group shows."""
    toolsDigest: str = ""
    conflicts: tuple[str, ...] = ()
    """Names of its tools and prompts that are left out, for another has them too."""


class ServerReport(_Report):
    """What a proxy saw of one backend.  Sent over a bounded read: names are capped in length."""

    kind: Literal["MCPServer", "MCPGroup"] = "MCPServer"
    """In the local role one of each may have the same name."""
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
