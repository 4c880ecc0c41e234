"""What a group's endpoint does with each message: answered here, or by the member it names.

Handshakes, lists and pings are the group's own.  What names a tool, a prompt or a resource is its
member's; what a legacy client says of its whole session goes to each member where it has begun one.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from ostiary_proxy import between
from ostiary_proxy.era import CAPABILITIES_KEY, LEGACY, LISTS, MODERN, SESSION, VERSION
from ostiary_proxy.exchange import Exchange, Refused
from ostiary_proxy.gateway import Gateway, Spawn
from ostiary_proxy.group_answers import GroupAnswers, reply
from ostiary_proxy.group_calls import GroupCalls
from ostiary_proxy.group_inward import Nobodys, Routed, route
from ostiary_proxy.group_names import GroupNames
from ostiary_proxy.group_places import GroupPlaces
from ostiary_proxy.group_search import is_meta, searches
from ostiary_proxy.group_streams import GroupStreams
from ostiary_proxy.member_answer import Speech, inward_id
from ostiary_proxy.member_lists import Profile
from ostiary_proxy.member_session import Attendance
from ostiary_proxy.message import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Message,
    Rejection,
    encode,
)
from ostiary_proxy.mirror import mirrors, written
from ostiary_proxy.open_streams import only_post
from ostiary_proxy.recipe import Owner
from ostiary_proxy.runtime import Endpoint
from ostiary_proxy.session import Session, Sessions, begun, found, missing_session
from ostiary_proxy.to_legacy import LEVELS

_QUIET: Final = frozenset({"notifications/initialized"})


class GroupService:
    """One way into a group."""

    def __init__(
        self,
        endpoint: Endpoint,
        gateway: Gateway,
        *,
        owner: Owner,
        now: Callable[[], float],
        spawn: Spawn,
    ) -> None:
        server = endpoint.server
        self._uid = server.uid
        assert endpoint.rules.group is not None
        places = endpoint.rules.group.places
        assert isinstance(places, GroupPlaces)
        self._places = places
        self._gateway = gateway
        self._answers = GroupAnswers(server.uid, gateway, places)
        self._sessions = Sessions(server.uid, owner, now=now)
        self._attending: dict[Session, Attendance] = {}
        self.calls = GroupCalls(gateway, spawn)
        self._streams = GroupStreams(gateway, places, self.calls, spawn)

    def reap(self) -> None:
        self._sessions.reap()

    def close(self) -> None:
        self._sessions.end_all()

    async def serve(self, exchange: Exchange) -> None:
        message, spoken = exchange.message, exchange.spoken
        if message is not None and spoken is not None and spoken.era == "modern":
            await self._modern(exchange, message)
        elif message is None and exchange.headers.get(VERSION, b"").decode("latin-1") in MODERN:
            raise Refused(only_post())
        elif message is not None and message.method == "initialize":
            await self._begin(exchange, message)
        else:
            await self._legacy(exchange)

    def alias_of(self, exchange: Exchange) -> str | None:
        """Whose the thing is that it names, as far as that is known."""
        message = exchange.message
        if message is None:
            return None
        routed = route(message.method, message.params, self._names)
        return routed.alias if isinstance(routed, Routed) else None

    def write_headers(self, exchange: Exchange) -> None:
        """Those that repeat arguments, made of the tool's schema as its member lists it."""
        message = exchange.message
        modern = exchange.spoken is not None and exchange.spoken.era == "modern"
        if message is None or not modern or message.method != "tools/call":
            return
        routed = route(message.method, message.params, self._names)
        member = self._gateway.member(routed.alias) if isinstance(routed, Routed) else None
        if member is not None and isinstance(routed, Routed):
            tool = member.catalogue.tool(routed.name)
            inner = message._replace(params=routed.params)
            exchange.write_headers(written(mirrors([tool] if tool else []), inner))

    # modern clients

    async def _modern(self, exchange: Exchange, message: Message) -> None:
        if message.kind != "request":
            await exchange.reply(202)
            return
        assert exchange.spoken is not None
        profile = Profile.of(exchange.spoken.version, message.params["_meta"][CAPABILITIES_KEY])
        match message.method:
            case "server/discover":
                result = await self._answers.hello(exchange, profile, modern=True)
                await reply(exchange, message, result)
            case "subscriptions/listen":
                await self._streams.listen(exchange, message)
            case method if method in LISTS:
                await self._answers.listed(exchange, message, profile)
            case _ if self._is_meta(exchange, message):
                await self._answers.search(exchange, message, profile)
            case _:
                await self._routed(exchange, message, None)

    # legacy clients

    async def _begin(self, exchange: Exchange, message: Message) -> None:
        version = message.params.get("protocolVersion")
        agreed = version if version in LEGACY else LEGACY[-1]
        session = begun(self._sessions, exchange, str(agreed))
        result = await self._answers.hello(exchange, _profile(session), modern=False)
        headers = ((SESSION, session.id.encode()),)
        await reply(exchange, message, result, headers)

    async def _legacy(self, exchange: Exchange) -> None:
        ident = exchange.headers.get(SESSION)
        if ident is None:
            raise Refused(missing_session())
        session = found(self._sessions, exchange, ident)
        attendance = self._attendance(session)
        session.busy += 1
        try:
            await self._attended(exchange, attendance)
        finally:
            session.busy -= 1

    def _attendance(self, session: Session) -> Attendance:
        attendance = self._attending.get(session)
        if attendance is None:
            key = between.legacy_key(self._uid, session.recipe.nonce)
            attendance = self._attending[session] = Attendance(session, key)
            session.close = lambda: self._forget(session)
        return attendance

    def _forget(self, session: Session) -> None:
        self._attending.pop(session, None)

    async def _attended(self, exchange: Exchange, attendance: Attendance) -> None:
        message, session = exchange.message, attendance.session
        if exchange.verb == "DELETE":
            await self._leave(exchange, attendance)
        elif message is None:
            await self._hold(exchange, attendance)
        elif message.kind != "request":
            await self._told(exchange, message, attendance)
        elif message.method == "ping":
            await reply(exchange, message, {})
        elif message.method in LISTS and not self._is_alone(exchange):
            await self._answers.listed(exchange, message, _profile(session))
        elif message.method == "logging/setLevel":
            await self._level(exchange, message, attendance)
        elif self._is_meta(exchange, message):
            await self._answers.search(exchange, message, _profile(session))
        else:
            session.note(message)
            await self._routed(exchange, message, attendance)

    async def _hold(self, exchange: Exchange, attendance: Attendance) -> None:
        sole = self._names.sole
        if sole is None:
            await self._streams.hold(exchange, attendance)
        else:
            await self.calls.hold(exchange, attendance, self._speech(sole))

    async def _leave(self, exchange: Exchange, attendance: Attendance) -> None:
        """What it holds at the members is given back, as far as they can be reached."""
        self._sessions.end(attendance.session)
        await self.calls.leave(exchange, attendance)
        await exchange.reply(204)

    async def _level(self, exchange: Exchange, message: Message, attendance: Attendance) -> None:
        if message.params.get("level") not in LEVELS:
            raise Refused(Rejection(200, INVALID_PARAMS, "params.level is no level of logs."))
        attendance.session.note(message)
        await self._everywhere(exchange, message, attendance)
        await reply(exchange, message, {})

    async def _told(self, exchange: Exchange, message: Message, attendance: Attendance) -> None:
        """Nothing that has an answer."""
        attendance.session.hear(message, asyncio.get_running_loop().time())
        if message.kind == "response":
            await self._answered(exchange, message, attendance)
        elif message.method == "notifications/cancelled":
            await self._cancelled(exchange, message, attendance)
        elif message.method not in _QUIET:
            await self._everywhere(exchange, message, attendance)
        await exchange.reply(202)

    async def _answered(self, exchange: Exchange, message: Message, attendance: Attendance) -> None:
        """To a member's question; what nobody asked is dropped."""
        sole = self._names.sole
        asked = inward_id(message.id) if sole is None else (sole, message.id)
        if asked is None or self._gateway.member(asked[0]) is None:
            return
        if asked[0] not in attendance.seats and not attendance.session.lost:
            # It was never spoken to, and asked nothing: no session begins for this.
            return
        body = encode({**message.data, "id": asked[1]})
        await self.calls.tell(exchange, attendance, self._speech(asked[0]), body)

    async def _cancelled(
        self, exchange: Exchange, message: Message, attendance: Attendance
    ) -> None:
        ident = message.params.get("requestId")
        alias = None
        if isinstance(ident, str | int):
            alias = attendance.asked.get((type(ident), ident))
        if alias is None:
            await self._everywhere(exchange, message, attendance)
        else:
            speech = self._speech(alias)
            await self.calls.tell(exchange, attendance, speech, message.canonical)

    async def _everywhere(
        self, exchange: Exchange, message: Message, attendance: Attendance
    ) -> None:
        """To each member where the session has begun."""
        body = message.canonical
        told = (
            self.calls.tell(exchange, attendance, self._speech(alias), body)
            for alias, seat in tuple(attendance.seats.items())
            if seat.begun and self._gateway.member(alias) is not None
        )
        await asyncio.gather(*told)

    # both

    def _speech(self, alias: str) -> Speech:
        return Speech(alias, self._names)

    @property
    def _names(self) -> GroupNames:
        """As they are just now."""
        return self._places.names

    def _is_alone(self, exchange: Exchange) -> bool:
        """The only member speaks for itself, lists of its session's own and all."""
        return self._names.sole is not None and not searches(exchange)

    def _is_meta(self, exchange: Exchange, message: Message) -> bool:
        return is_meta(message) and searches(exchange)

    async def _routed(
        self, exchange: Exchange, message: Message, attendance: Attendance | None
    ) -> None:
        routed = route(message.method, message.params, self._names)
        if message.method in LISTS and self._names.sole is not None:
            routed = Routed(self._names.sole, message.params, "tool", "")
        if isinstance(routed, Routed):
            await self.calls.serve(exchange, routed, self._speech(routed.alias), attendance)
            return
        if isinstance(routed, Nobodys):
            raise Refused(_nobodys(exchange, routed))
        raise Refused(_unknown(exchange))


def _profile(session: Session) -> Profile:
    recipe = session.recipe
    return Profile.of(recipe.version, recipe.capabilities)


def _nobodys(exchange: Exchange, routed: Nobodys) -> Rejection:
    """It was allowed a moment ago, and is nobody's by now."""
    modern = exchange.spoken is not None and exchange.spoken.era == "modern"
    why = f"There is no such {routed.kind} (any more)."
    return Rejection(400 if modern else 200, INVALID_PARAMS, why, reason="NotAllowed")


def _unknown(exchange: Exchange) -> Rejection:
    modern = exchange.spoken is not None and exchange.spoken.era == "modern"
    return Rejection(
        404 if modern else 200, METHOD_NOT_FOUND, "Method not found", reason="UnknownMethod"
    )
