"""What a group's client hears beside its calls: one stream, fed by the group and by its members.

Changes of lists are the group's own word: it follows its members' catalogues, and tells of each
change once.  All else comes from the sessions (legacy) or the subscriptions (modern) that the
client has at single members.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Final

from ostiary_proxy.era import CHANGES
from ostiary_proxy.exchange import Exchange, Refused
from ostiary_proxy.gateway import Gateway, Spawn
from ostiary_proxy.group_calls import (
    LAST_EVENT,
    GroupCalls,
    ended,
    modern_headers,
    modern_key,
)
from ostiary_proxy.group_inward import SUBSCRIPTIONS, followed, listen
from ostiary_proxy.group_places import GroupPlaces
from ostiary_proxy.legacy import SECOND_STREAM
from ostiary_proxy.listening import KINDS
from ostiary_proxy.mailbox import Letter, Mailbox
from ostiary_proxy.member_answer import Feed, Speech
from ostiary_proxy.member_link import Errand
from ostiary_proxy.member_session import Attendance, Seat, headers_at
from ostiary_proxy.message import Id, Json, Message, encode
from ostiary_proxy.relay import is_stream
from ostiary_proxy.stdio import deliver
from ostiary_proxy.to_legacy import acknowledged, tagged
from ostiary_proxy.upstream import UpstreamError
from ostiary_proxy.watch import Watch

FIRST_RETRY_SECONDS: Final = 0.25
LAST_RETRY_SECONDS: Final = 15.0
ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
ACKNOWLEDGE_SECONDS: Final = 5.0
LISTEN_SECONDS: Final = 30.0
_METHODS: Final = dict(KINDS.values())


class GroupStreams:
    """Of one way into a group."""

    def __init__(
        self, gateway: Gateway, places: GroupPlaces, calls: GroupCalls, spawn: Spawn
    ) -> None:
        self._gateway, self._places, self._calls = gateway, places, calls
        self._spawn = spawn

    async def hold(self, exchange: Exchange, attendance: Attendance) -> None:
        """A legacy client's GET."""
        if attendance.stream is not None:
            raise Refused(SECOND_STREAM)
        mailbox = attendance.stream = Mailbox()
        stop = self._gateway.hear(lambda kinds: _put(mailbox, kinds))
        following = self._spawn(self._follow(exchange, attendance, mailbox))
        try:
            await exchange.start()
            questions = attendance.session.questions
            await deliver(exchange, mailbox, _watch(exchange, questions=questions))
        finally:
            attendance.stream = None
            stop()
            mailbox.close()
            await ended(following)

    async def _follow(self, exchange: Exchange, attendance: Attendance, mailbox: Mailbox) -> None:
        """A stream of each member at which the session has begun; none ends with another's."""
        hearing: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                attendance.news.clear()
                begun = {alias for alias, seat in attendance.seats.items() if seat.begun}
                for alias in begun - hearing.keys():
                    work = self._hear(exchange, attendance, mailbox, alias)
                    hearing[alias] = self._spawn(work)
                await attendance.news.wait()
        finally:
            for task in hearing.values():
                await ended(task)

    async def _hear(
        self, exchange: Exchange, attendance: Attendance, mailbox: Mailbox, alias: str
    ) -> None:
        """As long as the client does, and the member offers it."""
        seat, wait, last_id = attendance.seats[alias], FIRST_RETRY_SECONDS, b""
        while not mailbox.closed:
            feed = Feed(mailbox, Speech(alias, self._places.names), turn=Turn(self._gateway, alias))
            status = await self._read(exchange, attendance, seat, feed, last_id)
            if status in (405, 501):
                return
            last_id = feed.last_id or last_id
            wait = _wait(wait, feed)
            await asyncio.sleep(max(wait, min(feed.retry, LAST_RETRY_SECONDS)))

    async def _read(
        self, exchange: Exchange, attendance: Attendance, seat: Seat, feed: Feed, last_id: bytes
    ) -> int:
        """The status; 0 where the member could not be reached."""
        headers = headers_at(exchange, seat)
        if last_id:
            headers = (*headers, (LAST_EVENT, last_id))
        errand = Errand(headers, verb="GET", key=attendance.key)
        try:
            answer = await self._calls.link(feed.alias).send(errand, LISTEN_SECONDS)
        except (UpstreamError, Refused):
            return 0
        seat.heard.set()
        if is_stream(answer.connection):
            await feed.read(answer)
            return 200
        answer.close()
        return answer.status

    async def listen(self, exchange: Exchange, message: Message) -> None:
        """A modern client's `subscriptions/listen`."""
        mailbox = Mailbox()
        wanted = message.params.get("notifications")
        asked: Json = wanted if isinstance(wanted, dict) else {}
        kinds = {group for kind, (group, _) in KINDS.items() if asked.get(kind) is True}
        honoured: Json = {kind: True for kind, (group, _) in KINDS.items() if group in kinds}
        subscribed = Subscribed(
            self._gateway, self._places, exchange, message, mailbox, self._calls
        )
        reading = [self._spawn(work) for work in subscribed.streams()]
        stop = self._gateway.hear(lambda news: _put(mailbox, news & kinds, message.id))
        try:
            if SUBSCRIPTIONS in asked:
                honoured[SUBSCRIPTIONS] = await subscribed.acknowledged()
            mailbox.put_first(Letter(encode(acknowledged(honoured, message.id))))
            await deliver(exchange, mailbox, _watch(exchange))
        finally:
            stop()
            mailbox.close()
            for task in reading:
                await ended(task)


