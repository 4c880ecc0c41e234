"""Lines of text to and from a process: how they are cut, and who is told.  No I/O of its own."""

from dataclasses import dataclass
from typing import Final, Protocol

LONGEST_LINE: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended, as far as it is known."""

    reason: str
    message: str


class Listener(Protocol):
    """Whom a child's lines are for."""

    def on_line(self, line: bytes) -> None: ...

    def on_exit(self, ended: Exit) -> None: ...


class Pipe(Protocol):
    """A live child."""

    def write(self, line: bytes) -> None: ...

    async def writable(self) -> None: ...

    def close(self) -> None: ...

    async def closed(self) -> None: ...


class Lines:
    """Splits what a child writes; what is longer than a line may be ends the child."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._rest = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> bool:
        """False when a line is too long."""
        self._rest += data
        start = 0
        while (end := self._rest.find(b"\n", max(start, self._searched))) >= 0:
            line = bytes(self._rest[start:end])
            start = end + 1
            if line.strip():
                self._listener.on_line(line)
        del self._rest[:start]
        self._searched = len(self._rest)
        return len(self._rest) <= LONGEST_LINE
