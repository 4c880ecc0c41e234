"""The legacy side of a stdio backend: sessions, and what each of them gets a process for.

`initialize` and lists are answered from the catalogue; a session's own process begins at the first
call, read, get or subscription, and anew whenever it was lost.  While it lives, lists are its own:
what a call has changed is seen.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from ostiary_proxy.catalogue import Catalogue
from ostiary_proxy.config import StdioBackend
from ostiary_proxy.desk import Desk
from ostiary_proxy.era import LISTS
from ostiary_proxy.exchange import Exchange, Headers, Refused
from ostiary_proxy.exclusive import CANCELLED
from ostiary_proxy.handshake import negotiated
from ostiary_proxy.mailbox import Letter, Mailbox
from ostiary_proxy.message import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Json,
    Message,
    Rejection,
    encode,
)
from ostiary_proxy.patience import until_it_reads
from ostiary_proxy.recipe import Owner
from ostiary_proxy.relay import shown
from ostiary_proxy.seats import Seats, offered
from ostiary_proxy.session import (
    Session,
    Sessions,
    begun,
    found,
    missing_session,
    named,
    told,
    unknown_session,
)
from ostiary_proxy.stdio import deliver
from ostiary_proxy.to_legacy import LEVELS
from ostiary_proxy.watch import Watch

ID_IN_USE: Final = Rejection(
    400, INVALID_REQUEST, "A request with this id is still running.", reason="IdInUse"
)
SECOND_STREAM: Final = Rejection(
    409, INVALID_REQUEST, "This session has a stream already.", reason="SecondStream"
)
_CANCELLED: Final[Json] = {"code": CANCELLED, "message": "The request was cancelled."}
_NO_LOGGING: Final[Json] = {"code": METHOD_NOT_FOUND, "message": "Method not found"}
_NEWS_OF_NO_WEIGHT: Final = frozenset(
    {
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/progress",
        "notifications/roots/list_changed",
    }
)
"""What a process that has not begun need not hear."""


class LegacySide:
    """The legacy sessions of one stdio backend."""

    def __init__(
        self,
        backend: StdioBackend,
        uid: str,
        owner: Owner,
        *,
        now: Callable[[], float],
        seats: Seats,
        catalogue: Catalogue,
    ) -> None:
        self._now = now
        self._seats = seats
        self._catalogue = catalogue
        self._mode = backend.process
        self._lists_of_its_own = backend.lists == "PerSession"
        self._own_hello = self._lists_of_its_own and backend.process == "PerSession"
        self.sessions = Sessions(uid, owner, now=now)
        self._desks: dict[Session, Desk] = {}

    def reap(self) -> None:
        for session, desk in tuple(self._desks.items()):
            if desk.held is not None or session.busy:
                self.sessions.touch(session)
        self.sessions.reap()

    def close(self) -> None:
        self.sessions.end_all()

    def announce(self, method: str) -> None:
        """The catalogue's lists have changed: tell those who know no other."""
        line = encode({"jsonrpc": "2.0", "method": method})
        for desk in self._desks.values():
            if desk.held is not None and not desk.alive:
                desk.held.put(Letter(line))

    async def serve(self, exchange: Exchange) -> None:
        message = exchange.message
        if message is not None and message.method == "initialize":
            await self._begin(exchange, message)
            return
        ident = named(exchange)
        if ident is None:
            raise Refused(missing_session())
        session = found(self.sessions, exchange, ident)
        desk = self._desk(session, exchange)
        session.busy += 1
        try:
            await self._serve(exchange, session, desk)
        finally:
            session.busy -= 1

    def _desk(self, session: Session, exchange: Exchange) -> Desk:
        """What it holds here; End: one that has lost its process is over."""
        assert exchange.endpoint is not None
        desk = self._desks.get(session)
        if desk is None:
            desk = self._desks[session] = Desk(session, lambda: self._desks.pop(session, None))
        desk.ends = exchange.endpoint.server.onSessionLoss == "End"
        if desk.check_lost() and desk.ends:
            self.sessions.end(session)
            raise Refused(unknown_session())
        return desk

    async def _serve(self, exchange: Exchange, session: Session, desk: Desk) -> None:
        message = exchange.message
        if exchange.verb == "DELETE":
            self.sessions.end(session)
            await exchange.reply(204)
        elif message is None:
            await self._hold(exchange, session, desk)
        elif message.kind != "request":
            await self._tell(exchange, session, desk, message)
        elif not await self._answer(exchange, session, desk, message):
            await self._ask(exchange, session, desk, message)

    async def _hold(self, exchange: Exchange, session: Session, desk: Desk) -> None:
        if desk.held is not None:
            raise Refused(SECOND_STREAM)
        held = Mailbox()
        desk.attach(held)
        try:
            await exchange.start()
            await deliver(exchange, held, _watch(exchange, session))
        finally:
            desk.attach(None)

    async def _answer(
        self, exchange: Exchange, session: Session, desk: Desk, message: Message
    ) -> bool:
        """Answer what needs no process of the session's own; False when it does."""
        response: Json | None = None
        if message.method in LISTS:
            if not self._lists_of_its_own and not desk.alive:
                response = await self._listed(exchange, session, message)
        elif desk.alive:
            return False
        elif message.method == "ping":
            response = {"result": {}}
        elif message.method == "logging/setLevel" and message.params.get("level") in LEVELS:
            response = await self._levelled(exchange, session, message)
        if response is None:
            return False
        await _reply(exchange, message, response)
        return True

    async def _listed(self, exchange: Exchange, session: Session, message: Message) -> Json | None:
        cursor = message.params.get("cursor")
        page = (message.method, cursor if isinstance(cursor, str) else None)
        recipe = session.recipe
        capabilities = offered(self._mode, recipe.capabilities)
        return await self._catalogue.page(recipe.version, capabilities, page, _seconds(exchange))

    async def _levelled(self, exchange: Exchange, session: Session, message: Message) -> Json:
        recipe = session.recipe
        capabilities = offered(self._mode, recipe.capabilities)
        hello = await self._catalogue.hello(recipe.version, capabilities, _seconds(exchange))
        if "logging" not in hello.get("result", {}).get("capabilities", {}):
            return {"error": _NO_LOGGING}
        session.note(message)
        return {"result": {}}

    async def _ask(
        self, exchange: Exchange, session: Session, desk: Desk, message: Message
    ) -> None:
        with desk.expecting(message) as coming:
            if coming is None:
                raise Refused(ID_IN_USE)
            seat = await self._seats.take(exchange, session, desk)
            if not await until_it_reads(exchange, seat):
                return
        if coming.cancelled:
            await _reply(exchange, message, {"error": _CANCELLED})
            return
        watch = _watch(exchange, session)
        call = seat.begin(message)
        if call is None:
            raise Refused(ID_IN_USE)
        session.note(message)
        self._seats.touch(seat, session)
        try:
            await deliver(exchange, call, watch)
        finally:
            # A legacy client that leaves cancels nothing: the child works on, for nobody.
            call.close()
            call.left = self._now()
            self._seats.touch(seat, session)
            if exchange.cut in ("silent", "revoked"):
                seat.give_up(call)

    async def _tell(
        self, exchange: Exchange, session: Session, desk: Desk, message: Message
    ) -> None:
        session.hear(message, asyncio.get_running_loop().time())
        if message.method == "notifications/cancelled":
            desk.cancel(message.params.get("requestId"))
        heavy = message.kind != "response" and message.method not in _NEWS_OF_NO_WEIGHT
        told = message.method == "notifications/initialized" and not self._own_hello
        seat = desk.seat if desk.alive else None
        if seat is None and heavy:
            seat = await self._seats.take(exchange, session, desk)
        if seat is not None and not told:
            if not await until_it_reads(exchange, seat):
                return
            seat.tell(message)
        await exchange.reply(202)

    async def _begin(self, exchange: Exchange, message: Message) -> None:
        """A handshake, and only then a session."""
        if self._own_hello:
            await self._begin_apart(exchange, message)
            return
        given, version = message.params.get("capabilities"), message.params.get("protocolVersion")
        capabilities = offered(self._mode, given if isinstance(given, dict) else {})
        response = await self._catalogue.hello(str(version), capabilities, _seconds(exchange))
        agreed = negotiated(response)
        headers: Headers = ()
        if agreed is not None:
            session = begun(self.sessions, exchange, agreed)
            headers = told(exchange, session)
        await _reply(exchange, message, response, headers)

    async def _begin_apart(self, exchange: Exchange, message: Message) -> None:
        """With a process of its own from the start."""
        channel, response = await self._seats.fresh(
            message.params, _seconds(exchange), _who(exchange)
        )
        session: Session | None = None
        try:
            agreed = negotiated(response)
            if agreed is None:
                await _reply(exchange, message, response)
                return
            session = begun(self.sessions, exchange, agreed)
            self._desk(session, exchange).sit(channel)
            await _reply(exchange, message, response, told(exchange, session))
        finally:
            if session is None:
                channel.close()


def _watch(exchange: Exchange, session: Session) -> Watch:
    assert exchange.endpoint is not None
    return Watch(
        exchange.endpoint.server.limits,
        asyncio.get_running_loop().time(),
        holding=exchange.holding,
        questions=session.questions,
    )


def _who(exchange: Exchange) -> bytes:
    assert exchange.caller is not None
    return exchange.caller.digest


def _seconds(exchange: Exchange) -> float:
    assert exchange.endpoint is not None
    return exchange.endpoint.server.limits.callSeconds


async def _reply(
    exchange: Exchange,
    message: Message,
    response: Json,
    headers: Headers = (),
) -> None:
    error = response.get("error")
    if isinstance(error, dict) and isinstance(error.get("code"), int):
        exchange.error = error["code"]
    body = encode({"jsonrpc": "2.0", "id": message.id, **response})
    await exchange.reply(200, shown(exchange, body), headers)
