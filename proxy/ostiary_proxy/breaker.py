"""A breaker: after some failures in a row a member is left alone for a moment, then tried once.

No I/O, no clock of its own.
"""

from collections.abc import Callable
from typing import Final

FAILURES: Final = 5
FIRST_SECONDS: Final = 1.0
LAST_SECONDS: Final = 30.0


class Breaker:
    """Of one member.  Failures are those of reaching it: what it answers is no failure."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._until = 0.0
        self._pause = FIRST_SECONDS

    @property
    def open(self) -> bool:
        """Nothing is to be sent."""
        return self._failures >= FAILURES and self._clock() < self._until

    def admit(self) -> bool:
        """May this one be sent?  Of those that come after a pause, the first alone may."""
        if self._failures < FAILURES:
            return True
        if self._clock() < self._until:
            return False
        self._until = self._clock() + self._pause
        return True

    def worked(self) -> None:
        self._failures, self._pause = 0, FIRST_SECONDS

    def failed(self) -> None:
        self._failures += 1
        if self._failures < FAILURES:
            return
        if self._failures > FAILURES:
            self._pause = min(self._pause * 2, LAST_SECONDS)
        self._until = self._clock() + self._pause

    @property
    def seconds(self) -> int:
        """Until it is tried again, at least 1."""
        return max(1, round(self._until - self._clock()))
