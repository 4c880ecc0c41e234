"""A backend that speaks streamable HTTP: one upstream request per call.

Its own legacy session ids stay here; clients hold sealed ones of ours.  A backend that gives none
is sessionless: nothing is kept, and any replica serves.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

from ostiary_proxy import cuts, relay
from ostiary_proxy.companion import beside
from ostiary_proxy.config import HttpBackend
from ostiary_proxy.era import ONCE, SESSION
from ostiary_proxy.event_ids import renaming, resuming
from ostiary_proxy.exchange import Exchange, Headers, Refused, failed
from ostiary_proxy.http_handshake import Greeter
from ostiary_proxy.http_request import given_up, kept, mirrored
from ostiary_proxy.message import HEADER_MISMATCH, Rejection
from ostiary_proxy.metrics import Tally
from ostiary_proxy.mirror import written
from ostiary_proxy.observe import LookError, Seen
from ostiary_proxy.reach import Reach
from ostiary_proxy.recipe import Owner
from ostiary_proxy.session import Session, Sessions, found, missing_session, named, unknown_session
from ostiary_proxy.sources import HttpSource
from ostiary_proxy.upstream import BrokenError, Connection, SilentError, UnreachableError
from ostiary_proxy.upstream_session import HttpSessions, is_forgotten, refusal
from ostiary_proxy.watch import Watch, error_code


class HttpServer:
    """One HTTP backend."""

    def __init__(
        self,
        backend: HttpBackend,
        uid: str,
        owner: Owner,
        *,
        name: str,
        now: Callable[[], float],
        on_trouble: Callable[[], None],
        spawn: Callable[[Coroutine[object, object, None]], object],
        tally: Tally,
    ) -> None:
        """`on_trouble`: it could not be reached just now; `spawn`: run it beside the request."""
        self._spawn = spawn
        self._tally = tally
        self._reach = Reach(backend, spawn=spawn, on_news=on_trouble)
        self._on_trouble = self._reach.complain
        self.pool, self._target, self._look = self._reach.pool, self._reach.target, self._reach.look
        self.source = HttpSource(self._reach, spawn)
        self.sessions = Sessions(uid, owner, now=now)
        self._upstream = HttpSessions(self.pool, self._target)
        self._greeter = Greeter(self._reach, self.sessions, self._upstream, spawn)
        self._companion = beside(backend, name, on_change=on_trouble, spawn=spawn)

    @property
    def processes(self) -> int:
        return self._companion.processes

    async def look(self) -> Seen:
        self._companion.check()
        return await self._look.look()

    async def probe(self) -> None:
        self._companion.check()
        await self._reach.probe()

    def reap(self) -> None:
        self.sessions.reap()
        self.pool.prune()

    async def close(self) -> None:
        self.sessions.end_all()
        self._reach.close()
        self._companion.stop()

    async def serve(self, exchange: Exchange) -> None:
        session = self._session(exchange)
        if exchange.verb == "DELETE":
            await self._delete(exchange, session)
            return
        if session is None:
            await self._serve(exchange, None)
            return
        session.busy += 1
        try:
            await self._serve(exchange, session)
        finally:
            session.busy -= 1

    def _session(self, exchange: Exchange) -> Session | None:
        ident = named(exchange)
        message = exchange.message
        if ident is None or (exchange.spoken is not None and exchange.spoken.era == "modern"):
            return None
        if message is not None and message.method == "initialize":
            return None
        session = found(self.sessions, exchange, ident)
        self._greeter.free_at_end(session)
        if message is not None:
            session.hear(message, asyncio.get_running_loop().time())
        return session

    async def _serve(self, exchange: Exchange, session: Session | None) -> None:
        assert exchange.endpoint is not None
        limits = exchange.endpoint.server.limits
        if session is not None and session.lost:
            await self._repair(exchange, session)
        for last in (False, True):
            used = b"" if session is None else session.upstream
            connection = await self._send(exchange, session, limits.callSeconds)
            if connection is None:
                return
            with self._reading(exchange, session, connection):
                body = await self._refusal(exchange, session, connection)
                if not self._is_void(exchange, session, connection, body, last=last):
                    await self._pass(exchange, session, connection, body)
                    return
            if exchange.cut == "gone":
                return
            if not last:
                await self._mend(exchange, session, used)
        assert session is not None
        self.sessions.end(session)
        raise Refused(unknown_session())

    @contextmanager
    def _reading(
        self, exchange: Exchange, session: Session | None, connection: Connection
    ) -> Iterator[None]:
        """What goes wrong with the answer is said, unless the client has left."""
        try:
            yield
        except (BrokenError, SilentError) as err:
            if exchange.cut != "gone":
                raise Refused(self._trouble(exchange, session, err)) from err
        finally:
            exchange.on_cut = None
            self.pool.give_back(connection)

    async def _refusal(
        self, exchange: Exchange, session: Session | None, connection: Connection
    ) -> bytes | None:
        """The body that may say that nothing was done, where the request could be sent again."""
        assert exchange.endpoint is not None
        if session is None and not exchange.headerless:
            return None
        return await refusal(connection, exchange.endpoint.server.limits.callSeconds)

    def _is_void(
        self,
        exchange: Exchange,
        session: Session | None,
        connection: Connection,
        body: bytes | None,
        *,
        last: bool,
    ) -> bool:
        """The backend did not carry it out, for a reason that is ours to mend."""
        if session is not None:
            # A gateway's has a session here even where the backend has none to forget.
            has_one = bool(session.upstream) or not exchange.key
            return has_one and is_forgotten(connection.head.status, body)
        mends = exchange.headerless and not last
        return mends and error_code(body or b"") == HEADER_MISMATCH

    async def _mend(self, exchange: Exchange, session: Session | None, used: bytes) -> None:
        """`used`: the upstream session that the backend has forgotten."""
        if session is not None:
            session.lost = session.lost or session.upstream == used
            await self._repair(exchange, session)
            return
        # Its tools may have changed since they were listed (49).
        assert exchange.message is not None
        try:
            exchange.write_headers(written(await self._reach.mirrored(), exchange.message))
        except LookError as err:
            raise Refused(self._unreachable()) from err

    async def _repair(self, exchange: Exchange, session: Session) -> None:
        """Begin it anew at the backend, once for all who found it forgotten."""
        assert exchange.endpoint is not None
        server = exchange.endpoint.server
        if server.onSessionLoss == "End":
            session.upstream = b""
            self.sessions.end(session)
            raise Refused(unknown_session())
        async with session.turn:
            if not session.lost:
                return
            try:
                await self._reach.ready()
                await self._upstream.reopen(session, server.limits.callSeconds)
            except UnreachableError as err:
                raise Refused(self._unreachable()) from err
            except (BrokenError, SilentError) as err:
                raise Refused(self._trouble(exchange, session, err)) from err
            session.lost = False
        exchange.repaired = "upstream"
        self._tally.repaired()

    async def _pass(
        self,
        exchange: Exchange,
        session: Session | None,
        connection: Connection,
        body: bytes | None,
    ) -> None:
        """The backend's answer to the client."""
        assert exchange.endpoint is not None
        limits = exchange.endpoint.server.limits
        message = exchange.message
        self._reach.watch(exchange, connection)
        shakes = message is not None and message.method == "initialize"
        if shakes and self._greeter.minds(exchange, connection):
            await self._greeter.answer(exchange, connection)
        elif relay.is_stream(connection):
            now = asyncio.get_running_loop().time()
            questions = {} if session is None else session.questions
            watch = Watch(limits, now, holding=exchange.holding, questions=questions)
            await relay.stream(exchange, connection, watch, renaming(exchange, session))
            if exchange.cut == "silent":
                self._give_up(exchange, session)
        else:
            await relay.answer(exchange, connection, limits, body)

    async def _send(
        self, exchange: Exchange, session: Session | None, seconds: float
    ) -> Connection | None:
        """None: the client left meanwhile."""
        if exchange.cut is not None and exchange.cut != "gone":
            raise Refused(self._trouble(exchange, session, BrokenError()))
        message = exchange.message
        safe = message is None or message.method not in ONCE
        try:
            await self._reach.ready()
            data = self._request(exchange, session)
            return await self.pool.request(data, safe=safe, seconds=seconds, holder=exchange)
        except UnreachableError as err:
            raise Refused(self._unreachable()) from err
        except (BrokenError, SilentError) as err:
            if exchange.cut == "gone":
                return None
            raise Refused(self._trouble(exchange, session, err)) from err

    def _unreachable(self) -> Rejection:
        self._on_trouble()
        return failed(502, "The server cannot be reached just now.", "Unreachable")

    def _trouble(
        self, exchange: Exchange, session: Session | None, err: BrokenError | SilentError
    ) -> Rejection:
        told = cuts.refusal(exchange.cut)
        if told is not None:
            return told
        if isinstance(err, SilentError):
            self._give_up(exchange, session)
            return failed(504, "The server did not answer in time.", "NoAnswer")
        if exchange.cut is None:
            self._on_trouble()
        return failed(502, "The server closed the connection without an answer.", "Broken")

    def _give_up(self, exchange: Exchange, session: Session | None) -> None:
        """A legacy backend takes no closed stream for a cancellation: it is told."""
        message = exchange.message
        legacy = exchange.spoken is not None and exchange.spoken.era == "legacy"
        if message is None or message.kind != "request" or not legacy:
            return
        request = self._target.request("POST", self._headers(exchange, session), given_up(message))
        self._spawn(self._upstream.tell(request))

    def _request(self, exchange: Exchange, session: Session | None) -> bytes:
        headers = self._headers(exchange, session)
        if exchange.verb == "GET":
            return self._target.request("GET", (*headers, *resuming(exchange, session)))
        message = exchange.message
        assert message is not None
        assert exchange.spoken is not None
        if session is not None:
            session.note(message)
        if exchange.spoken.era == "modern":
            headers = (*headers, *mirrored(message))
        return self._target.request("POST", headers, message.canonical)

    def _headers(self, exchange: Exchange, session: Session | None) -> Headers:
        headers = kept(exchange.headers)
        if session is not None and session.upstream:
            headers = (*headers, (SESSION, session.upstream))
        return headers

    async def _delete(self, exchange: Exchange, session: Session | None) -> None:
        if session is None:
            raise Refused(missing_session())
        self.sessions.end(session)
        await exchange.reply(204)
