"""A backend behind a WebSocket: one connection, which is served as a child's two pipes are.

One JSON-RPC message per text frame, subprotocol `mcp`; no compression is offered, so that nothing
grows on the way.
"""

import asyncio
from typing import Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from ostiary_proxy.children import StartError
from ostiary_proxy.config import WebSocketBackend
from ostiary_proxy.lines import LONGEST_LINE, Exit, Listener, Pipe
from ostiary_proxy.message import decode, encode
from ostiary_proxy.websocket import GOING_AWAY, SUBPROTOCOL, Wire

CONNECT_SECONDS: Final = 10.0
UNREAD_BYTES: Final = 64 * 1024
LINGER_SECONDS: Final = 1.0
"""Between saying goodbye and hanging up."""


class _Socket(asyncio.Protocol):
    """One connection."""

    def __init__(self, backend: WebSocketBackend, listener: Listener) -> None:
        host = f"[{backend.host}]" if ":" in backend.host else backend.host
        self._protocol = ClientProtocol(
            parse_uri(f"ws://{host}:{backend.port}{backend.path}"),
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            max_size=LONGEST_LINE,
        )
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._wire = Wire(self._protocol, write=self._send, end=self._hang_up)
        self._transport: asyncio.Transport | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._gone = asyncio.Event()
        self.shaken: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass
        transport.set_write_buffer_limits(UNREAD_BYTES)  # type: ignore[attr-defined]
        self._protocol.send_request(self._protocol.connect())
        self._wire.flush()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        if not self.shaken.done():
            self._shake()
        for message in self._wire.taken():
            # A line is one line, however the backend has set it.
            broken = b"\n" in message or b"\r" in message
            self._listener.on_line(encode(decode(message)) if broken else message)

    def _shake(self) -> None:
        failed = self._protocol.handshake_exc
        if failed is not None:
            self.shaken.set_exception(failed)
        elif self._wire.open:
            self.shaken.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.shaken.done():
            self.shaken.set_exception(EOFError())
        self._room.set()
        self._gone.set()
        self._listener.on_exit(self._exit())

    def _exit(self) -> Exit:
        if self._protocol.parser_exc is not None:
            return Exit("NotMCP", "The server broke the rules of WebSocket, or sent too much.")
        return Exit("ConnectionRefused", "The server closed the connection.")

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    # lines.Pipe

    def write(self, line: bytes) -> None:
        self._wire.text(line)

    async def writable(self) -> None:
        await self._room.wait()

    def close(self) -> None:
        self._wire.close(GOING_AWAY)
        self._hang_up()

    async def closed(self) -> None:
        await self._gone.wait()

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._loop.call_later(LINGER_SECONDS, self._transport.abort)


async def connect(backend: WebSocketBackend, listener: Listener) -> Pipe:
    """Raises StartError."""
    where = f"{backend.host}:{backend.port}"
    loop = asyncio.get_running_loop()
    made: _Socket | None = None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, made = await loop.create_connection(
                lambda: _Socket(backend, listener), backend.host, backend.port
            )
            await made.shaken
    except TimeoutError as err:
        if made is not None:
            made.close()
        raise StartError("NoAnswer", f"The server on {where} did not answer in time.") from err
    except OSError as err:
        why = f"Nothing listens on {where}: the server is still starting, or uses another port."
        raise StartError("ConnectionRefused", why) from err
    except (InvalidHandshake, WebSocketException, EOFError, ValueError) as err:
        if made is not None:
            made.close()
        why = f"The server does not speak WebSocket at {backend.path}."
        raise StartError("NotMCP", why) from err
    return made
