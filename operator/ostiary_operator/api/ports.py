"""Ports of a server's own, and the two older ways of speaking there."""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from .schema import Part, Rule

RESERVED_PORTS: Final = (8080, 8443, 9464)
"""The proxy's own, which a server beside it cannot have."""

Port = Annotated[int, Field(ge=1, le=65535)]
UrlPath = Annotated[str, Field(max_length=256, pattern=r"^/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$")]

UNRESERVED: Final = Rule(
    cel=f"!(self.port in [{', '.join(map(str, RESERVED_PORTS))}])",
    message=f"ports {', '.join(map(str, RESERVED_PORTS))} are the proxy's: let the server "
    "listen on another one, for example 8000",
    holds=lambda it: it.port not in RESERVED_PORTS,
    field="port",
)


class Sse(Part):
    laws: ClassVar = (UNRESERVED,)

    port: Port
    """Port that the server listens on; 127.0.0.1 is enough, and preferred. Required."""
    path: UrlPath | None = None
    """Path of its event stream; where to post is the server's own word. Default: /sse."""


class WebSocket(Part):
    laws: ClassVar = (UNRESERVED,)

    port: Port
    """Port that the server listens on; 127.0.0.1 is enough, and preferred. Required."""
    path: UrlPath | None = None
    """Path of its WebSocket endpoint. Default: /ws."""
