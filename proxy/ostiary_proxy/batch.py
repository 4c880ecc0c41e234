"""JSON arrays of messages: only in sessions of the one revision that has them (protocol.md item 6).

A batch is split, and each message is decided, served and audited by itself; the answers come back
as one array, or, when one of them is a stream, as events of one stream.
"""

import asyncio
from typing import Final

from ostiary_proxy.carried import Answer, Carry, inner
from ostiary_proxy.exchange import Exchange, Refused
from ostiary_proxy.message import INVALID_REQUEST, Message, Rejection, parse_batch
from ostiary_proxy.session import version_of
from ostiary_proxy.sse import COMMENT
from ostiary_proxy.sse import encode as event

REVISION: Final = "2025-03-26"
MOST: Final = 64
"""Messages in one batch."""

_NOT_HERE: Final = Rejection(
    400,
    INVALID_REQUEST,
    f"A batch is not taken here: send one message per POST. Only sessions of {REVISION} have them.",
)
_HANDSHAKE: Final = Rejection(400, INVALID_REQUEST, "A handshake is never part of a batch.")


def is_batch(body: bytes) -> bool:
    return body[:1] == b"[" or body.lstrip(b" \t\r\n")[:1] == b"["


def split(body: bytes, version: str) -> list[Message | Rejection]:
    """Its messages; `version`: what the session has negotiated.  Raises Refused."""
    if version != REVISION:
        raise Refused(_NOT_HERE)
    parts = parse_batch(body, MOST)
    if isinstance(parts, Rejection):
        raise Refused(parts)
    return [
        _HANDSHAKE if isinstance(part, Message) and part.method == "initialize" else part
        for part in parts
    ]


async def serve(exchange: Exchange, body: bytes, carry: Carry) -> None:
    exchange.carrier = True
    together = _Together(exchange)
    parts = split(body, version_of(exchange))
    exchange.on_cut = together.cut
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                await together.take(part, carry, group)
        await together.finish()
    finally:
        exchange.on_cut = None


class _Together:
    """The answers of one batch."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._messages: list[bytes] = []
        self._inner: list[Exchange] = []
        self._answers: list[Answer] = []

    def cut(self) -> None:
        why = self._exchange.cut
        for one in self._inner:
            if why is not None:
                one.interrupt(why)

    async def take(self, part: Message | Rejection, carry: Carry, group: asyncio.TaskGroup) -> None:
        answered = isinstance(part, Rejection) or part.kind == "request"
        answer = Answer(self._put if answered else _drop, self._live)
        one = inner(self._exchange, answer, self._exchange.headers)
        self._inner.append(one)
        self._answers.append(answer)
        if self._exchange.cut is not None:
            one.interrupt(self._exchange.cut)
        if answered:
            group.create_task(carry(one, part))
        else:
            # What a client tells goes out in the order in which it was told.
            await carry(one, part)

    async def finish(self) -> None:
        if self._exchange.answering:
            await self._exchange.end()
            return
        statuses = {answer.status for answer in self._answers}
        common = statuses.pop() if len(statuses) == 1 else 200
        if self._messages:
            # A session that is gone is 404 also to a batch, where nothing else could be said.
            await self._exchange.reply(common, b"[" + b",".join(self._messages) + b"]")
        else:
            await self._exchange.reply(common if common >= 400 else 202)

    async def _put(self, message: bytes) -> None:
        if self._exchange.answering:
            await self._exchange.write(event(message))
        else:
            self._messages.append(message)

    async def _live(self) -> None:
        """One of the answers is a stream: so is the whole."""
        if self._exchange.answering:
            await self._exchange.write(COMMENT)
            return
        waiting, self._messages = self._messages, []
        await self._exchange.start()
        for message in waiting:
            await self._exchange.write(event(message))


async def _drop(message: bytes) -> None:
    """Nobody waits for an answer to what is no request."""
