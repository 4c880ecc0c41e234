"""Upstream sessions of the legacy era on behalf of modern clients (protocol.md 52).

A modern client has no session, so requests of one principal with the same capabilities and
revision share one, or those of a wider circle where the owner says so; anonymous is nobody in
particular, and each of its requests has its own.

They may be several clients, and a question that comes beside the streams of the calls, as over
stdio, does not say which call it is for.  So at a server that has asked in this way, while a call
that may be asked is open, another such call goes to a session beside that one.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ostiary_proxy.crew import NOBODY, whose_may_go
from ostiary_proxy.era import LEGACY
from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.handshaken import HandshakenChannel
from ostiary_proxy.mailbox import one
from ostiary_proxy.message import Json, Message, decode, encode
from ostiary_proxy.observe import Seen
from ostiary_proxy.session import SHARE
from ostiary_proxy.sources import Source
from ostiary_proxy.to_legacy import ASKING, QUESTIONS, declared, handshake

Key = tuple[bytes, bytes, str, int]
"""Principal, capabilities, revision, and which of the sessions beside each other."""
MOST: Final = 4096
"""Sessions kept at once."""
MOST_OF_ONE: Final = MOST // SHARE
"""Of them, those of one caller."""
_ANSWERS: Final = frozenset(QUESTIONS.values())


@dataclass(eq=False)
class Upstream:
    """One session, its handshake done."""

    channel: HandshakenChannel
    used: float
    kept: bool

    @property
    def holds(self) -> int:
        """Requests, held calls and subscriptions that use it now."""
        return self.channel.holds


@dataclass(eq=False)
class _Place:
    """Where the session of one key stands; only one handshake at a time."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    upstream: Upstream | None = None
    coming: int = 0
    """Calls that may be asked, and wait for the handshake."""

    @property
    def may_ask(self) -> bool:
        """Some open call of it may be answered by a question."""
        calls = () if self.upstream is None else self.upstream.channel.calls.values()
        return self.coming > 0 or any(it.message and _may_be_asked(it.message) for it in calls)


