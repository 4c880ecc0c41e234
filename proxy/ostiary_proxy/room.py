"""How much one backend may have open at once: calls, and streams held for its own messages."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.message import Message

STREAMS: Final = 8192
"""GET and listen streams open at once."""
STREAMS_OF_ONE: Final = 1024
"""Of them, those of one principal: nobody alone can take the room of all others."""

_RETRY: Final = ((b"retry-after", b"1"),)


class Room:
    """Of one backend."""

    def __init__(self) -> None:
        self._calls = 0
        self._streams = 0
        self._streams_of: Counter[bytes] = Counter()
        """By the digest of the principal."""

    @contextmanager
    def taken(self, exchange: Exchange) -> Iterator[None]:
        """By this request, until it is over.  Raises Refused."""
        counted = _counts(exchange.message) and not exchange.holding
        self._check(exchange, counted)
        self._calls += counted
        self._hold(exchange, 1)
        try:
            yield
        finally:
            self._calls -= counted
            self._hold(exchange, -1)

    def _hold(self, exchange: Exchange, change: int) -> None:
        if exchange.holding:
            who = _who(exchange)
            self._streams += change
            self._streams_of[who] += change
            if not self._streams_of[who]:
                del self._streams_of[who]

    def _check(self, exchange: Exchange, counted: bool) -> None:
        assert exchange.endpoint is not None
        if counted and self._calls >= exchange.endpoint.server.limits.concurrency:
            why = "Too many calls at once; try again."
            raise Refused(failed(503, why, "Busy", headers=_RETRY))
        if exchange.holding and self._streams_are_full(exchange):
            why = "Too many open streams; close some, or try again."
            raise Refused(failed(503, why, "Busy", headers=_RETRY))

    def _streams_are_full(self, exchange: Exchange) -> bool:
        own = self._streams_of[_who(exchange)]
        return self._streams >= STREAMS or own >= STREAMS_OF_ONE


def _who(exchange: Exchange) -> bytes:
    return exchange.caller.digest if exchange.caller is not None else b""


def _counts(message: Message | None) -> bool:
    """`server/discover` is never shed: a client that gets a 503 there takes us for legacy."""
    return message is not None and message.kind == "request" and message.method != "server/discover"
