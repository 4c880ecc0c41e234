"""WebSocket for clients: subprotocol `mcp`, one JSON-RPC message per text frame.

The handshake has passed the same stages as any request: Host, Origin, who is calling.  A page in a
browser cannot set `Authorization` there: it may offer its token as a second subprotocol, in the
form that Kubernetes' own API server takes; it is never chosen, echoed or passed on.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

from ostiary_proxy.carried import Carry
from ostiary_proxy.conversation import Conversation
from ostiary_proxy.exchange import Exchange, Refused
from ostiary_proxy.message import INVALID_REQUEST, Rejection

TOKEN_PREFIX: Final = "base64url.bearer.authorization.k8s.io."
MESSAGE_SECONDS: Final = 30.0
"""From a message's first byte to its last."""
UNANSWERED: Final = 4
"""Pings without a single frame in return, a quarter of a minute apart."""

_PROTOCOLS: Final = b"sec-websocket-protocol"
_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")
_CODES: Final = {"draining": 1001, "revoked": 1008, "expired": 1008, "idle": 1008, "lost": 1011}


def bearer(headers: Mapping[bytes, bytes]) -> bytes | None:
    """What stands in for `Authorization`.  Raises Refused for two of them."""
    given = headers.get(b"authorization")
    sealed = [it for it in _offered(headers) if it.startswith(TOKEN_PREFIX)]
    if not sealed:
        return given
    if given is not None or len(sealed) > 1:
        raise Refused(_bad("Two tokens are offered: send one."))
    text = sealed[0].removeprefix(TOKEN_PREFIX)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    return b"Bearer " + raw


def _offered(headers: Mapping[bytes, bytes]) -> list[str]:
    return [it.strip() for it in headers.get(_PROTOCOLS, b"").decode("latin-1").split(",")]


def check(headers: Mapping[bytes, bytes]) -> None:
    """Is it a handshake that can be accepted?  Raises Refused."""
    if headers.get(b"upgrade", b"").lower() != b"websocket":
        upgrade = ((b"upgrade", b"websocket"),)
        why = "Only WebSocket is spoken here."
        raise Refused(Rejection(426, INVALID_REQUEST, why, headers=upgrade, reason="Upgrade"))
    if headers.get(b"sec-websocket-version") != b"13":
        version = ((b"sec-websocket-version", b"13"),)
        why = "The only version of WebSocket taken is 13."
        raise Refused(Rejection(426, INVALID_REQUEST, why, headers=version, reason="Upgrade"))
    if not _KEY.fullmatch(headers.get(b"sec-websocket-key", b"")):
        raise Refused(_bad("Sec-WebSocket-Key must be 16 bytes in base64."))
    if "mcp" not in _offered(headers):
        raise Refused(_bad("Sec-WebSocket-Protocol must offer mcp."))


def _bad(why: str) -> Rejection:
    return Rejection(400, INVALID_REQUEST, why, reason="BadHandshake")


async def serve(exchange: Exchange, carry: Carry) -> None:
    """Accept, and talk until one side has enough."""
    check(exchange.headers)
    connection = exchange.scope["extensions"]["ostiary.connection"]
    socket = _Socket(exchange, connection)
    conversation = Conversation(exchange, socket, carry)
    socket.conversation = conversation
    exchange.status = 101
    connection.become(socket, _accepted(exchange))
    try:
        await conversation.run()
    finally:
        socket.close(conversation.ended)


def _accepted(exchange: Exchange) -> bytes:
    from websockets.utils import accept_key  # a library that most proxies never need

    key = exchange.headers[b"sec-websocket-key"].decode()
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"upgrade: websocket",
        b"connection: Upgrade",
        b"sec-websocket-accept: " + accept_key(key).encode(),
        b"sec-websocket-protocol: mcp",
    ]
    return b"\r\n".join((*lines, b"", b""))


class _Socket:
    """The far end of a conversation, and the receiver of a connection's bytes."""

    def __init__(self, exchange: Exchange, connection: Any) -> None:
        from websockets.protocol import SERVER, Protocol

        from ostiary_proxy.websocket import Wire

        assert exchange.endpoint is not None
        self._connection = connection
        largest = exchange.endpoint.server.limits.requestBytes
        self._wire = Wire(
            Protocol(SERVER, max_size=largest), write=connection.transport.write, end=self._hang_up
        )
        self._loop = asyncio.get_running_loop()
        self._slow: asyncio.TimerHandle | None = None
        self._heard = 0
        self._unanswered = 0
        self.conversation: Conversation

    # upgrade.Receiver

    def data_received(self, data: bytes) -> None:
        for message in self._wire.feed(data):
            for part in self.conversation.read(message):
                self.conversation.inbox.put(part)
        if not self._wire.open:
            self.conversation.end("gone")
        if self.conversation.inbox.full:
            self._connection.pause_reading()
        self._watch()

    def connection_lost(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
        self._wire.gone()
        self.conversation.end("gone")

    def _watch(self) -> None:
        """A message that does not end is somebody who only holds on."""
        if self._wire.between:
            if self._slow is not None:
                self._slow.cancel()
                self._slow = None
        elif self._slow is None:
            self._slow = self._loop.call_later(MESSAGE_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._wire.close(1008, "the message took too long")
        self.conversation.end("gone")

    # conversation.Line

    async def say(self, message: bytes) -> None:
        self._wire.text(message)
        await self._connection.writable()

    async def live(self) -> None:
        heard = self._wire.heard
        self._unanswered = self._unanswered + 1 if heard == self._heard else 0
        self._heard = heard
        self._wire.ping()

    def alive(self) -> bool:
        if not self.conversation.inbox.full:
            self._connection.resume_reading()
        return self._wire.open and self._unanswered < UNANSWERED

    def close(self, why: str) -> None:
        if self._slow is not None:
            self._slow.cancel()
        self._wire.close(_CODES.get(why, 1000), why if why in _CODES else "")
        self._hang_up()

    def _hang_up(self) -> None:
        self._connection.hang_up()
