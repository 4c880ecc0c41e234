"""A queue of keys to reconcile: each worked once, by one holder at a time, with backoff.

client-go's contract: a key queued twice is worked once; a key added while held is handed out again
after `done`.  Knows nothing of what a key means and starts no task.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

FIRST_BACKOFF: Final = 0.05
LAST_BACKOFF: Final = 300.0

K = TypeVar("K", bound=Hashable)


class Workqueue(Generic[K]):
    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()
        """Waiting to be worked, in `_ready` or for their holder to be done."""
        self._held: set[K] = set()
        self._due: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []
        self._order = 0
        self._failures: dict[K, int] = {}
        self._wake = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._dirty) + len(self._held)

    @property
    def depth(self) -> int:
        """Keys that wait for a worker now."""
        return len(self._ready)

    def add(self, key: K) -> None:
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._held:
            self._ready.append(key)
            self._wake.set()

    def add_after(self, key: K, delay: float) -> None:
        """At most one timer per key: the earlier one wins."""
        at = self._clock() + delay
        if key in self._due and self._due[key] <= at:
            return
        self._due[key] = at
        self._order += 1
        heapq.heappush(self._timers, (at, self._order, key))
        self._wake.set()

    def retry(self, key: K) -> float:
        """Queue again after a pause that doubles with every failure in a row."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(LAST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures, 20))
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """It went well: the next failure starts from the shortest pause."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        return self._failures.get(key, 0)

    def done(self, key: K) -> None:
        self._held.discard(key)
        if key in self._dirty:
            self._ready.append(key)
            self._wake.set()

    async def get(self) -> K | None:
        """The next key, held until `done`; None once closed."""
        while True:
            self._ripen()
            if self._closed:
                return None
            if self._ready:
                key = self._ready.popleft()
                self._dirty.discard(key)
                self._held.add(key)
                if self._ready:
                    self._wake.set()
                return key
            self._wake.clear()
            await self._rest()

    def close(self) -> None:
        self._closed = True
        self._wake.set()

    async def _rest(self) -> None:
        pause = self._timers[0][0] - self._clock() if self._timers else None
        try:
            async with asyncio.timeout(pause if pause is None else max(0.0, pause)):
                await self._wake.wait()
        except TimeoutError:
            return

    def _ripen(self) -> None:
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            at, _, key = heapq.heappop(self._timers)
            if self._due.get(key) == at:
                del self._due[key]
                self.add(key)
