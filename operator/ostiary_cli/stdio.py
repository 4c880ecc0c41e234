"""`ostiary stdio`: stdin and stdout of a local client, joined to an endpoint by `relay`.

Standard output carries JSON-RPC lines and nothing else: anything that some library might print goes
to standard error instead.  Ends at the end of its input, once what was asked is
answered, or at once on a signal.  The exit status is 1 if the input could not be read to its end,
or if requests failed and the endpoint gave no result to any: scripts see a wrong address or token.
"""

import asyncio
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

import httpx2

from ostiary_proxy.lines import LONGEST_LINE, Exit, Lines

from .endpoint import Endpoint
from .relay import Relay
from .terminal import shown

WAITING_LINES: Final = 64
"""Read from the client and not taken yet; then it is left to wait."""
CONNECT_SECONDS: Final = 10.0
CHUNK: Final = 64 * 1024


class Input:
    """Lines of a file descriptor, read by a thread: a pipe, a file and a terminal alike."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._lines: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._room = threading.Semaphore(WAITING_LINES)
        self._ended = False
        self.flaw = ""
        """Why it ended, when not by itself."""
        # A daemon: a read that never returns must not keep the process.
        threading.Thread(target=self._read, daemon=True).start()

    def end(self) -> None:
        self._ended = True
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._lines:
                line = self._lines.popleft()
                self._room.release()
                yield line
            if self._ended:
                return
            self._news.clear()
            await self._news.wait()

    def _read(self) -> None:
        splitter = Lines(self)
        try:
            while chunk := os.read(self._descriptor, CHUNK):
                if not splitter.feed(chunk):
                    self.flaw = f"A line is longer than {LONGEST_LINE} bytes."
                    break
            self._loop.call_soon_threadsafe(self.end)
        except (OSError, RuntimeError):  # the terminal, or the loop, is gone
            return

    def on_line(self, line: bytes) -> None:
        self._room.acquire()
        self._loop.call_soon_threadsafe(self._put, line)

    def on_exit(self, ended: Exit) -> None:
        """Of a child; this is none."""

    def _put(self, line: bytes) -> None:
        self._lines.append(line)
        self._news.set()


class Output:
    """Whole lines to a file descriptor, one after the other, off the loop."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._turn = asyncio.Lock()

    async def emit(self, message: bytes) -> None:
        async with self._turn:
            await asyncio.to_thread(self._write, message + b"\n")

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


class News:
    """Sentences on standard error, none of them twice in a row."""

    def __init__(self) -> None:
        self._last = ""

    @property
    def any(self) -> bool:
        return bool(self._last)

    def tell(self, sentence: str) -> None:
        if sentence != self._last:
            self._last = sentence
            print(f"ostiary stdio: {shown(sentence)}", file=sys.stderr, flush=True)


def run(endpoint: Endpoint) -> int:
    own = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    well = True
    try:
        well = asyncio.run(_serve(endpoint, own))
    except* BrokenPipeError:
        pass  # the client has left
    return 0 if well else 1


async def _serve(endpoint: Endpoint, descriptor: int) -> bool:
    news, lines = News(), Input(sys.stdin.fileno())
    # An answer may take as long as the endpoint allows it, and many may be open.
    timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=16)
    async with httpx2.AsyncClient(headers=endpoint.headers, timeout=timeout, limits=limits) as http:
        relay = Relay(endpoint=endpoint, http=http, emit=Output(descriptor).emit, tell=news.tell)
        _end_on_signals(lines, relay)
        await relay.run(aiter(lines))
        well = relay.served or not news.any
    if lines.flaw:
        news.tell(lines.flaw)
    return well and not lines.flaw


def _end_on_signals(lines: Input, relay: Relay) -> None:
    def end() -> None:
        lines.end()
        relay.hurry()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, end)
