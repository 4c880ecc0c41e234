"""The processes of one stdio server that count against its cap: started, evicted, reaped.

At the cap the one that has been idle for longest goes; whoever it belonged to begins it anew at
the next use.  Idle means: no request, held input or stream, and no subscription for an hour.  One
caller has a share of the cap: at that, its own idlest goes, so that others find a process.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ostiary_proxy import children
from ostiary_proxy.channel import Channel
from ostiary_proxy.config import StdioBackend
from ostiary_proxy.exchange import NOT_HERE, Refused, failed
from ostiary_proxy.message import Rejection

SUBSCRIBED_SECONDS: Final = 3600.0
"""A subscription that nobody listens to keeps its process this long."""

NOBODY: Final = b""
"""A process for everybody belongs to nobody, and counts as nobody's."""

BUSY: Final = "Busy"
YOURS_BUSY: Final = "YoursBusy"
_LATER: Final = ((b"retry-after", b"5"),)

Starter = Callable[[Channel], Awaitable[None]]


class Crew:
    """Everything but the catalogue's processes."""

    def __init__(
        self,
        backend: StdioBackend,
        *,
        start: Starter,
        now: Callable[[], float],
        on_eviction: Callable[[], None] = lambda: None,
    ) -> None:
        self._most, self._idle_seconds = backend.maxProcesses, backend.idleSeconds
        self._start = start
        self._now = now
        self._on_eviction = on_eviction
        self._share = share_of(backend.maxProcesses)
        self._members: dict[Channel, bytes] = {}
        """Each with whom it belongs to, by the digest of the principal."""
        self._starting: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return sum(channel.alive for channel in self._members) + self._starting.total()

    async def hire(self, channel: Channel, who: bytes) -> None:
        """Start a process for it, or refuse."""
        self._make_room(who)
        self._starting[who] += 1
        try:
            await self._start(channel)
        except children.StartError as err:
            raise Refused(not_started()) from err
        finally:
            self._starting[who] -= 1
            self._starting += Counter()  # without those that are at nought
        self.touch(channel)
        if channel.alive:
            self._members[channel] = who

    @contextmanager
    def on_probation(self, channel: Channel) -> Iterator[None]:
        """Its process ends unless this goes well."""
        well = False
        try:
            yield
            well = True
        finally:
            if not well:
                self.dismiss(channel)

    def touch(self, channel: Channel) -> None:
        """It is used just now."""
        channel.used = self._now()

    def dismiss(self, channel: Channel) -> None:
        """End its process."""
        self._members.pop(channel, None)
        channel.close()

    def reap(self) -> None:
        """End what is idle, forget what has ended."""
        now = self._now()
        for channel in tuple(self._members):
            idle = max(SUBSCRIBED_SECONDS, self._idle_seconds)
            if not channel.subscribed:
                idle = self._idle_seconds
            channel.give_up_left(now)
            if not channel.alive or (not channel.busy and now - channel.used > idle):
                self.dismiss(channel)

    def _make_room(self, who: bytes) -> None:
        mine = self._is_at_its_share(who)
        if mine or len(self) >= self._most:
            self.reap()
            mine = self._is_at_its_share(who)
        if not mine and len(self) < self._most:
            return
        among = [it for it, whose in self._members.items() if not mine or whose == who]
        idlest = min(filter(self._is_idle, among), key=_used, default=None)
        if idlest is None:
            raise Refused(_yours_busy(self._share) if mine else _all_busy(self._most))
        self._on_eviction()
        self.dismiss(idlest)

    def _is_at_its_share(self, who: bytes) -> bool:
        if who == NOBODY:
            return False
        own = sum(whose == who and channel.alive for channel, whose in self._members.items())
        return own + self._starting[who] >= self._share

    def _is_idle(self, channel: Channel) -> bool:
        listening = channel.subscribed and self._now() - channel.used <= SUBSCRIBED_SECONDS
        return not channel.busy and not listening


def share_of(most: int) -> int:
    """How many of so many processes one caller may have: a quarter is left to others."""
    return max(1, most - max(1, most // 4))


def whose_may_go(rejection: Rejection, who: bytes) -> bytes | None:
    """Whose idle process would let a refused start be tried again; None: nobody's."""
    return {BUSY: NOBODY, YOURS_BUSY: who}.get(rejection.reason)


def _all_busy(most: int) -> Rejection:
    why = f"All {most} processes of this server are busy; try later."
    return failed(503, why, BUSY, headers=_LATER)


def _yours_busy(share: int) -> Rejection:
    why = f"All {share} of your processes of this server are busy; try later."
    return failed(503, why, YOURS_BUSY, headers=_LATER)


def _used(channel: Channel) -> float:
    return channel.used


def not_started() -> Rejection:
    why = "The server's process could not be started."
    return failed(502, why, "NotStarted", headers=((NOT_HERE, b"1"),))
