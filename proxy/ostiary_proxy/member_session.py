"""What a group's client has begun at its members: legacy sessions, each at its first use.

A member knows such a session by a key and by who is calling; no session id passes between proxies.
One that a member has lost is begun anew from what the client's own session remembers, once, and
what it was told before is told again.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ostiary_proxy.era import VERSION
from ostiary_proxy.exchange import Exchange, Headers, Refused, failed
from ostiary_proxy.group_inward import Routed, route
from ostiary_proxy.group_names import GroupNames
from ostiary_proxy.handshake import INITIALIZED
from ostiary_proxy.http_request import handshake_result
from ostiary_proxy.mailbox import Mailbox
from ostiary_proxy.member_answer import refused_by
from ostiary_proxy.member_link import Answer, Errand, MemberLink, travelling
from ostiary_proxy.message import Id, Json, encode
from ostiary_proxy.relay import is_stream, whole
from ostiary_proxy.session import Session
from ostiary_proxy.upstream import SilentError

HEAR_SECONDS: Final = 1.0
"""How long a first call waits for the stream beside it: on it, the member may ask something."""
TELL_SECONDS: Final = 10.0
"""How long a member may take at least over a handshake, and over what it is told again: its process
may be starting, and what waits for the session may have longer."""
BEGINNINGS: Final = 3
"""How often one request begins a session anew: while pods come and go, the one that it was begun at
may not be the one that is asked next."""
_OWN_ID: Final = "ostiary"


@dataclass(slots=True)
class Seat:
    """One session at one member."""

    version: str
    """As the member has agreed to."""
    begun: bool = False
    epoch: int = 0
    """How often it was begun."""
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """What the member says beside its answers is listened to, or it offers no such thing."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True, eq=False)
class Attendance:
    """What one client's session has at the members of its group."""

    session: Session
    key: bytes
    seats: dict[str, Seat] = field(default_factory=dict)
    """By alias."""
    asked: dict[tuple[type, Id], str] = field(default_factory=dict)
    """The alias that a request is at which is under way here, by the type of its id and the id."""
    stream: Mailbox | None = None
    """What the client hears beside its calls, while it listens."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever a session begins at another member."""

    def seat(self, alias: str) -> Seat:
        seat = self.seats.get(alias)
        if seat is None:
            # One made anew from its id may be known there still: that is tried first.
            seat = Seat(self.session.recipe.version, begun=self.session.lost)
            self.seats[alias] = seat
            self.news.set()
        return seat


def headers_at(exchange: Exchange, seat: Seat) -> Headers:
    """Those of a message within the session."""
    others = (one for one in travelling(exchange.headers) if one[0] != VERSION)
    return ((VERSION, seat.version.encode()), *others)


class Sitting:
    """One request's use of the session at one member."""

    def __init__(
        self, exchange: Exchange, attendance: Attendance, link: MemberLink, names: GroupNames
    ) -> None:
        self._exchange, self._attendance = exchange, attendance
        self._link, self._names = link, names
        self._alias = link.member.alias
        self._seat = attendance.seat(self._alias)

    async def send(
        self, body: bytes, seconds: float, *, verb: str = "POST", safe: bool, more: Headers = ()
    ) -> Answer:
        """Within the session, which is begun where it has to be; `member_link`'s errors."""
        if not self._seat.begun:
            await self._begin(self._seat.epoch, seconds)
        for _ in range(BEGINNINGS):
            epoch = self._seat.epoch
            answer = await self._send(body, seconds, verb, safe=safe, more=more)
            if answer.status != 404:
                return answer
            # Nothing was carried out there, for the member does not know the session (any more).
            answer.close()
            await self._begin(epoch, seconds)
        return await self._send(body, seconds, verb, safe=safe, more=more)

    async def _send(
        self, body: bytes, seconds: float, verb: str, *, safe: bool, more: Headers = ()
    ) -> Answer:
        headers = (*headers_at(self._exchange, self._seat), *more)
        errand = Errand(headers, body, verb, key=self._attendance.key, safe=safe)
        return await self._link.send(errand, seconds, self._exchange)

    async def _begin(self, epoch: int, seconds: float) -> None:
        """Unless somebody else has, since that epoch."""
        seat, seconds = self._seat, max(seconds, TELL_SECONDS)
        async with seat.turn:
            if seat.begun and seat.epoch != epoch:
                return
            result = await self._shake(seconds)
            version = result.get("protocolVersion")
            if isinstance(version, str):
                seat.version = version[:64]
            again = seat.epoch > 0 or self._attendance.session.lost
            seat.begun, seat.epoch = True, seat.epoch + 1
            await self._tell(INITIALIZED, seconds)
            if again:
                self._exchange.repaired = "upstream"
            for method, params in self._reminders():
                body = {"jsonrpc": "2.0", "id": _OWN_ID, "method": method, "params": params}
                await self._tell(encode(body), seconds)
            self._attendance.news.set()
            if self._attendance.stream is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEAR_SECONDS):
                        await seat.heard.wait()

    async def _shake(self, seconds: float) -> Json:
        params = self._attendance.session.hello
        body = {"jsonrpc": "2.0", "id": _OWN_ID, "method": "initialize", "params": params}
        headers = tuple(one for one in travelling(self._exchange.headers) if one[0] != VERSION)
        errand = Errand(headers, encode(body), key=self._attendance.key)
        answer = await self._link.send(errand, seconds, self._exchange)
        try:
            raw = await gathered(answer, seconds)
            if answer.status in (401, 403):
                raise Refused(refused_by(self._alias))
            result = handshake_result(raw, streamed=is_stream(answer.connection))
        finally:
            answer.close()
        if result is None:
            why = f"{self._alias} began no session for this client."
            raise Refused(failed(502, why, "NoSession"))
        return result

    async def _tell(self, body: bytes, seconds: float) -> None:
        answer = await self._send(body, seconds, "POST", safe=True)
        try:
            await gathered(answer, seconds)
        finally:
            answer.close()

    def _reminders(self) -> Iterator[tuple[str, Json]]:
        for method, params in self._attendance.session.reminders:
            routed = route(method, params, self._names)
            if not isinstance(routed, Routed):
                yield method, params
            elif routed.alias == self._alias:
                yield method, routed.params


async def gathered(answer: Answer, seconds: float) -> bytes:
    """All of it, in so many seconds however it trickles: others wait for the same session.

    Raises SilentError, and what `relay.whole` does."""
    try:
        async with asyncio.timeout(seconds):
            return await whole(answer.connection, seconds)
    except TimeoutError as err:
        raise SilentError from err
