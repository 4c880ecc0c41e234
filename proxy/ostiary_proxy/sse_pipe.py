"""A backend of 2024-11-05: one event stream for what it says, and POSTs for what it is told.

Both together are what a child's two pipes are, and so it is served as one: whoever holds the pipe
never learns the difference.  Where to POST is the backend's first word; it may name a path of its
own and nothing else, and whatever it names, no other address is ever connected to.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Final
from urllib.parse import urljoin, urlsplit

from ostiary_proxy.children import StartError
from ostiary_proxy.config import SseBackend
from ostiary_proxy.exchange import Refused
from ostiary_proxy.lines import LONGEST_LINE, Exit, Listener, Pipe
from ostiary_proxy.message import INTERNAL_ERROR, decode, encode, error_body
from ostiary_proxy.pool import Pool
from ostiary_proxy.relay import is_stream, whole
from ostiary_proxy.sse import Decoder, Event, TooLargeError
from ostiary_proxy.upstream import (
    BrokenError,
    Connection,
    SilentError,
    UnreachableError,
    UpstreamError,
)

CONNECT_SECONDS: Final = 10.0
"""For the stream to open and to say where to POST."""
POST_SECONDS: Final = 30.0
QUIET_SECONDS: Final = 3600.0
UNSENT_BYTES: Final = 64 * 1024
"""What waits to be posted before writers are made to wait."""

_PATH: Final = re.compile(r"/[!-~]{0,2047}")
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})

Spawn = Callable[[Coroutine[object, object, None]], object]


async def connect(backend: SseBackend, listener: Listener, spawn: Spawn) -> Pipe:
    """Raises StartError."""
    pool = Pool(host=backend.host, port=backend.port)
    stream = await _opened(backend, pool)
    pipe = _SsePipe(backend, listener, pool, stream)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await pipe.begin()
    except (TimeoutError, UpstreamError, TooLargeError) as err:
        why = "The server's event stream opened, and did not say where to send messages."
        raise StartError("NotMCP", why) from err
    finally:
        if not pipe.begun:
            stream.close()
    spawn(pipe.read())
    spawn(pipe.post())
    return pipe


async def _opened(backend: SseBackend, pool: Pool) -> Connection:
    where = f"{backend.host}:{backend.port}"
    data = _request("GET", backend, backend.path, "accept: text/event-stream\r\n")
    try:
        stream = await pool.request(data, safe=True, seconds=CONNECT_SECONDS)
    except UnreachableError as err:
        why = f"Nothing listens on {where}: the server is still starting, or uses another port."
        raise StartError("ConnectionRefused", why) from err
    except (BrokenError, SilentError) as err:
        raise StartError("NoAnswer", f"The server on {where} did not answer in HTTP.") from err
    if not is_stream(stream):
        status = stream.head.status
        stream.close()
        why = f"The server answers HTTP {status} at {backend.path}, and no event stream."
        raise StartError("NotMCP", why)
    return stream


def _request(verb: str, backend: SseBackend, path: str, more: str, body: bytes = b"") -> bytes:
    host = f"[{backend.host}]" if ":" in backend.host else backend.host
    head = f"{verb} {path} HTTP/1.1\r\nhost: {host}:{backend.port}\r\nuser-agent: ostiary\r\n"
    return f"{head}accept-encoding: identity\r\n{more}\r\n".encode() + body


def target(backend: SseBackend, announced: bytes) -> str:
    """Path and query to POST to.  Raises StartError for what is not the backend's own."""
    host = f"[{backend.host}]" if ":" in backend.host else backend.host
    base = f"http://{host}:{backend.port}{backend.path}"
    try:
        parts = urlsplit(urljoin(base, announced.decode()))
        own = parts.scheme == "http" and (parts.port or 80) == backend.port
        own = own and parts.hostname in _LOCAL | {backend.host} and "@" not in parts.netloc
    except ValueError:
        own = False
        parts = urlsplit("")
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    if not own or not _PATH.fullmatch(path):
        why = (
            "The server's endpoint event names an address that is not the server's own: let it "
            f"announce a path, for example {backend.path.rpartition('/')[0]}/messages."
        )
        raise StartError("NotMCP", why)
    return path


