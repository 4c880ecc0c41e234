"""The hot path: an HTTP backend's answer to the client, as it comes.

JSON stays JSON and its bytes are passed unread; a stream is passed chunk by chunk, with a decoder
listening for what time limits and the audit need to know.  Only the answer to a list is taken
apart, because it must be filtered; there an event that cannot be read ends the stream.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ostiary_proxy.catalogue_reader import may_hear
from ostiary_proxy.config import Limits
from ostiary_proxy.era import LISTS
from ostiary_proxy.exchange import (
    JSON_TYPE,
    STREAM_TYPE,
    Exchange,
    Headers,
    Refused,
    failed,
)
from ostiary_proxy.lists import replayed, visible
from ostiary_proxy.message import INVALID_REQUEST, Rejection, decode, encode
from ostiary_proxy.sse import COMMENT, Decoder, Event, TooLargeError
from ostiary_proxy.upstream import BrokenError, Connection, SilentError
from ostiary_proxy.watch import Watch, closing_words, error_code

Rename = Callable[[bytes], bytes | None]
LARGEST_ANSWER: Final = 16 * 1024 * 1024

_REFUSED_BY_BACKEND: Final = frozenset({401, 403, 407})


def is_stream(connection: Connection) -> bool:
    return _media(connection) == STREAM_TYPE and connection.head.status == 200


def _media(connection: Connection) -> bytes:
    kind = connection.head.headers.get(b"content-type", b"")
    return kind.partition(b";")[0].strip().lower()


async def whole(connection: Connection, seconds: float) -> bytes:
    """A body with a bound."""
    chunks: list[bytes] = []
    size = 0
    while (chunk := await connection.chunk(seconds)) is not None:
        size += len(chunk)
        if size > LARGEST_ANSWER:
            why = "The server's answer is larger than 16 MiB."
            raise Refused(failed(502, why, "AnswerTooLarge"))
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def answer(
    exchange: Exchange, connection: Connection, limits: Limits, body: bytes | None = None
) -> None:
    """Pass on an answer that is no stream.  `body`: what has been read already."""
    status = connection.head.status
    if body is None:
        body = await whole(connection, limits.callSeconds)
    note(exchange, body)
    if exchange.witness is not None:
        exchange.witness(body)
    is_json = _media(connection) == JSON_TYPE
    if not 200 <= status < 300 and not (is_json and 400 <= status < 500):
        raise Refused(_translated(status))
    if status in _REFUSED_BY_BACKEND:
        raise Refused(_translated(status))
    if body and not is_json:
        why = "The server's answer is neither JSON nor an event stream."
        raise Refused(failed(502, why, "NotMCP"))
    await pass_on(exchange, status, body, kept_headers(connection))


def note(exchange: Exchange, body: bytes) -> None:
    """Note what the audit says of it."""
    code = error_code(body) if body else None
    if code is not None:
        exchange.error = code


def shown(exchange: Exchange, answer: bytes) -> bytes:
    """An answer, less what this caller may not see: other than lists, all of it."""
    message = exchange.message
    if message is None or message.method not in LISTS or not answer:
        return answer
    assert exchange.caller is not None
    assert exchange.endpoint is not None
    modern = exchange.spoken is not None and exchange.spoken.era == "modern"
    rules = exchange.endpoint.rules
    return visible(message.method, answer, exchange.caller, rules, message.id, modern=modern)


async def pass_on(exchange: Exchange, status: int, body: bytes, headers: Headers = ()) -> None:
    """An answer's bytes, less what this caller may not see."""
    body = shown(exchange, body)
    await exchange.reply(status, body, headers)


def kept_headers(connection: Connection) -> Headers:
    kept = connection.head.headers
    return tuple((name, kept[name]) for name in (b"allow", b"retry-after") if name in kept)


def _translated(status: int) -> Rejection:
    """A refusal of the backend's that says nothing in JSON-RPC, or would mislead a client."""
    if status in _REFUSED_BY_BACKEND:
        why = f"The server refused the proxy's request (HTTP {status}): it wants credentials."
        return failed(502, why, "BackendRefused")
    if status == 405:
        allow = ((b"allow", b"POST"),)
        why = "The server does not offer this."
        return Rejection(405, INVALID_REQUEST, why, headers=allow, reason="BackendRefused")
    if 400 <= status < 500:
        why = f"The server refused the request (HTTP {status})."
        return Rejection(status, INVALID_REQUEST, why, reason="BackendRefused")
    return failed(502, f"The server failed (HTTP {status}).", "BackendFailed")


