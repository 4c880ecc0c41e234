"""What a client has said on a connection and nobody has taken yet: in order, and bounded."""

import asyncio
from collections import deque
from typing import Final

from ostiary_proxy.message import Message, Rejection

MOST: Final = 32

Part = Message | Rejection
"""One message, or why it is none."""


class Inbox:
    """One reader."""

    def __init__(self) -> None:
        self._parts: deque[Part] = deque()
        self._waiter: asyncio.Future[None] | None = None

    @property
    def full(self) -> bool:
        return len(self._parts) >= MOST

    def put(self, part: Part) -> None:
        self._parts.append(part)
        self.wake()

    def wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def get(self, seconds: float) -> Part | None:
        """None when nothing came in time, or somebody woke the reader."""
        if not self._parts:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(seconds, self.wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        return self._parts.popleft() if self._parts else None
