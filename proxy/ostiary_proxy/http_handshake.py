"""A client's handshake with an HTTP backend, and the session of ours that comes of it.

What is learnt from it, too: a remote that is known to be modern may refuse the first client of the
older era, which then is served over the bridge, as if that had been known.
"""

from collections.abc import Callable, Coroutine

from ostiary_proxy import relay
from ostiary_proxy.era import SESSION
from ostiary_proxy.exchange import STREAM_HEADERS, Exchange, Headers
from ostiary_proxy.http_request import handshake_result
from ostiary_proxy.message import Json, encode
from ostiary_proxy.reach import Reach
from ostiary_proxy.session import Session, Sessions, begun, told
from ostiary_proxy.sse import encode as event
from ostiary_proxy.upstream import Connection
from ostiary_proxy.upstream_session import HttpSessions


class Greeter:
    """Of one backend."""

    def __init__(
        self,
        reach: Reach,
        sessions: Sessions,
        upstream: HttpSessions,
        spawn: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        self._reach, self._sessions = reach, sessions
        self._upstream, self._spawn = upstream, spawn

    def minds(self, exchange: Exchange, connection: Connection) -> bool:
        """False: there is nothing to it, and it is passed on like any other answer."""
        return _begins(exchange, connection) or self._reach.guesses

    async def answer(self, exchange: Exchange, connection: Connection) -> None:
        """The whole is read before any of it goes out: our id belongs in its head.

        Raises HandshakeRefusedError."""
        assert exchange.endpoint is not None
        limits = exchange.endpoint.server.limits
        body = await relay.whole(connection, limits.callSeconds)
        streamed = relay.is_stream(connection)
        result = handshake_result(body, streamed=streamed)
        self._reach.shook(connection.head.status, body, result)
        headers: Headers = ()
        if result is not None and _begins(exchange, connection):
            version = result.get("protocolVersion")
            agreed = version if isinstance(version, str) else ""
            session = begun(self._sessions, exchange, agreed)
            session.upstream = connection.head.headers.get(SESSION, b"")
            self.free_at_end(session)
            headers = told(exchange, session)
        if streamed:
            await exchange.start((*STREAM_HEADERS, *headers))
            await exchange.end(_for_reader(exchange, result, body))
        elif headers:
            await exchange.reply(200, body, headers)
        else:
            await relay.answer(exchange, connection, limits, body)

    def free_at_end(self, session: Session) -> None:
        def freed() -> None:
            self._spawn(self._upstream.end(session))

        session.close = freed


def _begins(exchange: Exchange, connection: Connection) -> bool:
    """A session; what says no, or has none, is no beginning.  For a gateway each is one: it would
    look for what was never held, again and again."""
    has_one = SESSION in connection.head.headers or bool(exchange.key)
    return connection.head.status == 200 and has_one


def _for_reader(exchange: Exchange, result: Json | None, body: bytes) -> bytes:
    """A gateway by itself hears the answer alone, and not what was said before it."""
    caller, message = exchange.caller, exchange.message
    if caller is None or message is None or caller.kind != "catalogue" or result is None:
        return body
    return event(encode({"jsonrpc": "2.0", "id": message.id, "result": result}))