class Upstreams:
    """The upstream sessions of one backend."""

    def __init__(
        self,
        source: Source,
        *,
        name: str,
        now: Callable[[], float],
        idle_seconds: float,
        on_repair: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._name = name
        self._now = now
        self._idle_seconds = idle_seconds
        self._on_repair = on_repair
        self._places: dict[Key, _Place] = {}
        self._passing: set[Upstream] = set()

    def __len__(self) -> int:
        return sum(place.upstream is not None for place in self._places.values()) + len(
            self._passing
        )

    def has(self, exchange: Exchange, message: Message, seen: Seen) -> bool:
        """Is there a session for this request already?"""
        assert exchange.caller is not None
        if self._is_apart(exchange):
            return False
        commons = self._source.commons
        if commons is not None:
            return commons.has_legacy(exchange.caller.digest, seen.legacy[-1])
        place = self._places.get(_key(exchange, message))
        return place is not None and place.upstream is not None and place.upstream.channel.alive

    def standing(self, exchange: Exchange, message: Message) -> Upstream | None:
        """The caller's own session, if it is there."""
        place = None if self._is_apart(exchange) else self._places.get(_key(exchange, message))
        upstream = None if place is None else place.upstream
        return upstream if upstream is not None and upstream.channel.alive else None

    async def take(self, exchange: Exchange, message: Message, seen: Seen) -> Upstream:
        """The session for this request; give it back with `release`."""
        assert exchange.caller is not None
        assert exchange.endpoint is not None
        if self._is_apart(exchange):
            listens = bool(declared(message)) or message.method == "subscriptions/listen"
            made = await self._make(exchange, message, seen, kept=False, listens=listens)
            self._passing.add(made)
            return self._used(made)
        commons = self._source.commons
        if commons is not None:
            seconds = exchange.endpoint.server.limits.callSeconds
            channel = await commons.legacy(exchange.caller.digest, seen.legacy[-1], seconds)
            return self._used(Upstream(channel, self._now(), kept=True))
        apart = self._source.asks and _may_be_asked(message)
        place = self._place(_key(exchange, message), apart=apart)
        place.coming += apart
        try:
            async with place.lock:
                upstream = place.upstream
                if upstream is None or not upstream.channel.alive:
                    place.upstream = None
                    made = await self._make(exchange, message, seen, kept=True, listens=True)
                    if upstream is not None:
                        self._note_repair(exchange)
                    upstream = place.upstream = made
                return self._used(upstream)
        finally:
            place.coming -= apart

    def _place(self, key: Key, *, apart: bool) -> _Place:
        """`apart`: one where no other call may be asked."""
        place = self._places.get(key)
        while apart and place is not None and place.may_ask:
            key = (*key[:3], key[3] + 1)
            place = self._places.get(key)
        if place is None:
            self._make_room(key[0])
            place = self._places[key] = _Place()
        return place

    def _used(self, upstream: Upstream) -> Upstream:
        upstream.used = upstream.channel.used = self._now()
        upstream.channel.holds += 1
        return upstream

    def _note_repair(self, exchange: Exchange) -> None:
        exchange.repaired = self._source.loses
        self._on_repair()

    def _note_question(self) -> None:
        self._source.asks = True

    def _is_apart(self, exchange: Exchange) -> bool:
        assert exchange.caller is not None
        assert exchange.endpoint is not None
        if self._source.mode == "Shared":
            return False
        alone = exchange.endpoint.server.sessionAffinity == "Request"
        return alone or exchange.caller.kind == "anonymous"

    def release(self, upstream: Upstream) -> None:
        upstream.used = upstream.channel.used = self._now()
        upstream.channel.holds -= 1
        if upstream.holds == 0 and not upstream.kept:
            self._passing.discard(upstream)
            upstream.channel.close()

    def reap(self) -> None:
        oldest = self._now() - self._idle_seconds
        for key, place in tuple(self._places.items()):
            upstream = place.upstream
            if upstream is None:
                if not place.lock.locked():
                    del self._places[key]
                continue
            upstream.channel.expire()
            if not upstream.channel.alive or (not upstream.holds and upstream.used < oldest):
                self._end(key)

    def evict(self, who: bytes = NOBODY) -> bool:
        """End the session that has been idle for longest, of one caller or of all; False: all are
        in use."""
        idle = [
            (place.upstream.used, key)
            for key, place in self._places.items()
            if place.upstream is not None and not place.upstream.holds and who in (NOBODY, key[0])
        ]
        if not idle:
            return False
        self._end(min(idle)[1])
        return True

    def close(self) -> None:
        for place in self._places.values():
            if place.upstream is not None:
                place.upstream.channel.close()
        for upstream in self._passing:
            upstream.channel.close()
        self._places.clear()
        self._passing.clear()

    def _make_room(self, who: bytes) -> None:
        if len(self._places) < MOST_OF_ONE:
            return
        full = sum(key[0] == who for key in self._places) >= MOST_OF_ONE
        if (full or len(self._places) >= MOST) and not self.evict(who if full else NOBODY):
            why = "Too many sessions at the server; try again."
            raise Refused(failed(503, why, "Busy", headers=((b"retry-after", b"5"),)))

    def _end(self, key: Key) -> None:
        upstream = self._places.pop(key).upstream
        if upstream is not None:
            upstream.channel.close()

    async def _make(
        self, exchange: Exchange, message: Message, seen: Seen, *, kept: bool, listens: bool
    ) -> Upstream:
        assert exchange.caller is not None
        who = exchange.caller.digest
        channel = HandshakenChannel(self._name)
        channel.on_stray = self._note_question
        channel.holds += 1  # nobody takes its process away during the handshake
        try:
            await self._source.open(channel, "legacy", who=who, listens=listens)
        except Refused as refused:
            # All processes are in use: one of ours may be idle.
            whose = whose_may_go(refused.rejection, who)
            if whose is None or not self.evict(whose):
                raise
            await self._source.open(channel, "legacy", who=who, listens=listens)
        try:
            result = await self._shake(channel, exchange, message, seen)
        except BaseException:  # a cancelled handshake too leaves a session of no use
            channel.close()
            raise
        channel.tell("notifications/initialized")
        capabilities = result.get("capabilities")
        channel.logs = isinstance(capabilities, dict) and "logging" in capabilities
        channel.holds -= 1
        return Upstream(channel, self._now(), kept)

    async def _shake(
        self, channel: HandshakenChannel, exchange: Exchange, message: Message, seen: Seen
    ) -> Json:
        assert exchange.endpoint is not None
        params = handshake(message, seen.legacy[-1])
        call = channel.ask("initialize", params)
        exchange.on_cut = call.wake
        seconds = exchange.endpoint.server.limits.callSeconds
        try:
            letter = await one(call, seconds, lambda: exchange.cut is not None)
        finally:
            exchange.on_cut = None
        if letter is not None:
            return _agreed(letter.data)
        if call.ended is not None:
            raise Refused(failed(502, "The server ended the handshake.", call.ended.reason))
        raise Refused(failed(504, "The server did not answer in time.", "NoAnswer"))


def _key(exchange: Exchange, message: Message) -> Key:
    assert exchange.caller is not None
    assert exchange.spoken is not None
    capabilities = exchange.key + encode(declared(message))
    return (exchange.caller.digest, capabilities, exchange.spoken.version, 0)


def _may_be_asked(message: Message) -> bool:
    return message.method in ASKING and not _ANSWERS.isdisjoint(declared(message))


def _agreed(answer: bytes) -> Json:
    data = decode(answer)
    result = data.get("result") if isinstance(data, dict) else None
    if isinstance(result, dict) and result.get("protocolVersion") in LEGACY:
        return result
    why = "The server refused the handshake of an older revision."
    raise Refused(failed(502, why, "HandshakeRefused"))