async def stream(
    exchange: Exchange, connection: Connection, watch: Watch, rename: Rename | None = None
) -> None:
    """Pass on an event stream to its end.  `rename`: the event ids that the client gets."""
    await exchange.start()
    exchange.on_cut = connection.close
    pump = _Pump(exchange, connection, watch, rename)
    try:
        await pump.run()
    finally:
        exchange.on_cut = None
        watch.close()


class _Pump:
    """One stream on its way."""

    def __init__(
        self, exchange: Exchange, connection: Connection, watch: Watch, rename: Rename | None
    ) -> None:
        self._exchange = exchange
        self._rename = rename
        self._connection = connection
        self._watch = watch
        self._decoder = Decoder()
        message = exchange.message
        self._reads = exchange.caller is not None and exchange.caller.kind == "catalogue"
        # What a GET stream replays may be the answer to a list.
        self._filters = self._reads or message is None or message.method in LISTS
        self._raw: bytearray | None = bytearray()
        """As it came, since the last whole event; None: some of it has gone out rewritten."""

    async def run(self) -> None:
        exchange, watch = self._exchange, self._watch
        try:
            while (chunk := await self._next()) is not None:
                await self._pass(chunk)
        except BrokenError:
            exchange.interrupt("gone" if exchange.cut == "gone" else "broken")
        except TooLargeError:
            exchange.interrupt("broken")
        if exchange.cut == "gone":
            return
        # Half an event may have gone out: our own must not become a part of it.
        gap = b"" if self._filters or self._decoder.idle else b"\n\n"
        words = closing_words(exchange, watch)
        await exchange.end(gap + words if words else b"")

    async def _next(self) -> bytes | None:
        """The next chunk; our own comments while there is none; None at the end."""
        loop = asyncio.get_running_loop()
        while not self._watch.expired(loop.time()):
            try:
                return await self._connection.chunk(self._watch.patience(loop.time()))
            except SilentError:
                if self._decoder.idle and not self._watch.expired(loop.time()):
                    await self._exchange.write(COMMENT)
        self._exchange.interrupt(self._watch.why())
        return None

    async def _pass(self, chunk: bytes) -> None:
        now = asyncio.get_running_loop().time()
        events = []
        for event in self._decoder.feed(chunk):
            if event.data:
                self._watch.heard(now)
            self._note(event)
            if self._filters:
                await self._exchange.write(self._named(self._filtered(event)).encode())
            elif self._rename is not None:
                events.append(event)
        if not self._decoder.idle:
            self._watch.heard(now)
        if self._filters:
            return
        if self._rename is None:
            await self._exchange.write(chunk)
        else:
            await self._renamed(chunk, events)

    def _note(self, event: Event) -> None:
        if event.id is not None:
            self._watch.resumable = True
        if event.data:
            self._watch.saw(event.data, self._exchange)
            if self._exchange.witness is not None:
                self._exchange.witness(event.data)

    async def _renamed(self, chunk: bytes, events: list[Event]) -> None:
        """The bytes as they came wherever no event in them has an id."""
        if self._raw is not None:
            self._raw += chunk
        plain = self._raw is not None and all(event.id is None for event in events)
        if self._decoder.idle:
            raw, self._raw = self._raw, bytearray()
            if plain and raw:
                await self._exchange.write(bytes(raw))
                return
        elif not events:
            return
        else:
            self._raw = None
        for event in events:
            await self._exchange.write(self._named(event).encode())

    def _named(self, event: Event) -> Event:
        if event.id is None or self._rename is None:
            return event
        return replace(event, id=self._rename(event.id))

    def _filtered(self, event: Event) -> Event:
        """What may be passed of one event; re-written, so that nothing unread is in it."""
        if not event.data:
            return event
        data = decode(event.data)
        if self._reads and not may_hear(self._exchange.message, data):
            return replace(event, data=b"")
        if isinstance(data, dict) and isinstance(data.get("method"), str):
            return replace(event, data=encode(data))
        if self._exchange.message is not None:
            return replace(event, data=shown(self._exchange, event.data))
        assert self._exchange.caller is not None
        assert self._exchange.endpoint is not None
        seen = replayed(event.data, self._exchange.caller, self._exchange.endpoint.rules)
        return replace(event, data=seen)
