"""Starts held back after crashes: a command that ends at once is not started in a loop.

The shim does the same in a pod; this is for children of our own.  No start before the delay is
over, which doubles with each crash and is gone once a child has lived long enough.
"""

import asyncio
from collections.abc import Callable
from typing import Final

FIRST_DELAY: Final = 0.1
LAST_DELAY: Final = 5.0
PROVEN_SECONDS: Final = 1.0
"""A child that ends by itself within this time has crashed at its start."""


class Gate:
    """Of one command."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._delay = 0.0
        self._opens = 0.0

    @property
    def wait(self) -> float:
        """Seconds until the next start."""
        return max(0.0, self._opens - self._clock())

    async def enter(self) -> None:
        if self.wait:
            await asyncio.sleep(self.wait)

    def ended(self, started: float) -> None:
        """A child that nobody wanted to end has."""
        now = self._clock()
        if now - started >= PROVEN_SECONDS:
            self._delay = 0.0
        elif started >= self._opens:
            # Once for all that were started together.
            self._delay = min(LAST_DELAY, max(FIRST_DELAY, self._delay * 2))
            self._opens = now + self._delay

    def lived(self) -> None:
        """A child has proved that starting works."""
        self._delay = 0.0
