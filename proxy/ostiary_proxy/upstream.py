"""HTTP/1.1 to a backend: kept connections over TCP or a unix socket, on httptools.

It knows nothing of MCP.  A request is sent once; it is sent again only when it was `safe`, went
out on a connection kept from before, and that connection died without a byte of an answer.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import httptools

CONNECT_SECONDS: Final = 5.0
KEPT_SECONDS: Final = 4.0
"""Idle for longer, a connection is not used again: uvicorn and Node close theirs after 5 s."""
KEPT_CONNECTIONS: Final = 128
BUFFERED: Final = 256 * 1024
"""Bytes of an answer that wait for a slow reader before the backend is made to wait."""
HEAD_BYTES: Final = 64 * 1024


class UpstreamError(Exception):
    """The backend gave no whole answer."""


class UnreachableError(UpstreamError):
    """No connection could be made: nothing was sent."""


class BrokenError(UpstreamError):
    """The connection ended, or what came was not HTTP."""


class SilentError(UpstreamError):
    """Nothing came for as long as it may take."""


class Holder(Protocol):
    """Whoever a request is for; it may lose interest."""

    on_cut: Callable[[], None] | None

    @property
    def cut(self) -> object: ...


@dataclass(slots=True)
class Head:
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[bool] | None = None
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._paused = False
        self._head_bytes = 0
        self.kept_at = 0.0
        self.busy = False
        """Between a request and the end of its answer."""
        self._reset()

    def _reset(self) -> None:
        self.head = Head()
        self._headed = False
        self._complete = False
        self._keep = False
        self._surplus = False
        self.received = False
        self._head_bytes = 0

    @property
    def alive(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, data: bytes) -> None:
        self._reset()
        self.busy = True
        if self._transport is not None:
            self._transport.write(data)

    async def read_head(self, seconds: float) -> Head:
        while not self._headed:
            await self._wait(seconds)
        return self.head

    async def chunk(self, seconds: float) -> bytes | None:
        """The next bytes of the body; None at its end.  SilentError keeps the connection usable."""
        while not self._chunks:
            if self._complete:
                return None
            await self._wait(seconds)
        chunk = self._chunks.popleft()
        self._buffered -= len(chunk)
        if self._paused and self._buffered < BUFFERED and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return chunk

    def close(self) -> None:
        """Also wakes whoever waits, with BrokenError."""
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    @property
    def reusable(self) -> bool:
        whole = self._complete and not self._chunks and not self._surplus
        return whole and self._keep and self.alive

    async def _wait(self, seconds: float) -> None:
        if not self.alive:
            raise BrokenError
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, _expire, waiter)
        try:
            if not await waiter:
                raise SilentError
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(True)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        if not self.busy:
            self.close()  # bytes that nobody asked for would be taken for the next answer
            return
        self.received = True
        if not self._headed:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.close()
        if not self._headed and self._head_bytes > HEAD_BYTES:
            self.close()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._headed and not self._complete and exc is None and not self._framed():
            self._complete = True  # an answer without a length ends with its connection
        self._transport = None
        self._wake()

    # httptools

    def on_message_begin(self) -> None:
        # A second answer to one request would be taken for the next caller's.
        self._surplus = self._complete

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._surplus:
            self.head.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._surplus:
            return
        if status < 200:
            self.head = Head()
            return
        self.head.status = status
        self._keep = self._parser.should_keep_alive()
        self._headed = True

    def on_body(self, body: bytes) -> None:
        if self._surplus:
            return
        self._chunks.append(body)
        self._buffered += len(body)
        if self._buffered >= BUFFERED and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._headed:
            self._complete = True

    def _framed(self) -> bool:
        headers = self.head.headers
        return b"content-length" in headers or b"transfer-encoding" in headers


def _expire(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)


class Pool:
    """Connections to one backend."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, unix: str = "") -> None:
        self._host, self._port, self._unix = host, port, unix
        self._idle: list[Connection] = []
        self.requests = 0
        """Sent so far."""
        self.opened = 0
        """Connections made so far."""

    async def request(
        self, data: bytes, *, safe: bool, seconds: float, holder: Holder | None = None
    ) -> Connection:
        """Send it and wait for the answer's head.  The caller gives the connection back.

        `holder` can cut the wait short by then.
        """
        while True:
            kept = self._kept()
            connection = kept or await self._open()
            try:
                self.requests += 1
                if holder is not None:
                    holder.on_cut = connection.close
                connection.send(data)
                await connection.read_head(seconds)
                return connection
            except BrokenError:
                given_up = holder is not None and holder.cut is not None
                if kept is None or connection.received or not safe or given_up:
                    raise
            except BaseException:  # a cancelled call too leaves a connection of no use
                connection.close()
                raise

    def give_back(self, connection: Connection) -> None:
        """Keep it when its answer was read to the end, close it otherwise."""
        if not connection.reusable or len(self._idle) >= KEPT_CONNECTIONS:
            connection.close()
            return
        connection.busy = False
        connection.kept_at = asyncio.get_running_loop().time()
        self._idle.append(connection)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def probe(self) -> None:
        """Can it be reached at all?  Sends nothing."""
        self.prune()
        (await self._open()).close()

    def prune(self) -> None:
        oldest = asyncio.get_running_loop().time() - KEPT_SECONDS
        while self._idle and (self._idle[0].kept_at < oldest or not self._idle[0].alive):
            self._idle.pop(0).close()

    def _kept(self) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - KEPT_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.alive and connection.kept_at >= oldest:
                return connection
            connection.close()
        return None

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if self._unix:
                    _, made = await loop.create_unix_connection(
                        lambda: Connection(loop), self._unix
                    )
                else:
                    _, made = await loop.create_connection(
                        lambda: Connection(loop), self._host, self._port
                    )
        except (OSError, TimeoutError) as err:
            raise UnreachableError from err
        self.opened += 1
        return made
