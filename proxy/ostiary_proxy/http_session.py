"""A pipe to a legacy HTTP backend: a session of the backend's, and its GET stream.

An answer's stream that the backend breaks off is asked for again from where it ended; a session
that the backend has forgotten ends the pipe, for nothing was done in it.
"""

import asyncio
from typing import Final

from ostiary_proxy import trace
from ostiary_proxy.channel import Channel
from ostiary_proxy.era import SESSION, VERSION
from ostiary_proxy.exchange import STREAM_TYPE, Headers, Refused
from ostiary_proxy.http_pipe import (
    CANCELLED,
    LOST,
    TELL_SECONDS,
    HttpPipe,
    Post,
    Spawn,
    answers,
)
from ostiary_proxy.lines import Exit
from ostiary_proxy.message import Json, decode
from ostiary_proxy.reach import Reach
from ostiary_proxy.relay import whole
from ostiary_proxy.sse import TooLargeError
from ostiary_proxy.upstream import (
    BrokenError,
    Connection,
    SilentError,
    UnreachableError,
    UpstreamError,
)

RESUMES: Final = 16
"""Streams opened anew for one answer that the backend broke off."""
LAST_EVENT: Final = b"last-event-id"


class LegacyPipe(HttpPipe):
    """To a legacy backend: one session of its own."""

    def __init__(self, reach: Reach, channel: Channel, spawn: Spawn, *, listens: bool) -> None:
        """`listens`: read the session's GET stream too, where the backend offers one."""
        super().__init__(reach, channel, spawn)
        self._listens = listens
        self._session = b""
        self._version = b""

    def _headers(self, data: Json) -> Headers:
        headers: list[tuple[bytes, bytes]] = []
        if self._version:
            headers.append((VERSION, self._version))
        if self._session:
            headers.append((SESSION, self._session))
        return (*headers, *trace.to_headers(data))

    def _is_lost(self, status: int, body: bytes) -> bool:
        # Servers that answer 400 to a dead session say so in words (21).
        return bool(self._session) and (
            status == 404 or (status == 400 and b"session" in body[:1024].lower())
        )

    async def _read(self, post: Post, connection: Connection) -> None:
        self._session = self._session or connection.head.headers.get(SESSION, b"")
        await super()._read(post, connection)

    def _take(self, post: Post, line: bytes) -> None:
        if not self._version and post.ident is not None and answers(post.ident, line):
            self._version = _negotiated(line)
        super()._take(post, line)

    def _write(self, data: Json, line: bytes) -> None:
        super()._write(data, line)
        if data.get("method") == CANCELLED:
            self._stop(data)
        if data.get("method") == "notifications/initialized" and self._listens:
            post = Post(None)
            self._posts.add(post)
            self._spawn(self._listen(post, self._told))

    async def _listen(self, post: Post, before: asyncio.Event | None) -> None:
        """The session's own stream, opened again whenever it ends."""
        try:
            if before is not None:
                await before.wait()
            while post.cut is None and await self._heard(post):
                await self._rest(post.retry)
        except (UpstreamError, TooLargeError, Refused):
            return
        finally:
            self._posts.discard(post)

    async def _heard(self, post: Post) -> bool:
        """Whether the stream may be opened again; a backend that restarts is only away."""
        try:
            return await self._get(post)
        except UnreachableError:
            self._reach.complain()
            return True

    async def _resume(self, post: Post) -> None:
        """A backend may end an answer's stream early, to be asked for the rest (55)."""
        for _ in range(RESUMES):
            if post.answered or post.event is None or post.cut is not None:
                return
            await self._rest(post.retry)
            if not await self._get(post):
                return

    async def _get(self, post: Post) -> bool:
        """False: there is no such stream."""
        if post.cut is not None:
            return False
        headers = list(self._headers({}))
        if post.event is not None:
            headers.append((LAST_EVENT, post.event))
        connection = await self._request(post, "GET", tuple(headers))
        try:
            post.on_cut = connection.close
            kind = connection.head.headers.get(b"content-type", b"").lower()
            if connection.head.status != 200 or not kind.startswith(STREAM_TYPE):
                await self._check_lost(connection)
                return False
            await self._stream(post, connection)
            return True
        except (BrokenError, SilentError):
            return True
        finally:
            post.on_cut = None
            self._reach.pool.give_back(connection)

    async def _check_lost(self, connection: Connection) -> None:
        """Nobody else may ask for a while, and whoever listens waits for the session's news."""
        if connection.head.status in (400, 404):
            body = await whole(connection, TELL_SECONDS)
            if self._is_lost(connection.head.status, body):
                self._end(Exit(LOST, "The server has forgotten the session."))

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._gone.wait()
        except TimeoutError:
            return

    def _end(self, ended: Exit) -> None:
        first = not self._gone.is_set()
        super()._end(ended)
        if first and self._session and ended.reason != LOST:
            self._spawn(self._say_goodbye())

    async def _say_goodbye(self) -> None:
        try:
            connection = await self._request(
                None, "DELETE", self._headers({}), seconds=TELL_SECONDS
            )
        except UpstreamError:
            return
        try:
            await whole(connection, TELL_SECONDS)
        except (UpstreamError, Refused):
            return
        finally:
            self._reach.pool.give_back(connection)


def _negotiated(line: bytes) -> bytes:
    data = decode(line)
    result = data.get("result") if isinstance(data, dict) else None
    version = result.get("protocolVersion") if isinstance(result, dict) else None
    return version.encode() if isinstance(version, str) and version.isascii() else b""
