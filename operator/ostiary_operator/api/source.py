"""Servers that are not made from an image: `remote`, `service`, and what the proxy needs for them.

A credential is never written here: headers name the Secret that holds their value.
"""

from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from .fields import DataKey, DnsLabel, Subdomain
from .location import LONGEST, URL_PATTERN, locate
from .schema import Part, Rule, exactly_one, keyed

RESERVED_HEADERS: Final = (
    "accept",
    "accept-encoding",
    "baggage",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "last-event-id",
    "origin",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
)
"""What the proxy writes itself, or what concerns one connection alone."""
RESERVED_HEADER_PREFIXES: Final = ("mcp-", "ostiary-", "proxy-", "sec-", "x-forwarded-")
_listed: Final = ", ".join(f"'{name}'" for name in RESERVED_HEADERS)
_prefixed: Final = " || ".join(
    f"self.name.lowerAscii().startsWith('{prefix}')" for prefix in RESERVED_HEADER_PREFIXES
)


def _is_reserved(name: str) -> bool:
    return name.lower() in RESERVED_HEADERS or name.lower().startswith(RESERVED_HEADER_PREFIXES)


class Remote(Part):
    laws: ClassVar = (
        Rule(
            cel=f"self.url.matches('{URL_PATTERN}')",
            message="write https://HOST/PATH, the host a name in lower case or a plain IPv4 "
            "address, without user, password and #, for example https://mcp.example.com/mcp",
            holds=lambda it: locate(it.url) is not None,
            field="url",
        ),
        Rule(
            cel="self.url.startsWith('https://') "
            "|| (has(self.allowInsecure) && self.allowInsecure)",
            message="write https://, or allowInsecure: true where whoever is on the way may read "
            "and change everything, the credentials too",
            holds=lambda it: it.url.startswith("https://") or bool(it.allowInsecure),
            field="url",
        ),
    )

    url: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    """Its MCP endpoint on the internet, over streamable HTTP, for example
    https://mcp.example.com/mcp. Addresses of this cluster, private and loopback ones are refused
    when it is connected to. No place for a credential: everybody who may read this object reads
    it. Required."""
    allowInsecure: bool | None = None
    """Take an http URL. Default: false."""


class ServiceSource(Part):
    name: DnsLabel
    """A Service of this namespace, with a selector. Required."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """Port of the Service, by number. Required."""
    protect: bool | None = None
    """Make a NetworkPolicy on the pods of the Service that admits the proxy alone; other ports of
    these pods close as well. Default: false."""


class SecretKey(Part):
    name: Subdomain
    """Name of the Secret, in this namespace. Required."""
    key: DataKey
    """Key in its data. Required."""


class ConfigMapKey(Part):
    name: Subdomain
    """Name of the ConfigMap, in this namespace. Required."""
    key: DataKey
    """Key in its data. Required."""


class UpstreamHeader(Part):
    laws: ClassVar = (
        Rule(
            cel=f"!(self.name.lowerAscii() in [{_listed}]) && !({_prefixed})",
            message="the proxy writes this header itself, or it concerns one connection alone: "
            "write the one that bears the credential, for example Authorization or X-Api-Key",
            holds=lambda it: not _is_reserved(it.name),
            field="name",
        ),
    )

    name: Annotated[str, Field(min_length=1, max_length=64, pattern="^[A-Za-z0-9-]+$")]
    """Name of the header, for example Authorization. Required."""
    secretKeyRef: SecretKey
    """Where its whole value is, for example "Bearer abc"; line breaks at the end are left out.
    Mounted in the proxy alone; a new value is used within about a minute, without a restart.
    Required."""


class CaBundle(Part):
    configMapKeyRef: ConfigMapKey
    """Where the certificates are, in PEM. Required."""


class Upstream(Part):
    laws: ClassVar = (
        Rule(
            cel="!has(self.headers) || self.headers.all(h, "
            "self.headers.exists_one(g, g.name.lowerAscii() == h.name.lowerAscii()))",
            message="two headers have one name (capitals do not count): write each once",
            holds=lambda it: (
                len({header.name.lower() for header in it.headers or ()}) == len(it.headers or ())
            ),
            field="headers",
        ),
    )

    headers: Annotated[
        tuple[UpstreamHeader, ...] | None, Field(max_length=16, json_schema_extra=keyed("name"))
    ] = None
    """Headers of every request to the server, from Secrets. A caller's own credentials never reach
    it. Default: none."""
    caBundle: CaBundle | None = None
    """CAs to trust instead of the system's. With `service` it also says that the Service speaks
    TLS, with a certificate for <name>.<namespace>.svc. Default: the system's CAs for a remote, no
    TLS for a service."""


CONTAINER_FIELDS: Final = (
    "command",
    "args",
    "workingDir",
    "env",
    "envFrom",
    "resources",
    "volumes",
    "security",
    "identity",
    "imagePullPolicy",
    "startupSeconds",
    "network",
)
"""What only a container of the server's own can have.  `imagePullSecrets` also pull the proxy."""
_any_given: Final = " || ".join(f"has(self.{field})" for field in CONTAINER_FIELDS)


