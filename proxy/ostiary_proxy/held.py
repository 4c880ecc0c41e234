"""Calls at a legacy backend that wait for their modern client's answer: bounded, and not forever.

A held call has asked something.  Its client has been told so and has gone; it comes back with the
answer in a request of its own, or the call is cancelled: when its time is over, or as soon as its
caller may no longer do what waits.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from ostiary_proxy.channel import Call
from ostiary_proxy.message import Id, Json
from ostiary_proxy.policy import Caller, Target
from ostiary_proxy.upstreams import Upstream

MOST: Final = 1024
MOST_EACH: Final = 64
"""Of one principal."""


@dataclass(eq=False)
class Held:
    """One such call."""

    caller: Caller
    targets: tuple[Target, ...]
    """What its request is about, to the policy."""
    call: Call
    upstream: Upstream
    key: str
    """What the question is called towards the client."""
    question: Json
    """As the client was asked."""
    asked: Id
    """The backend's own id of it."""
    ident: str = field(default_factory=lambda: uuid4().hex)
    timer: asyncio.TimerHandle | None = None


class Holds:
    """The held calls of one backend."""

    def __init__(self, give_up: Callable[[Held, str], None]) -> None:
        """`give_up`: with the reason, which the backend is told."""
        self._give_up = give_up
        self._held: dict[str, Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        return iter(tuple(self._held.values()))

    def has_room(self, principal: bytes) -> bool:
        own = sum(held.caller.digest == principal for held in self._held.values())
        return own < MOST_EACH and len(self._held) < MOST

    def put(self, held: Held, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        held.timer = loop.call_later(seconds, self._expire, held.ident)
        self._held[held.ident] = held

    def take(self, ident: str) -> Held | None:
        """It is the caller's now: to go on with, to put back, or to give up."""
        held = self._held.pop(ident, None)
        if held is not None and held.timer is not None:
            held.timer.cancel()
        return held

    def revoke(self, held: Held) -> None:
        """Its caller may not do that any more."""
        self._end(held.ident, "Access was revoked while the call was waiting.")

    def close(self) -> None:
        for ident in tuple(self._held):
            self._end(ident, "This proxy is stopping.")

    def _expire(self, ident: str) -> None:
        self._end(ident, "The client did not answer in time.")

    def _end(self, ident: str, why: str) -> None:
        held = self.take(ident)
        if held is not None:
            self._give_up(held, why)
