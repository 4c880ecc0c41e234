"""One HTTP/1.1 connection to a backend, and what may go wrong with it; it knows nothing of MCP."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import httptools

BUFFERED: Final = 256 * 1024
"""Bytes of an answer that wait for a slow reader before the backend is made to wait."""
HEAD_BYTES: Final = 64 * 1024


class UpstreamError(Exception):
    """The backend gave no whole answer."""


class UnreachableError(UpstreamError):
    """No connection could be made: nothing was sent.  The message is for the owner alone."""

    def __init__(self, reason: str = "ConnectionRefused", message: str = "") -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class BrokenError(UpstreamError):
    """The connection ended, or what came was not HTTP."""


class NotTakenError(UpstreamError):
    """The connection ended before the body was asked for: nothing can have been carried out."""


class SilentError(UpstreamError):
    """Nothing came for as long as it may take."""


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
        self.continued = False
        """The body was asked for (RFC 9110, 10.1.1)."""
        self._head_bytes = 0

    @property
    def alive(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, data: bytes) -> None:
        self._reset()
        self.busy = True
        if self._transport is not None:
            self._transport.write(data)

    async def offer(self, body: bytes, seconds: float) -> None:
        """Send the body once it is asked for; an answer instead is the last of the connection."""
        while not self.continued and not self._headed:
            await self._wait(seconds)
        if self._headed:
            self._keep = False  # it would still wait there for the body
        elif self._transport is not None:
            self._transport.write(body)

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
            self.continued |= status == 100
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
