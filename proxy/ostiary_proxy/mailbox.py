"""What a child sends towards one waiting request, in order and bounded."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from ostiary_proxy.lines import Exit

LARGEST: Final = 32 * 1024 * 1024
"""Bytes that may wait for a slow reader; two of the longest lines."""


@dataclass(frozen=True, slots=True)
class Letter:
    data: bytes
    """One JSON-RPC message."""
    last: bool = False
    question: str | int | None = None
    """The id, when the message is a request that the client must answer."""


class Letters(Protocol):
    """Where a waiting request finds what is sent to it."""

    @property
    def ended(self) -> Exit | None: ...

    @property
    def overflowed(self) -> bool: ...

    def wake(self) -> None: ...

    async def get(self, seconds: float) -> Letter | None:
        """The next letter; None when there is none in time, or somebody woke the reader."""


class Mailbox:
    """One reader."""

    def __init__(self) -> None:
        self._letters: deque[Letter] = deque()
        self._size = 0
        self._waiter: asyncio.Future[bool] | None = None
        self.ended: Exit | None = None
        """The child is gone."""
        self.overflowed = False
        self.closed = False

    def put(self, letter: Letter) -> None:
        if self.closed:
            return
        self._size += len(letter.data)
        if self._size > LARGEST:
            self.overflowed = True
        else:
            self._letters.append(letter)
        self.wake()

    def put_first(self, letter: Letter) -> None:
        """Before whatever waits already."""
        self._size += len(letter.data)
        self._letters.appendleft(letter)
        self.wake()

    def end(self, ended: Exit) -> None:
        self.ended = ended
        self.wake()

    def close(self) -> None:
        """The reader has gone: whatever comes is dropped."""
        self.closed = True
        self._letters.clear()

    def wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(True)

    async def get(self, seconds: float) -> Letter | None:
        """The next letter; None when there is none in time, or somebody woke the reader."""
        if not self._letters and self.ended is None and not self.overflowed:
            loop = asyncio.get_running_loop()
            waiter = self._waiter = loop.create_future()
            timer = loop.call_later(seconds, self.wake)
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiter = None
        if not self._letters:
            return None
        letter = self._letters.popleft()
        self._size -= len(letter.data)
        return letter


async def one(
    letters: Letters, seconds: float, stopped: Callable[[], bool] = lambda: False
) -> Letter | None:
    """The next letter, whatever wakes the reader meanwhile; None when there was none in time, or
    none will come any more.  `stopped`: nobody waits any longer; asked whenever it is woken."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not stopped() and (left := until - loop.time()) > 0:
        letter = await letters.get(left)
        if letter is not None or letters.ended is not None:
            return letter
    return None