class _SsePipe:
    """One connection of each kind."""

    def __init__(
        self, backend: SseBackend, listener: Listener, pool: Pool, stream: Connection
    ) -> None:
        self._backend = backend
        self._listener = listener
        self._pool = pool
        self._stream = stream
        self._decoder = Decoder(LONGEST_LINE)
        self._early: deque[Event] = deque()
        self._path = ""
        self._unsent: deque[bytes] = deque()
        self._size = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._gone = asyncio.Event()
        self._exit: Exit | None = None

    @property
    def begun(self) -> bool:
        return bool(self._path)

    async def begin(self) -> None:
        """Until the backend has said where to POST."""
        while not self._path:
            chunk = await self._stream.chunk(CONNECT_SECONDS)
            if chunk is None:
                raise BrokenError
            self._early.extend(self._decoder.feed(chunk))
            while self._early and not self._path:
                event = self._early.popleft()
                if event.event == b"endpoint":
                    self._path = target(self._backend, event.data)

    # lines.Pipe

    def write(self, line: bytes) -> None:
        self._unsent.append(line)
        self._size += len(line)
        if self._size > UNSENT_BYTES:
            self._room.clear()
        self._news.set()

    async def writable(self) -> None:
        await self._room.wait()

    def close(self) -> None:
        self._end(Exit("ConnectionRefused", "The connection was given up."))

    async def closed(self) -> None:
        await self._gone.wait()

    # its two halves

    async def read(self) -> None:
        """To the end of the stream."""
        try:
            while self._exit is None:
                while self._early:
                    self._take(self._early.popleft())
                try:
                    chunk = await self._stream.chunk(QUIET_SECONDS)
                except SilentError:
                    continue
                if chunk is None:
                    break
                for event in self._decoder.feed(chunk):
                    self._take(event)
        except BrokenError:
            pass
        except TooLargeError:
            self._end(Exit("NotMCP", f"The server sent an event over {LONGEST_LINE} bytes."))
        finally:
            self._end(Exit("ConnectionRefused", "The server closed the connection."))

    async def post(self) -> None:
        """What is written, in its order."""
        try:
            while self._exit is None:
                if not self._unsent:
                    self._news.clear()
                    await self._news.wait()
                    continue
                line = self._unsent.popleft()
                self._size -= len(line)
                if self._size <= UNSENT_BYTES:
                    self._room.set()
                await self._send(line)
        except UpstreamError:
            pass
        finally:
            self._end(Exit("ConnectionRefused", "The server took no more messages."))

    def _take(self, event: Event) -> None:
        if event.event not in (b"", b"message") or not event.data:
            return
        data = event.data
        # A line is one line, however the backend has set it.
        self._listener.on_line(encode(decode(data)) if b"\n" in data else data)

    async def _send(self, line: bytes) -> None:
        # A connection of its own: none kept from before can have died with a call in it.
        more = f"content-type: application/json\r\ncontent-length: {len(line)}\r\n"
        more += "accept: application/json, text/event-stream\r\nconnection: close\r\n"
        data = _request("POST", self._backend, self._path, more, line)
        connection = await self._pool.request(data, safe=False, seconds=POST_SECONDS)
        try:
            await whole(connection, POST_SECONDS)
        except Refused:
            pass  # its words are of no use to anybody
        finally:
            connection.close()
        status = connection.head.status
        if status in (404, 410) or status >= 500:
            self._end(Exit("ConnectionRefused", f"The server ended the session (HTTP {status})."))
        elif status >= 300:
            self._refused(line, status)

    def _refused(self, line: bytes, status: int) -> None:
        """A request that the backend does not take has its answer from us."""
        data = decode(line)
        if isinstance(data, dict) and "method" in data and "id" in data:
            why = f"The server refused the message (HTTP {status})."
            self._listener.on_line(error_body(data["id"], INTERNAL_ERROR, why))

    def _end(self, why: Exit) -> None:
        if self._exit is not None:
            return
        self._exit = why
        self._stream.close()
        self._pool.close()
        self._news.set()
        self._room.set()
        self._gone.set()
        self._listener.on_exit(why)
