"""How clients come in: TLS, ways beside the one that every client has, and whose groups."""

from typing import Annotated, ClassVar

from pydantic import Field

from .fields import Namespaces, Subdomain
from .schema import SET, Part, Rule

ORIGIN_PATTERN = (
    r"^[a-z][a-z0-9+.-]{0,30}://"
    r"([a-z0-9_]([-a-z0-9_.]{0,251}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\])(:[1-9][0-9]{0,4})?$"
)

Origin = Annotated[str, Field(max_length=300, pattern=ORIGIN_PATTERN)]


def _is_written_as_browsers_do(origin: str) -> bool:
    return not (
        (origin.startswith("https://") and origin.endswith(":443"))
        or (origin.startswith("http://") and origin.endswith(":80"))
    )


class ServerTls(Part):
    secretName: Subdomain
    """Secret of type kubernetes.io/tls (tls.crt with its chain, tls.key) in this namespace, for the
    DNS name NAME.NAMESPACE.svc. Mounted in the proxy only, and read again when it changes.
    Required."""


class ExposeTo(Part):
    namespaces: Namespaces | None = None
    """Namespaces whose MCPGroups may have the server as a member; taking one out revokes within
    seconds. Default: the server's own."""


class Clients(Part):
    laws: ClassVar = (
        Rule(
            cel="!has(self.allowedOrigins) || self.allowedOrigins.all(o, "
            "!(o.startsWith('https://') && o.endsWith(':443')) && "
            "!(o.startsWith('http://') && o.endsWith(':80')))",
            message="browsers leave out the port of https that is 443 and that of http that is 80: "
            "write the origin without it, for example https://app.example.com",
            holds=lambda it: all(map(_is_written_as_browsers_do, it.allowedOrigins or ())),
            field="allowedOrigins",
        ),
    )

    sse: bool | None = None
    """Serve the older HTTP+SSE transport (2024-11-05) too, at /sse and /messages beside /mcp, for
    clients that know nothing newer. Default: false."""
    webSocket: bool | None = None
    """Serve WebSocket too, at /ws beside /mcp: subprotocol mcp, one message per text frame.
    Default: false."""
    allowedOrigins: Annotated[
        tuple[Origin, ...] | None, Field(max_length=64, json_schema_extra=SET)
    ] = None
    """Pages that may call from a browser, each as its Origin: scheme, host in lower case, and the
    port where it is not the usual one, for example https://app.example.com. They get CORS headers
    and still need a token and a policy; every other page is refused. Default: none."""
