"""A message that came inside something larger: a batch, an SSE session, a WebSocket.

It passes the same stages as one that had a POST to itself, and leaves an audit line of its own.
What would have been its HTTP answer becomes messages, for whoever carried it.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

from ostiary_proxy.asgi import Message as Event
from ostiary_proxy.exchange import STREAM_TYPE, Exchange
from ostiary_proxy.message import Message, Rejection
from ostiary_proxy.sse import COMMENT, Decoder

Carry = Callable[[Exchange, Message | Rejection | None], Coroutine[Any, Any, None]]
"""Passes an inner exchange through the stages; a rejection is answered as one."""

_CONTENT_TYPE: Final = b"content-type"


class Answer:
    """The far end of an inner exchange: ASGI's shapes in, messages out."""

    def __init__(
        self,
        on_message: Callable[[bytes], Awaitable[None]],
        on_life: Callable[[], Awaitable[None]],
    ) -> None:
        """`on_life`: the answer is a stream that lives, and has nothing to say right now."""
        self._on_message = on_message
        self._on_life = on_life
        self._decoder: Decoder | None = None
        self._body: list[bytes] = []
        self.status = 0
        self.headers: Mapping[bytes, bytes] = {}
        self.last_id: bytes | None = None
        """Of the last event that had one."""

    async def __call__(self, event: Event) -> None:
        if event["type"] == "http.response.start":
            self.status = event["status"]
            self.headers = dict(event["headers"])
            if self.headers.get(_CONTENT_TYPE) == STREAM_TYPE:
                self._decoder = Decoder()
                await self._on_life()
        elif self._decoder is not None:
            await self._feed(self._decoder, event["body"])
        else:
            self._body.append(event["body"])
            body = b"" if event.get("more_body") else b"".join(self._body)
            if body:
                await self._on_message(body)

    async def _feed(self, decoder: Decoder, chunk: bytes) -> None:
        if chunk == COMMENT and decoder.idle:
            await self._on_life()
            return
        for event in decoder.feed(chunk):
            if event.id is not None:
                self.last_id = event.id
            if event.data:
                await self._on_message(event.data)


def inner(
    outer: Exchange, answer: Answer, headers: Mapping[bytes, bytes], verb: str = "POST"
) -> Exchange:
    """An exchange of its own for something that `outer` carries; the caller is the same."""
    assert outer.endpoint is not None
    scope = {
        **outer.scope,
        "method": verb,
        "path": outer.endpoint.server.path,
        "headers": list(headers.items()),
        "extensions": {},
    }
    exchange = Exchange(outer.runtime, scope, _nothing, answer)
    exchange.snapshot, exchange.endpoint = outer.snapshot, outer.endpoint
    exchange.caller = outer.caller
    exchange.through, exchange.key, exchange.via = outer.through, outer.key, outer.via
    exchange.came = outer.came
    return exchange


async def _nothing() -> Event:
    """Its body has been read already."""
    return {"type": "http.request", "body": b"", "more_body": False}
