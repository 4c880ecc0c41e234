"""Server-sent events: bytes to events and back.  Pure.

The decoder is incremental and bounded; lines end in CR, LF or CRLF and a chunk may end anywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LARGEST_EVENT: Final = 16 * 1024 * 1024
COMMENT: Final = b": keep-alive\n\n"
"""Sent by us between events on a quiet stream."""


class TooLargeError(Exception):
    """One event, or the rest of one, is beyond the cap."""


@dataclass(frozen=True, slots=True)
class Event:
    data: bytes
    """Lines joined by LF; empty for a priming event."""
    event: bytes = b""
    id: bytes | None = None
    retry: bytes | None = None

    def encode(self) -> bytes:
        lines = []
        if self.event:
            lines.append(b"event: " + self.event)
        if self.id is not None:
            lines.append(b"id: " + self.id)
        if self.retry is not None:
            lines.append(b"retry: " + self.retry)
        lines += [b"data: " + line for line in self.data.split(b"\n")]
        return b"\n".join(lines) + b"\n\n"


def encode(data: bytes) -> bytes:
    """One JSON-RPC message, which holds no line breaks."""
    return b"event: message\ndata: " + data + b"\n\n"


class Decoder:
    """Feed it chunks; it gives whole events.  `idle` = the stream stands between two events."""

    def __init__(self, largest: int = LARGEST_EVENT) -> None:
        self._largest = largest
        self._rest = bytearray()
        self._searched = 0
        self._skip_lf = False
        self._first = True
        self._clear()

    def _clear(self) -> None:
        self._data: list[bytes] = []
        self._size = 0
        self._event = b""
        self._id: bytes | None = None
        self._retry: bytes | None = None
        self._fields = False

    @property
    def idle(self) -> bool:
        return not self._rest and not self._fields

    def feed(self, chunk: bytes) -> Iterator[Event]:
        self._rest += chunk
        for line in self._lines():
            if line:
                self._field(line)
                continue
            event = self._dispatch()
            if event is not None:
                yield event
        if len(self._rest) + self._size > self._largest:
            raise TooLargeError

    def _lines(self) -> Iterator[bytes]:
        rest = self._rest
        start = 0
        while True:
            if self._skip_lf and start < len(rest):
                start += rest[start] == 0x0A
                self._skip_lf = False
            end = self._line_end(max(start, self._searched))
            if end < 0:
                break
            line = bytes(rest[start:end])
            self._skip_lf = rest[end] == 0x0D
            start = end + 1
            yield self._without_mark(line)
        del rest[:start]
        self._searched = len(rest)

    def _line_end(self, start: int) -> int:
        lf = self._rest.find(b"\n", start)
        cr = self._rest.find(b"\r", start, lf if lf >= 0 else len(self._rest))
        return cr if cr >= 0 else lf

    def _without_mark(self, line: bytes) -> bytes:
        if self._first:
            self._first = False
            return line.removeprefix(b"\xef\xbb\xbf")
        return line

    def _field(self, line: bytes) -> None:
        self._fields = True
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data.append(value)
                self._size += len(value) + 1
            case b"event":
                self._event = value
            case b"id" if b"\0" not in value:
                self._id = value
            case b"retry" if value.isdigit():
                self._retry = value

    def _dispatch(self) -> Event | None:
        data, event, ident, retry = self._data, self._event, self._id, self._retry
        self._clear()
        if not data and ident is None and retry is None:
            return None
        return Event(b"\n".join(data), event, ident, retry)
