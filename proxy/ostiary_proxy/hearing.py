"""A legacy client's GET stream at a modern backend: fed again whenever a subscription has ended."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ostiary_proxy.exchange import Refused
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Letter, Mailbox
from ostiary_proxy.partner import Partner

FIRST_WAIT: Final = 0.25
LAST_WAIT: Final = 15.0
STEADY_SECONDS: Final = 60.0
"""What was fed for this long is fed again soon; otherwise twice as late each time."""


class Hearing:
    """`mailbox.Letters` over what the session's own mailbox gets."""

    def __init__(
        self, held: Mailbox, partner: Partner, feed: Callable[[], Awaitable[None]]
    ) -> None:
        """`feed`: raises Refused while the backend cannot be reached."""
        self._held = held
        self._partner = partner
        self._feed = feed
        self._wait = FIRST_WAIT
        self._fed = asyncio.get_running_loop().time()
        self._due: float | None = None
        """When it is fed again."""

    @property
    def ended(self) -> Exit | None:
        return self._held.ended

    @property
    def overflowed(self) -> bool:
        return self._held.overflowed

    def wake(self) -> None:
        self._held.wake()

    async def get(self, seconds: float) -> Letter | None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            self._plan(loop.time())
            end = until if self._due is None else min(until, self._due)
            letter = await self._held.get(max(0.0, end - loop.time()))
            if letter is not None or self._held.ended is not None:
                return letter
            if self._due is not None and loop.time() >= self._due:
                await self._again(loop.time())
            elif self._due is not None or not self._partner.deaf:
                return None

    def _plan(self, now: float) -> None:
        if not self._partner.deaf or self._due is not None:
            return
        self._wait = (
            FIRST_WAIT if now - self._fed > STEADY_SECONDS else min(self._wait * 2, LAST_WAIT)
        )
        self._due = now + self._wait

    async def _again(self, now: float) -> None:
        self._due, self._fed = None, now
        try:
            await self._feed()
        except Refused:
            self._partner.deaf = True
