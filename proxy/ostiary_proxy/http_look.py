"""A look at an HTTP backend: the questions of `observe`, each one POST.  Never GET.

A legacy server is initialised once and looked at again in the same session, for as long as the
server knows it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from ostiary_proxy.config import AUTO, HttpBackend
from ostiary_proxy.era import LEGACY, METHOD, MODERN, SESSION, VERSION
from ostiary_proxy.exchange import STREAM_TYPE, Headers, Refused
from ostiary_proxy.http_request import HttpTarget
from ostiary_proxy.message import Json, decode_few, encode
from ostiary_proxy.observe import (
    LOOK_SECONDS,
    LookError,
    Seen,
    discover,
    initialize,
    list_tools,
    unpinned,
    unread,
)
from ostiary_proxy.pool import Pool
from ostiary_proxy.relay import whole
from ostiary_proxy.sse import Decoder, TooLargeError
from ostiary_proxy.upstream import (
    BrokenError,
    Connection,
    SilentError,
    UnreachableError,
    UpstreamError,
)

_INITIALIZED: Final = encode({"jsonrpc": "2.0", "method": "notifications/initialized"})


class HttpLook:
    """Looks at one HTTP backend, again and again."""

    def __init__(
        self,
        pool: Pool,
        backend: HttpBackend,
        target: HttpTarget,
        ready: Callable[[], Awaitable[None]],
    ) -> None:
        """`ready`: raises UnreachableError while nothing is to be sent."""
        self._pool = pool
        self._backend = backend
        self._target = target
        self._ready = ready
        self._session = b""
        self._shaken: Seen | None = None
        """A legacy server's handshake, good until the server forgets the session."""
        self._next_id = 0

    async def look(self) -> Seen:
        if self._shaken is not None:
            try:
                return await list_tools(self.ask, self._shaken)
            except LookError:
                self._forget()
        seen = await self._first()
        return await list_tools(self.ask, seen)

    def _forget(self) -> None:
        self._session = b""
        self._shaken = None

    async def _first(self) -> Seen:
        pinned = self._backend.protocol
        if pinned != AUTO:
            return await self._pinned(pinned)
        modern = await self._discover()
        try:
            legacy = await self._shake()
        except LookError as err:
            if modern is None or err.reason == "ConnectionRefused":
                raise
            legacy = None
        if modern is None and legacy is None:
            raise LookError(
                "ProtocolUnsupported",
                "The server answers, but speaks no MCP revision that this proxy knows.",
            )
        if modern is None or legacy is None:
            self._shaken = legacy
            return modern or legacy or Seen()
        await self._leave()
        return replace(
            modern,
            legacy=legacy.legacy,
            name=modern.name or legacy.name,
            version=modern.version or legacy.version,
        )

    async def _pinned(self, revision: str) -> Seen:
        """The owner has said what the server speaks: nothing else is asked."""
        if revision in MODERN:
            seen = await discover(self.ask)
        else:
            seen = self._shaken = await self._shake(revision)
        if seen is None:
            raise unpinned(revision)
        return seen

    async def _discover(self) -> Seen | None:
        try:
            return await discover(self.ask)
        except LookError as err:
            if err.reason == "ConnectionRefused":
                raise
            return None  # no evidence of the modern era; the handshake will tell

    async def _shake(self, revision: str = LEGACY[-1]) -> Seen | None:
        self._forget()
        legacy = await initialize(self.ask, revision)
        if legacy is not None:
            headers = self._headers(legacy.protocol, "notifications/initialized")
            await self._tell(self._target.request("POST", headers, _INITIALIZED))
        return legacy

    async def _leave(self) -> None:
        """End the session of a handshake that only tried whether there is one."""
        if not self._session:
            return
        data = self._target.request("DELETE", ((SESSION, self._session),))
        self._forget()
        await self._tell(data)

    async def _tell(self, data: bytes) -> None:
        """Something that needs no answer: whatever the server says to it is fine."""
        connection = await self._send(data)
        try:
            await whole(connection, LOOK_SECONDS)
        except (UpstreamError, Refused):
            return
        finally:
            self._pool.give_back(connection)

    async def ask(self, method: str, params: Json, revision: str) -> Json:
        """One question, of `observe`'s kind."""
        self._next_id += 1
        body = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params}
        data = decode_few(await self._post(encode(body), revision, method))
        if not isinstance(data, dict):
            raise unread(method, data)
        return data

    async def _post(self, body: bytes, revision: str, method: str) -> bytes:
        headers = self._headers(revision, method)
        try:
            await self._ready()
        except UnreachableError as err:
            raise LookError(err.reason, err.message) from err
        connection = await self._send(self._target.request("POST", headers, body))
        session = connection.head.headers.get(SESSION)
        if method == "initialize" and session:
            self._session = session
        return await self._body(connection)

    def _headers(self, revision: str, method: str) -> Headers:
        headers: list[tuple[bytes, bytes]] = []
        if revision:
            headers += [(VERSION, revision.encode()), (METHOD, method.encode())]
        if self._session:
            headers.append((SESSION, self._session))
        return tuple(headers)

    async def _send(self, data: bytes) -> Connection:
        try:
            return await self._pool.request(data, safe=True, seconds=LOOK_SECONDS)
        except UnreachableError as err:
            raise LookError(err.reason, err.message or self._refused()) from err
        except SilentError as err:
            raise LookError("NoAnswer", self._silent()) from err
        except BrokenError as err:
            why = "The server closed the connection without an answer in HTTP."
            raise LookError("NotMCP", why) from err

    async def _body(self, connection: Connection) -> bytes:
        status = connection.head.status
        try:
            if connection.head.headers.get(b"content-type", b"").startswith(STREAM_TYPE):
                return await self._streamed(connection)
            body = await whole(connection, LOOK_SECONDS)
        except SilentError as err:
            raise LookError("NoAnswer", self._silent()) from err
        except (BrokenError, Refused, TooLargeError) as err:
            raise LookError("NotMCP", "The server's answer broke off or was too long.") from err
        finally:
            self._pool.give_back(connection)
        self._check_status(status)
        if status >= 500 or (status >= 300 and not body.startswith(b"{")):
            where = self._backend.path
            raise LookError("NotMCP", f"The server answers HTTP {status} at {where}, not MCP.")
        return body

    def _check_status(self, status: int) -> None:
        """What is wrong whatever the body says."""
        outside = self._backend.outside
        if status in (401, 403):
            if outside is None:
                why = f"The server asks for credentials (HTTP {status}), and the proxy has none."
                raise LookError("NotMCP", why)
            has = "other credentials than" if outside.headers else "credentials: write"
            why = f"The server asks for {has} spec.upstream.headers (HTTP {status})."
            raise LookError("CredentialsRefused", why)
        if outside is not None and 300 <= status < 400:
            why = f"The server answers with a redirect (HTTP {status}), which is not followed: "
            raise LookError("Redirected", why + "write the address that it leads to.")

    async def _streamed(self, connection: Connection) -> bytes:
        decoder = Decoder()
        while (chunk := await connection.chunk(LOOK_SECONDS)) is not None:
            for event in decoder.feed(chunk):
                if event.data and b'"method"' not in event.data[:64]:
                    return event.data
        return b""

    def _refused(self) -> str:
        where = f"{self._backend.host}:{self._backend.port}"
        return f"Nothing listens on {where}: the server is still starting, or uses another port."

    def _silent(self) -> str:
        return f"The server did not answer within {LOOK_SECONDS:.0f} s."
