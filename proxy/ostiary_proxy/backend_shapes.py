"""Shapes of backends, a part of `config`, where others find them: those that listen on a port, and
how one is reached that is not beside the proxy.

Shapes only: no files, no clock, no decisions.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from ostiary_proxy.shape import Shape

AUTO: Final = "Auto"
Protocol = Literal["Auto", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]
"""What a backend speaks: found by asking, or said by its owner."""


class HeaderFile(Shape):
    """A header that the server wants, by the file that holds its value; never the value."""

    name: Annotated[str, Field(pattern="^[a-z0-9-]{1,64}$")]
    file: str


class Outside(Shape):
    """How a server is reached that is not beside the proxy."""

    source: Literal["remote", "service"]
    """remote: on the internet, and nowhere else; service: a Service of the cluster."""
    tls: bool = True
    serverName: str = ""
    """What the certificate must be for.  Empty: `host`."""
    caFile: str = ""
    """PEM of the CAs that are trusted.  Empty: the system's."""
    headers: tuple[HeaderFile, ...] = ()
    closed: tuple[str, ...] = ()
    """remote: the cluster's own networks, refused beside all that is not the internet."""
    loopback: bool = False
    """Local role only: this very machine is good, too."""


class _Listening(Shape):
    """A server that listens on a port."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)]
    command: tuple[str, ...] = ()
    """Local role only: the argv to start and keep running.  Empty: somebody else runs it."""
    env: dict[str, str] = Field(default={})
    """Local role only: its own environment, beside a small inherited list."""
    workingDir: str = ""
    protocol: Protocol = AUTO


class HttpBackend(_Listening):
    """A server that speaks streamable HTTP: on loopback, or where `outside` says."""

    kind: Literal["streamableHTTP"] = "streamableHTTP"
    path: str = "/mcp"
    outside: Outside | None = None
    """Null: beside the proxy."""


class SseBackend(_Listening):
    """A server that speaks HTTP+SSE (2024-11-05) on loopback, one connection per session or modern
    principal."""

    kind: Literal["sse"] = "sse"
    path: str = "/sse"
    """Of the event stream; where to POST is the server's to say."""


class WebSocketBackend(_Listening):
    """A server that speaks WebSocket on loopback, one connection per session or modern
    principal."""

    kind: Literal["webSocket"] = "webSocket"
    path: str = "/ws"
