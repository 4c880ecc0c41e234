"""A legacy session at an HTTP backend: begun anew when the backend has forgotten it.

What says so is 404, or 400 with a word about sessions: either means that the request was not
carried out, so it may be sent again, once.
"""

from typing import Final

from ostiary_proxy import relay
from ostiary_proxy.era import SESSION, VERSION
from ostiary_proxy.exchange import Headers, Refused
from ostiary_proxy.handshake import INITIALIZED, negotiated
from ostiary_proxy.http_request import HttpTarget, handshake_result
from ostiary_proxy.message import Json, encode
from ostiary_proxy.pool import Pool
from ostiary_proxy.session import Session, unknown_session
from ostiary_proxy.upstream import Connection, UpstreamError

ABOUT_SESSIONS: Final = b"session"
TELL_SECONDS: Final = 5.0
LONGEST_REFUSAL: Final = 8192
"""A longer body is no refusal of a session."""


class HttpSessions:
    """Speaks to one backend on behalf of sessions, not of requests."""

    def __init__(self, pool: Pool, target: HttpTarget) -> None:
        self._pool = pool
        self._target = target
        self._asked = 0

    async def reopen(self, session: Session, seconds: float) -> None:
        """UpstreamError: the backend cannot be reached; Refused: it has become another one."""
        session.upstream = b""
        hello = {"jsonrpc": "2.0", "id": self._ident(), "method": "initialize"}
        body = encode({**hello, "params": session.hello})
        connection = await self._post((), body, seconds)
        try:
            content = await relay.whole(connection, seconds)
            streamed = relay.is_stream(connection)
            result = handshake_result(content, streamed=streamed)
            if negotiated({"result": result}) != session.recipe.version:
                raise Refused(unknown_session())
            session.upstream = connection.head.headers.get(SESSION, b"")
        finally:
            self._pool.give_back(connection)
        await self._remind(session, seconds)

    async def _remind(self, session: Session, seconds: float) -> None:
        await self._tell(session, INITIALIZED, seconds)
        for method, params in session.reminders:
            body: Json = {"jsonrpc": "2.0", "id": self._ident(), "method": method}
            await self._tell(session, encode({**body, "params": params}), seconds)

    async def _tell(self, session: Session, body: bytes, seconds: float) -> None:
        """Whatever the backend says to it."""
        connection = await self._post(headers_of(session), body, seconds)
        try:
            await relay.whole(connection, seconds)
        finally:
            self._pool.give_back(connection)

    async def end(self, session: Session) -> None:
        if session.upstream:
            headers = ((SESSION, session.upstream),)
            await self.tell(self._target.request("DELETE", headers))

    async def tell(self, data: bytes) -> None:
        """Something the backend may like to know; whether it listens is its own affair."""
        try:
            connection = await self._pool.request(data, safe=True, seconds=TELL_SECONDS)
        except UpstreamError:
            return
        try:
            await relay.whole(connection, TELL_SECONDS)
        except (UpstreamError, Refused):
            return
        finally:
            self._pool.give_back(connection)

    async def _post(self, headers: Headers, body: bytes, seconds: float) -> Connection:
        data = self._target.request("POST", headers, body)
        return await self._pool.request(data, safe=True, seconds=seconds)

    def _ident(self) -> str:
        self._asked += 1
        return f"ostiary-{self._asked}"


def headers_of(session: Session) -> Headers:
    version = (VERSION, session.recipe.version.encode())
    return (version, (SESSION, session.upstream)) if session.upstream else (version,)


async def refusal(connection: Connection, seconds: float) -> bytes | None:
    """The body of a 400, which has to be looked at; None for every other answer."""
    return await relay.whole(connection, seconds) if connection.head.status == 400 else None


def is_forgotten(status: int, body: bytes | None) -> bool:
    if status == 404:
        return True
    return body is not None and len(body) <= LONGEST_REFUSAL and ABOUT_SESSIONS in body.lower()