class Turn:
    """What becomes of a member's notifications: of changes the group tells in its own time."""

    def __init__(self, gateway: Gateway, alias: str) -> None:
        self._gateway, self._alias = gateway, alias

    def __call__(self, data: Json) -> Json | None:
        if data.get("method") not in CHANGES:
            return data
        member = self._gateway.member(self._alias)
        if member is not None:
            member.look_again()
        return None


class Subscribed:
    """The resources of single members that one client follows."""

    def __init__(
        self,
        gateway: Gateway,
        places: GroupPlaces,
        exchange: Exchange,
        message: Message,
        mailbox: Mailbox,
        calls: GroupCalls,
    ) -> None:
        self._gateway, self._places, self._calls = gateway, places, calls
        self._exchange, self._message, self._mailbox = exchange, message, mailbox
        self._by_alias = followed(message.params, places.names).by_alias
        self._left = set(self._by_alias)
        self._honoured: dict[str, list[str]] = {}
        self._heard = asyncio.Event()

    def streams(self) -> list[Coroutine[object, object, None]]:
        return [self._follow(alias, uris) for alias, uris in self._by_alias.items()]

    async def acknowledged(self) -> list[str]:
        """Those that the members have agreed to, under the group's names for them."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                while self._left:
                    self._heard.clear()
                    await self._heard.wait()
        return [uri for alias in self._by_alias for uri in self._honoured.get(alias, ())]

    async def _follow(self, alias: str, uris: tuple[str, ...]) -> None:
        wait = FIRST_RETRY_SECONDS
        while not self._mailbox.closed:
            speech = Speech(alias, self._places.names)
            feed = Feed(self._mailbox, speech, turn=lambda data: self._turned(alias, data))
            status = await self._read(alias, uris, feed)
            self._done(alias)
            if 400 <= status < 500:
                return
            wait = _wait(wait, feed)
            await asyncio.sleep(wait)

    async def _read(self, alias: str, uris: tuple[str, ...], feed: Feed) -> int:
        params = listen(self._message.params, uris)
        data = {**self._message.data, "params": params}
        inner = self._message._replace(params=params, data=data, canonical=encode(data))
        try:
            link = self._calls.link(alias)
            errand = Errand(
                modern_headers(self._exchange, inner),
                inner.canonical,
                key=modern_key(self._exchange, inner, link),
            )
            answer = await link.send(errand, LISTEN_SECONDS)
        except (UpstreamError, Refused):
            return 0
        if is_stream(answer.connection):
            await feed.read(answer)
            return 200
        answer.close()
        return answer.status

    def _turned(self, alias: str, data: Json) -> Json | None:
        if Turn(self._gateway, alias)(data) is None:
            return None
        if data.get("method") != ACKNOWLEDGED:
            return tagged(data, self._message.id)
        params = data.get("params")
        told = params.get("notifications") if isinstance(params, dict) else None
        uris = told.get(SUBSCRIPTIONS) if isinstance(told, dict) else None
        listed = uris if isinstance(uris, list) else ()
        self._honoured[alias] = [uri for uri in listed if isinstance(uri, str)]
        self._done(alias)
        return None

    def _done(self, alias: str) -> None:
        self._left.discard(alias)
        self._heard.set()


def _put(
    mailbox: Mailbox, kinds: frozenset[str] | set[str], subscription: Id | None = None
) -> None:
    for kind in sorted(kinds):
        note: Json = {"jsonrpc": "2.0", "method": _METHODS[kind]}
        data = note if subscription is None else tagged(note, subscription)
        mailbox.put(Letter(encode(data)))


def _watch(exchange: Exchange, questions: "dict[Id, Watch] | None" = None) -> Watch:
    assert exchange.endpoint is not None
    return Watch(
        exchange.endpoint.server.limits,
        asyncio.get_running_loop().time(),
        holding=True,
        questions=questions,
    )


def _wait(before: float, feed: Feed) -> float:
    """Until a stream is opened again: longer and longer where nothing was said on it."""
    return FIRST_RETRY_SECONDS if feed.heard else min(before * 2, LAST_RETRY_SECONDS)
