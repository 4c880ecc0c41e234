"""One line per finished call and per refusal, in a chain of hashes, from a thread of its own.

The event loop only serialises an event and leaves it in a buffer; a thread numbers the lines,
chains and writes them, so a full pipe never blocks a call.  Beyond the buffer events are dropped,
and counted in the next line that is written.

A line is `{"seq":N,"prev":"<hex>",...}`; `prev` is the SHA-256 of the line before it (without its
newline), 64 zeros for the first, whose event is `chain.start`.  Whoever holds the head (the number
and hash of the last line) can tell whether anything before it was changed, added or taken away.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import BinaryIO, Final, NamedTuple

import orjson

BUFFER_BYTES: Final = 4 * 1024 * 1024
LONGEST_STRING: Final = 256
"""Characters of any string that came from outside."""
LARGEST_NUMBER: Final = 2**63 - 1
"""A server's error code may be any number: one beyond it must not cost the event."""
GATHER_SECONDS: Final = 0.002
"""The writer lets a burst gather: one system call for many lines."""
BATCH_LINES: Final = 512

_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(high + low for high in _DIGITS for low in _DIGITS)
"""Ten bits in two characters."""


@dataclass(frozen=True, slots=True)
class LateText:
    """Text from outside that may be longer than others."""

    text: str
    longest: int


Field = str | int | float | bool | None | list[str] | tuple[str, ...] | LateText


class Head(NamedTuple):
    """The last line written."""

    seq: int
    digest: str


class Audit:
    """The audit trail of this process."""

    def __init__(
        self,
        stream: BinaryIO,
        *,
        now: Callable[[], float] = time.time,
        pod: str = "",
        pod_uid: str = "",
        version: str = "",
    ) -> None:
        self.on_refusal: Callable[[Mapping[str, Field]], None] | None = None
        """Is shown each refusal's fields, clean, on the loop."""
        self._fd = stream.fileno()
        self._now = now
        self._waiting: deque[bytes] = deque()
        # Bytes that came and went: each thread writes one of the two, so no lock is needed.
        self._came = 0
        self._went = 0
        self._some = threading.Event()
        self._closing = False
        self._broken = False
        self._gap = 0
        self._head = Head(-1, "0" * 64)
        self.dropped = 0
        """Events lost so far, because nobody read the pipe fast enough."""
        self._thread = threading.Thread(target=self._write_on, name="audit", daemon=True)
        self._thread.start()
        self.event(event="chain.start", pod=pod, podUid=pod_uid, version=version, pid=os.getpid())

    @property
    def head(self) -> Head:
        return self._head

    @property
    def full(self) -> bool:
        """Nobody reads it fast enough, or at all: what begins now may go unrecorded.  A quarter is
        left to what has begun."""
        return self._broken or self._came - self._went > BUFFER_BYTES * 3 // 4

    def new_id(self) -> str:
        """For a refusal that must tell its id before its event is complete."""
        return new_id(self._now())

    def event(self, **fields: Field) -> str:
        """Leave one event for the writer.  `id` may be given; returns it."""
        now = self._now()
        given = fields.pop("id", None)
        name = given if isinstance(given, str) else new_id(now)
        body: dict[str, Field] = {"id": name, "time": _timestamp(now), **fields}
        for key, value in fields.items():
            # Inline for the common case: this runs for each field of each call.
            if not isinstance(value, str):
                body[key] = _clean(value)
            elif len(value) > LONGEST_STRING or not value.isprintable():
                body[key] = clean_text(value)
        if self._gap:
            body["dropped"] = self._gap
        raw = orjson.dumps(body)
        if self.on_refusal is not None and fields.get("event") == "refusal":
            self.on_refusal(body)
        if self._broken or self._came - self._went + len(raw) > BUFFER_BYTES:
            self._gap += 1
            self.dropped += 1
            return name
        self._gap = 0
        self._came += len(raw)
        self._waiting.append(raw)
        if not self._some.is_set():
            self._some.set()
        return name

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, for a bounded time."""
        self._closing = True
        self._some.set()
        self._thread.join(seconds)

    def _write_on(self) -> None:
        while True:
            self._some.wait()
            if not self._closing:
                time.sleep(GATHER_SECONDS)
            self._some.clear()
            while self._waiting:
                lines, head = self._take()
                try:
                    self._write(b"".join(lines))
                except OSError:
                    # The reader is gone for good: from here on every event counts as dropped.
                    self._broken = True
                    self.dropped += len(lines) + len(self._waiting)
                    return
                self._head = head
            if self._closing and not self._waiting:
                return

    def _take(self) -> tuple[list[bytes], Head]:
        """Number and chain what waits, a batch at most."""
        seq, digest = self._head
        lines: list[bytes] = []
        while self._waiting and len(lines) < BATCH_LINES:
            body = self._waiting.popleft()
            self._went += len(body)
            seq += 1
            line = b'{"seq":%d,"prev":"%b",%b' % (seq, digest.encode(), body[1:])
            digest = sha256(line).hexdigest()
            lines.append(line + b"\n")
        return lines, Head(seq, digest)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                # Somebody made the shared pipe non-blocking; this thread may wait, the loop not.
                select.select([], [self._fd], [], 1.0)


def new_id(now: float) -> str:
    """26 characters that sort by time: 48 bits of milliseconds, 80 of chance (a ULID)."""
    chance = _chance.take()
    return (
        _time_digits(int(now * 1000))
        + _PAIRS[chance >> 70]
        + _PAIRS[chance >> 60 & 1023]
        + _PAIRS[chance >> 50 & 1023]
        + _PAIRS[chance >> 40 & 1023]
        + _PAIRS[chance >> 30 & 1023]
        + _PAIRS[chance >> 20 & 1023]
        + _PAIRS[chance >> 10 & 1023]
        + _PAIRS[chance & 1023]
    )


class _Chance:
    """Random numbers of 80 bits; the kernel is asked for a hundred at a time."""

    def __init__(self) -> None:
        self._left: list[int] = []

    def take(self) -> int:
        try:
            return self._left.pop()
        except IndexError:
            raw = os.urandom(1000)
            self._left = [int.from_bytes(raw[at : at + 10], "big") for at in range(0, 1000, 10)]
            return self._left.pop()


_chance: Final = _Chance()


@lru_cache(maxsize=1)
def _time_digits(milliseconds: int) -> str:
    pairs = [milliseconds >> shift & 1023 for shift in (40, 30, 20, 10, 0)]
    return "".join([_PAIRS[pair] for pair in pairs])


def _timestamp(now: float) -> str:
    seconds = int(now)
    return f"{_to_the_second(seconds)}.{int((now - seconds) * 1_000_000):06d}Z"


@lru_cache(maxsize=1)
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _clean(value: Field) -> Field:
    if isinstance(value, LateText):
        return clean_text(value.text, value.longest)
    if isinstance(value, list | tuple):
        return [clean_text(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return min(max(value, -LARGEST_NUMBER - 1), LARGEST_NUMBER)
    return value


def clean_text(text: str, longest: int = LONGEST_STRING) -> str:
    """Cut, and without control, direction and other invisible characters."""
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isprintable():
        return text
    return "".join(character for character in text if character.isprintable())
