"""What one legacy session holds at a stdio server: its process, or its part of one, and the
client's GET stream, which outlives processes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from ostiary_proxy.channel import Call
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Mailbox
from ostiary_proxy.message import Id, Message
from ostiary_proxy.session import Session

_OVER = Exit("SessionEnded", "The session has ended.")


class Seat(Protocol):
    """A session's access to a process."""

    @property
    def alive(self) -> bool: ...

    async def writable(self) -> None: ...

    def begin(self, message: Message) -> Call | None:
        """None: a request with this id is still running."""

    def tell(self, message: Message) -> None: ...

    def give_up(self, call: Call) -> None: ...

    def attach(self, held: Mailbox | None) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Coming:
    """A request that waits for a process."""

    cancelled: bool = False


class Desk:
    """Of one session; `session.close` clears it."""

    def __init__(self, session: Session, on_cleared: Callable[[], object]) -> None:
        self._session = session
        self._on_cleared = on_cleared
        self.seat: Seat | None = None
        self.held: Mailbox | None = None
        self.ends = False
        """With its process, by the owner's wish."""
        self.cleared = False
        self._coming: dict[Id | None, Coming] = {}
        session.close = self.clear

    @property
    def alive(self) -> bool:
        return self.seat is not None and self.seat.alive

    @contextmanager
    def expecting(self, message: Message) -> Iterator[Coming | None]:
        """Until its process is there; None: a request with this id waits already."""
        if message.id in self._coming:
            yield None
            return
        coming = self._coming[message.id] = Coming()
        try:
            yield coming
        finally:
            del self._coming[message.id]

    def cancel(self, ident: object) -> None:
        """A request that no process has heard of yet."""
        if isinstance(ident, str | int) and ident in self._coming:
            self._coming[ident].cancelled = True

    def check_lost(self) -> bool:
        if self.seat is not None and not self.seat.alive:
            self.seat.attach(None)
            self.seat.close()
            self.seat, self._session.lost = None, True
        return self._session.lost

    def sit(self, seat: Seat) -> None:
        self.seat = seat
        seat.attach(self.held)

    def attach(self, held: Mailbox | None) -> None:
        self.held = held
        if self.seat is not None:
            self.seat.attach(held)

    def on_ended(self, ended: Exit) -> None:
        """Its process has ended by itself."""
        if self.ends and self.held is not None:
            self.held.end(ended)

    def clear(self) -> None:
        self.cleared = True
        if self.seat is not None:
            self.seat.close()
        if self.held is not None:
            self.held.end(_OVER)
        self._on_cleared()
