"""A pipe to an HTTP backend: each line in a POST of its own, every answer's events as lines.

So a channel serves HTTP as it serves a child process.  A modern backend has no connection to speak
of; a legacy one's session is `http_session`.  What the lines mean is `channel`'s business.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

from ostiary_proxy import trace
from ostiary_proxy.channel import Channel
from ostiary_proxy.era import METHOD, NAME, NAMED_BY, VERSION, VERSION_KEY, encode_value
from ostiary_proxy.exchange import STREAM_TYPE, Headers, Refused
from ostiary_proxy.lines import Exit
from ostiary_proxy.message import INTERNAL_ERROR, Id, Json, decode, encode, error_body
from ostiary_proxy.reach import Reach
from ostiary_proxy.relay import whole
from ostiary_proxy.sse import Decoder, TooLargeError
from ostiary_proxy.upstream import Connection, UnreachableError, UpstreamError

QUIET_SECONDS: Final = 3600.0
"""Longer than any clock of ours that ends a call."""
TELL_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 1.0
LONGEST_RETRY: Final = 30.0
CANCELLED: Final = "notifications/cancelled"
UNSAFE: Final = frozenset({"tools/call"})

LOST: Final = "SessionLost"
"""An `Exit` for this reason: the backend has forgotten the session, and did nothing."""

Spawn = Callable[[Coroutine[object, object, None]], object]
Mirrored = Callable[[Json], Headers]
"""(params of a tools/call) -> the headers that repeat its arguments."""


class Post:
    """One request that is under way: `upstream.Holder`."""

    def __init__(self, ident: Id | None) -> None:
        self.ident = ident
        self.cut: object = None
        self.event: bytes | None = None
        """Id of the last event, to resume from."""
        self.retry = RETRY_SECONDS
        self.answered = False
        self._on_cut: Callable[[], None] | None = None

    @property
    def on_cut(self) -> Callable[[], None] | None:
        return self._on_cut

    @on_cut.setter
    def on_cut(self, cut: Callable[[], None] | None) -> None:
        self._on_cut = cut
        if cut is not None and self.cut is not None:
            cut()  # it was stopped while its connection was being made

    def stop(self) -> None:
        self.cut = "stopped"
        if self._on_cut is not None:
            self._on_cut()


class HttpPipe:
    """What both eras share."""

    def __init__(self, reach: Reach, channel: Channel, spawn: Spawn) -> None:
        self._reach = reach
        self._channel = channel
        self._spawn = spawn
        self._posts: set[Post] = set()
        self._told: asyncio.Event | None = None
        """Set once the last notification has arrived: what was written later goes out later."""
        self._gone = asyncio.Event()

    # lines.Pipe

    def write(self, line: bytes) -> None:
        data = decode(line)
        if isinstance(data, dict) and not self._gone.is_set():
            self._write(data, line)

    def _write(self, data: Json, line: bytes) -> None:
        ident = data.get("id") if "method" in data else None
        before = self._told
        if ident is None:
            self._told = asyncio.Event()
        post = Post(ident)
        self._posts.add(post)
        self._spawn(self._run(post, data, line, before, self._told if ident is None else None))

    def _stop(self, cancelled: Json) -> None:
        """Nobody reads this answer any more."""
        ident = cancelled["params"].get("requestId")
        for post in tuple(self._posts):
            if post.ident is not None and post.ident == ident:
                post.stop()

    async def writable(self) -> None:
        """A POST holds nobody up but itself."""

    def close(self) -> None:
        self._end(Exit("Closed", "The session was ended."))

    async def closed(self) -> None:
        await self._gone.wait()

    def _end(self, ended: Exit) -> None:
        if self._gone.is_set():
            return
        self._gone.set()
        for post in tuple(self._posts):
            post.stop()
        self._channel.on_exit(ended)

    # one request

    async def _run(
        self,
        post: Post,
        data: Json,
        line: bytes,
        before: asyncio.Event | None,
        told: asyncio.Event | None,
    ) -> None:
        try:
            if before is not None:
                await before.wait()
            safe = data.get("method") not in UNSAFE
            await self._send(post, "POST", self._headers(data), line, safe=safe)
            await self._resume(post)
            self._lose(post, Exit("Broken", "The server broke off its answer."))
        except UnreachableError:
            self._reach.complain()
            self._lose(post, Exit("Unreachable", "The server cannot be reached just now."))
        except (UpstreamError, TooLargeError, Refused):
            self._lose(post, Exit("Broken", "The server broke off its answer."))
        finally:
            self._posts.discard(post)
            if told is not None:
                told.set()

    def _lose(self, post: Post, ended: Exit) -> None:
        if post.ident is not None and not post.answered and post.cut is None:
            self._channel.on_lost(post.ident, ended)

    async def _send(
        self, post: Post, verb: str, headers: Headers, line: bytes = b"", *, safe: bool = True
    ) -> None:
        seconds = QUIET_SECONDS if post.ident is not None else TELL_SECONDS
        if post.cut is not None:
            return
        connection = await self._request(post, verb, headers, line, safe=safe, seconds=seconds)
        try:
            post.on_cut = connection.close
            await self._read(post, connection)
        finally:
            post.on_cut = None
            self._reach.pool.give_back(connection)

    async def _request(
        self,
        post: Post | None,
        verb: str,
        headers: Headers,
        line: bytes = b"",
        *,
        safe: bool = True,
        seconds: float = QUIET_SECONDS,
    ) -> Connection:
        await self._reach.ready()
        data = self._reach.target.request(verb, headers, line)
        return await self._reach.pool.request(data, safe=safe, seconds=seconds, holder=post)

    async def _read(self, post: Post, connection: Connection) -> None:
        head = connection.head
        if head.headers.get(b"content-type", b"").lower().startswith(STREAM_TYPE):
            await self._stream(post, connection)
            return
        body = await whole(connection, QUIET_SECONDS)
        if self._is_lost(head.status, body):
            self._end(Exit(LOST, "The server has forgotten the session."))
        elif post.ident is not None:
            self._take(post, _answer(post.ident, head.status, body))

    async def _stream(self, post: Post, connection: Connection) -> None:
        decoder = Decoder()
        while (chunk := await connection.chunk(QUIET_SECONDS)) is not None:
            for event in decoder.feed(chunk):
                if event.id is not None:
                    post.event = event.id
                if event.retry is not None:
                    post.retry = min(int(event.retry[:9]) / 1000, LONGEST_RETRY)
                if event.data:
                    self._take(post, event.data)

    def _take(self, post: Post, line: bytes) -> None:
        if b"\n" in line:
            line = encode(decode(line))
        if post.ident is None:
            self._channel.on_line(line)
            return
        post.answered = post.answered or answers(post.ident, line)
        self._channel.on_line_of(post.ident, line)

    async def _resume(self, post: Post) -> None:
        """Modern streams cannot be."""

    def _headers(self, data: Json) -> Headers:
        raise NotImplementedError

    def _is_lost(self, status: int, body: bytes) -> bool:
        return False


class ModernPipe(HttpPipe):
    """To a modern backend."""

    def __init__(self, reach: Reach, channel: Channel, spawn: Spawn, mirrored: Mirrored) -> None:
        super().__init__(reach, channel, spawn)
        self._mirrored = mirrored

    def _write(self, data: Json, line: bytes) -> None:
        if data.get("method") == CANCELLED:
            # Over HTTP the closed stream is the cancellation (27): nothing is posted.
            self._stop(data)
        elif "method" in data:
            # A modern backend asks nothing, and takes no answer.
            super()._write(data, line)

    def _headers(self, data: Json) -> Headers:
        method, params = data["method"], data.get("params", {})
        named = NAMED_BY.get(method)
        name = params.get(named) if named is not None else None
        headers: list[tuple[bytes, bytes]] = [
            (VERSION, params["_meta"][VERSION_KEY].encode()),
            (METHOD, method.encode()),
        ]
        if isinstance(name, str):
            headers.append((NAME, encode_value(name)))
        if method == "tools/call":
            headers += self._mirrored(params)
        return (*headers, *trace.to_headers(data))


def answers(ident: Id, line: bytes) -> bool:
    data = decode(line)
    if not isinstance(data, dict) or "method" in data:
        return False
    return data.get("id") == ident and type(data.get("id")) is type(ident)


def _answer(ident: Id, status: int, body: bytes) -> bytes:
    """What the body says to this request; our own words where it says nothing in JSON-RPC."""
    data = decode(body) if body else None
    if isinstance(data, dict) and ("result" in data or isinstance(data.get("error"), dict)):
        if data.get("id") == ident:
            return body
        if "error" in data:
            return encode({**data, "id": ident})
    if status in (401, 403):
        why = f"The server refused the proxy's request (HTTP {status}): it wants credentials."
    elif status >= 300:
        why = f"The server refused the request (HTTP {status})."
    else:
        why = "The server's answer is neither JSON-RPC nor an event stream."
    return error_body(ident, INTERNAL_ERROR, why)
