"""How often one caller may ask: a bucket of tokens per caller and limit, in this proxy alone.

A bucket that is full again is as good as none, so the table stays as small as those who ask.
"""

from collections.abc import Callable
from math import ceil
from typing import Final

from ostiary_proxy.config import Rate

BUCKETS: Final = 20_000
"""Beyond it the one that was used longest ago is forgotten, and begins full."""

Key = tuple[str, str, bytes]
"""The server's uid, the limit's name, the caller's digest."""


class Throttle:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[Key, tuple[float, float]] = {}
        """What is left, and when that was so; in the order of use."""

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Key, rate: Rate) -> int:
        """Seconds to wait; 0: go on, and one less is left."""
        now = self._clock()
        left, since = self._buckets.pop(key, (float(rate.burst), now))
        left = min(rate.burst, left + max(0.0, now - since) * rate.requestsPerSecond)
        short = left < 1
        self._buckets[key] = (left if short else left - 1, now)
        if len(self._buckets) > BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        return max(1, ceil((1 - left) / rate.requestsPerSecond)) if short else 0
