"""A backend that speaks streamable HTTP on loopback: one upstream request per call.

Its own legacy session ids stay here; clients hold sealed ones of ours.  A backend that gives none
is sessionless: nothing is kept, and any replica serves.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

from ostiary_proxy import relay
from ostiary_proxy.companion import Companion
from ostiary_proxy.config import HttpBackend
from ostiary_proxy.era import SESSION
from ostiary_proxy.exchange import STREAM_HEADERS, Exchange, Headers, Refused, failed
from ostiary_proxy.http_look import HttpLook
from ostiary_proxy.http_request import HttpTarget, given_up, handshake_result, kept, mirrored
from ostiary_proxy.message import Json, Rejection
from ostiary_proxy.observe import LookError, Seen
from ostiary_proxy.runtime import Endpoint
from ostiary_proxy.session import (
    Session,
    Sessions,
    TooManySessionsError,
    missing_session,
    too_many_sessions,
    unknown_session,
)
from ostiary_proxy.upstream import (
    BrokenError,
    Connection,
    Pool,
    SilentError,
    UnreachableError,
    UpstreamError,
)
from ostiary_proxy.watch import Watch

IDLE_SECONDS: Final = 24 * 3600.0
"""Of a legacy session: the backend frees its own when it likes, and ours costs a few hundred
bytes."""
LAST_EVENT: Final = b"last-event-id"
TELL_SECONDS: Final = 5.0

_UNSAFE: Final = frozenset({"tools/call"})
"""What must not run twice; all else that a kept connection swallowed is sent again."""


class HttpServer:
    """One HTTP backend."""

    def __init__(
        self,
        backend: HttpBackend,
        uid: str,
        pod: str,
        *,
        name: str,
        now: Callable[[], float],
        on_trouble: Callable[[], None],
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        """`on_trouble`: it could not be reached just now; `spawn`: run it beside the request."""
        self._spawn = spawn
        self._uid, self._pod = uid, pod
        self._on_trouble = on_trouble
        self.pool = Pool(host=backend.host, port=backend.port)
        self._target = HttpTarget(backend)
        self._look = HttpLook(self.pool, backend)
        self.sessions = Sessions(now=now, idle_seconds=IDLE_SECONDS)
        self._companion: Companion | None = None
        if backend.command:
            self._companion = Companion(backend, name, on_change=on_trouble)
            spawn(self._companion.run())

    @property
    def processes(self) -> int:
        return self._companion.processes if self._companion else 0

    async def look(self) -> Seen:
        if self._companion is not None:
            self._companion.check()
        return await self._look.look()

    async def probe(self) -> None:
        if self._companion is not None:
            self._companion.check()
        try:
            await self.pool.probe()
        except UnreachableError as err:
            raise LookError("ConnectionRefused", "The server is no longer there.") from err

    def reap(self) -> None:
        self.sessions.reap()
        self.pool.prune()

    async def close(self) -> None:
        self.sessions.end_all()
        self.pool.close()
        if self._companion is not None:
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
        ident = exchange.headers.get(SESSION)
        message = exchange.message
        if ident is None or (exchange.spoken is not None and exchange.spoken.era == "modern"):
            return None
        if message is not None and message.method == "initialize":
            return None
        assert exchange.caller is not None
        session = self.sessions.find(ident, exchange.caller)
        if session is None:
            raise Refused(unknown_session())
        if message is not None and message.kind == "response" and message.id is not None:
            watch = session.questions.pop(message.id, None)
            if watch is not None:
                watch.answer_to(message.id, asyncio.get_running_loop().time())
        return session

    async def _serve(self, exchange: Exchange, session: Session | None) -> None:
        assert exchange.endpoint is not None
        limits = exchange.endpoint.server.limits
        message = exchange.message
        connection = await self._send(exchange, session, limits.callSeconds)
        if connection is None:
            return
        try:
            if session is not None and connection.head.status == 404:
                self.sessions.end(session)
                raise Refused(unknown_session())
            if message is not None and message.method == "initialize":
                await self._handshake(exchange, connection, exchange.endpoint)
            elif relay.is_stream(connection):
                now = asyncio.get_running_loop().time()
                questions = {} if session is None else session.questions
                watch = Watch(limits, now, holding=exchange.holding, questions=questions)
                await relay.stream(exchange, connection, watch)
                if exchange.cut == "silent":
                    self._give_up(exchange)
            else:
                await relay.answer(exchange, connection, limits)
        except (BrokenError, SilentError) as err:
            if exchange.cut != "gone":
                raise Refused(self._trouble(exchange, err)) from err
        finally:
            exchange.on_cut = None
            self.pool.give_back(connection)

    async def _send(
        self, exchange: Exchange, session: Session | None, seconds: float
    ) -> Connection | None:
        """None: the client left meanwhile."""
        message = exchange.message
        data = self._request(exchange, session)
        safe = message is None or message.method not in _UNSAFE
        try:
            return await self.pool.request(data, safe=safe, seconds=seconds, holder=exchange)
        except UnreachableError as err:
            self._on_trouble()
            why = "The server cannot be reached just now."
            raise Refused(failed(502, why, "Unreachable")) from err
        except (BrokenError, SilentError) as err:
            if exchange.cut == "gone":
                return None
            raise Refused(self._trouble(exchange, err)) from err

    def _trouble(self, exchange: Exchange, err: BrokenError | SilentError) -> Rejection:
        if exchange.cut == "revoked":
            return failed(403, "Access was revoked while the call was running.", "Revoked")
        if exchange.cut == "draining":
            return failed(503, "This proxy is stopping.", "Draining")
        if isinstance(err, SilentError):
            self._give_up(exchange)
            return failed(504, "The server did not answer in time.", "NoAnswer")
        if exchange.cut is None:
            self._on_trouble()
        return failed(502, "The server closed the connection without an answer.", "Broken")

    def _give_up(self, exchange: Exchange) -> None:
        """A legacy backend takes no closed stream for a cancellation: it is told."""
        message, session = exchange.message, self._session_of(exchange)
        legacy = exchange.spoken is not None and exchange.spoken.era == "legacy"
        if message is None or message.kind != "request" or not legacy:
            return
        headers = list(kept(exchange.headers))
        if session is not None:
            headers.append((SESSION, session.upstream))
        self._spawn(self._tell(self._target.request("POST", tuple(headers), given_up(message))))

    def _session_of(self, exchange: Exchange) -> Session | None:
        ident = exchange.headers.get(SESSION)
        assert exchange.caller is not None
        return None if ident is None else self.sessions.find(ident, exchange.caller)

    def _request(self, exchange: Exchange, session: Session | None) -> bytes:
        headers: list[tuple[bytes, bytes]] = list(kept(exchange.headers))
        if session is not None:
            headers.append((SESSION, session.upstream))
        if exchange.verb == "GET":
            if LAST_EVENT in exchange.headers:
                headers.append((LAST_EVENT, exchange.headers[LAST_EVENT]))
            return self._target.request("GET", tuple(headers))
        message = exchange.message
        assert message is not None
        assert exchange.spoken is not None
        if exchange.spoken.era == "modern":
            headers += mirrored(message)
        return self._target.request("POST", tuple(headers), message.canonical)

    async def _handshake(
        self, exchange: Exchange, connection: Connection, endpoint: Endpoint
    ) -> None:
        """The whole answer is read before any of it goes out: our id belongs in its head."""
        upstream = connection.head.headers.get(SESSION)
        if connection.head.status != 200 or upstream is None:
            # No session (or no success): passed on like any other answer.
            if relay.is_stream(connection):
                limits = endpoint.server.limits
                watch = Watch(limits, asyncio.get_running_loop().time())
                await relay.stream(exchange, connection, watch)
            else:
                await relay.answer(exchange, connection, endpoint.server.limits)
            return
        body = await relay.whole(connection, endpoint.server.limits.callSeconds)
        result = handshake_result(body, streamed=relay.is_stream(connection))
        headers: Headers = ()
        if result is not None:
            session = self._begin(exchange, endpoint, result)
            session.upstream = upstream
            session.close = lambda: self._end_upstream(session)
            headers = ((SESSION, session.id.encode()),)
        if not relay.is_stream(connection):
            await exchange.reply(200, body, headers)
            return
        await exchange.start((*STREAM_HEADERS, *headers))
        await exchange.end(body)

    def _begin(self, exchange: Exchange, endpoint: Endpoint, result: Json) -> Session:
        assert exchange.caller is not None
        assert exchange.message is not None
        version = result.get("protocolVersion")
        try:
            return self.sessions.begin(
                exchange.message,
                version if isinstance(version, str) else "",
                exchange.caller,
                endpoint.sealer,
                server=self._uid,
                pod=self._pod,
            )
        except TooManySessionsError as err:
            raise Refused(too_many_sessions()) from err

    async def _delete(self, exchange: Exchange, session: Session | None) -> None:
        if session is None:
            raise Refused(missing_session())
        self.sessions.end(session)
        await exchange.reply(204)

    def _end_upstream(self, session: Session) -> None:
        self._spawn(self._tell(self._target.request("DELETE", ((SESSION, session.upstream),))))

    async def _tell(self, data: bytes) -> None:
        """Something the backend may like to know; whether it listens is its own affair."""
        try:
            connection = await self.pool.request(data, safe=True, seconds=TELL_SECONDS)
        except UpstreamError:
            return
        try:
            await relay.whole(connection, TELL_SECONDS)
        except (UpstreamError, Refused):
            return
        finally:
            self.pool.give_back(connection)