def _transport(spec: Any) -> Any:
    return spec.transport.streamableHTTP if spec.transport else None


LAWS: Final = (
    exactly_one(
        "image",
        "remote",
        "service",
        message="write exactly one of image, remote and service",
    ),
    Rule(
        cel=f"!(has(self.remote) || has(self.service)) || !({_any_given})",
        message="remote and service run no container of the server's: leave out "
        f"{', '.join(CONTAINER_FIELDS)}; what the proxy sends is upstream.headers, and where it "
        "may connect to follows from the source",
        holds=lambda it: (
            (it.remote is None and it.service is None)
            or all(getattr(it, field) is None for field in CONTAINER_FIELDS)
        ),
    ),
    Rule(
        cel="!has(self.upstream) || !has(self.image)",
        message="the server of an image is beside the proxy and is sent no credentials: give it "
        "them by env with secretKeyRef",
        holds=lambda it: it.upstream is None or it.image is None,
        field="upstream",
    ),
    Rule(
        cel="!has(self.upstream) || !has(self.upstream.caBundle) || !has(self.remote) "
        "|| self.remote.url.startsWith('https://')",
        message="caBundle is for https: write https in remote.url, or leave caBundle out",
        holds=lambda it: (
            it.upstream is None
            or it.upstream.caBundle is None
            or it.remote is None
            or it.remote.url.startswith("https://")
        ),
        field="upstream",
    ),
    Rule(
        cel="has(self.image) || !has(self.transport) || !(has(self.transport.stdio) "
        "|| has(self.transport.sse) || has(self.transport.webSocket))",
        message="stdio, sse and webSocket need an image whose server it is: leave transport out "
        "for streamableHTTP",
        holds=lambda it: (
            it.image is not None
            or it.transport is None
            or (it.transport.stdio or it.transport.sse or it.transport.webSocket) is None
        ),
        field="transport",
    ),
    Rule(
        cel="!has(self.transport) || !has(self.transport.streamableHTTP) "
        "|| has(self.image) == has(self.transport.streamableHTTP.port)",
        message="streamableHTTP.port is where the server of an image listens: write it with image, "
        "and leave it out with remote and service, which say it themselves",
        holds=lambda it: (
            _transport(it) is None or (it.image is None) == (_transport(it).port is None)
        ),
        field="transport",
    ),
    Rule(
        cel="!has(self.remote) || !has(self.transport) || !has(self.transport.streamableHTTP) "
        "|| !has(self.transport.streamableHTTP.path)",
        message="the path of a remote is in its url: leave streamableHTTP.path out",
        holds=lambda it: it.remote is None or _transport(it) is None or _transport(it).path is None,
        field="transport",
    ),
)
"""Of MCPServerSpec."""
