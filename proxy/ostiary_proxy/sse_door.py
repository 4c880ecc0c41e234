"""HTTP+SSE of 2024-11-05 for clients: a stream that stays open, and POSTs that it answers.

The first event says where to POST: a path of this very endpoint, with an id that nobody could guess
and that only the principal who opened the stream may use.
"""

import secrets
from typing import Final
from urllib.parse import parse_qs

from ostiary_proxy.carried import Carry
from ostiary_proxy.conversation import Conversation
from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.message import Rejection
from ostiary_proxy.session import unknown_session
from ostiary_proxy.sse import COMMENT, encode

PARAMETER: Final = "session_id"
ID_BYTES: Final = 24
MOST_STREAMS: Final = 8192

_BUSY: Final = ((b"retry-after", b"1"),)


class _Stream:
    """The far end: events."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def say(self, message: bytes) -> None:
        await self._exchange.write(encode(message))

    async def live(self) -> None:
        await self._exchange.write(COMMENT)

    def alive(self) -> bool:
        return self._exchange.cut is None


class SseDoor:
    """The open streams of this proxy."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry
        self._open: dict[str, tuple[Exchange, Conversation]] = {}

    async def stream(self, exchange: Exchange) -> None:
        if len(self._open) >= MOST_STREAMS:
            raise Refused(failed(503, "Too many open streams; try again.", "Busy", headers=_BUSY))
        ident = secrets.token_urlsafe(ID_BYTES)
        conversation = Conversation(exchange, _Stream(exchange), self._carry)
        self._open[ident] = (exchange, conversation)
        try:
            path = exchange.scope["path"].rpartition("/")[0]
            where = f"{path}/messages?{PARAMETER}={ident}"
            await exchange.start()
            await exchange.write(b"event: endpoint\ndata: " + where.encode() + b"\n\n")
            await conversation.run()
        finally:
            del self._open[ident]
        if exchange.cut is None:
            await exchange.end()

    async def post(self, exchange: Exchange) -> None:
        conversation = self._find(exchange)
        assert exchange.endpoint is not None
        body = await exchange.body(exchange.endpoint.server.limits.requestBytes)
        parts = conversation.read(body)
        if len(parts) == 1 and isinstance(parts[0], Rejection):
            raise Refused(parts[0])
        if conversation.inbox.full:
            why = "Too many messages wait on this connection; try again."
            raise Refused(failed(503, why, "Busy", headers=_BUSY))
        exchange.carrier = True
        for part in parts:
            conversation.inbox.put(part)
        await exchange.reply(202)

    def _find(self, exchange: Exchange) -> Conversation:
        given = parse_qs(exchange.scope["query_string"].decode("latin-1"), max_num_fields=8)
        opened = self._open.get(given.get(PARAMETER, [""])[-1])
        assert exchange.caller is not None
        assert exchange.endpoint is not None
        if opened is None:
            raise Refused(unknown_session())
        outer, conversation = opened
        assert outer.caller is not None
        assert outer.endpoint is not None
        same = outer.caller.digest == exchange.caller.digest
        same = same and outer.endpoint.server.uid == exchange.endpoint.server.uid
        if not same or conversation.ended:
            raise Refused(unknown_session())
        return conversation
