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
from base64 import b32encode
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import BinaryIO, Final, NamedTuple

import orjson

BUFFER_BYTES: Final = 4 * 1024 * 1024
LONGEST_STRING: Final = 256
"""Characters of any string that came from outside."""
GATHER_SECONDS: Final = 0.002
"""The writer lets a burst gather: one system call for many lines."""
BATCH_LINES: Final = 512

_DIGITS: Final = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CROCKFORD: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _DIGITS)

Field = str | int | float | bool | None | Sequence[str]


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
        self._fd = stream.fileno()
        self._now = now
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._closing = False
        self._broken = False
        self._dropped_since = 0
        self._head = Head(-1, "0" * 64)
        self.dropped = 0
        """Events lost so far, because nobody read the pipe fast enough."""
        self._thread = threading.Thread(target=self._write_on, name="audit", daemon=True)
        self._thread.start()
        self.event(event="chain.start", pod=pod, podUid=pod_uid, version=version, pid=os.getpid())

    @property
    def head(self) -> Head:
        return self._head

    def new_id(self) -> str:
        """For a refusal that must tell its id before its event is complete."""
        return new_id(self._now())

    def event(self, **fields: Field) -> str:
        """Leave one event for the writer.  `id` may be given; returns it."""
        now = self._now()
        given = fields.pop("id", None)
        name = given if isinstance(given, str) else new_id(now)
        body: dict[str, Field] = {"id": name, "time": _timestamp(now)}
        for key, value in fields.items():
            body[key] = _clean(value)
        raw = orjson.dumps(body)
        with self._lock:
            if self._broken or self._waiting_bytes + len(raw) > BUFFER_BYTES:
                self.dropped += 1
                self._dropped_since += 1
                return name
            self._waiting.append(raw)
            self._waiting_bytes += len(raw)
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
            while batch := self._take():
                try:
                    self._write(b"".join(batch))
                except OSError:
                    # The reader is gone for good: from here on every event counts as dropped.
                    self._give_up(len(batch))
                    return
            if self._closing and not self._waiting:
                return

    def _give_up(self, lost: int) -> None:
        with self._lock:
            self._broken = True
            self.dropped += lost + len(self._waiting)
            self._waiting.clear()

    def _take(self) -> list[bytes]:
        with self._lock:
            count = min(len(self._waiting), BATCH_LINES)
            bodies = [self._waiting.popleft() for _ in range(count)]
            self._waiting_bytes -= sum(map(len, bodies))
            dropped = self._dropped_since if bodies else 0
            self._dropped_since -= dropped
        lines = []
        seq, digest = self._head
        for body in bodies:
            seq += 1
            gap = b'"dropped":%d,' % dropped if dropped else b""
            dropped = 0
            line = b'{"seq":%d,"prev":"%b",%b%b' % (seq, digest.encode(), gap, body[1:])
            digest = sha256(line).hexdigest()
            lines.append(line + b"\n")
        self._head = Head(seq, digest)
        return lines

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
    chance = b32encode(os.urandom(10)).translate(_CROCKFORD).decode()
    return _time_digits(int(now * 1000)) + chance


@lru_cache(maxsize=1)
def _time_digits(milliseconds: int) -> str:
    digits = bytearray(10)
    for place in range(9, -1, -1):
        digits[place] = _DIGITS[milliseconds & 31]
        milliseconds >>= 5
    return digits.decode()


def _timestamp(now: float) -> str:
    seconds = int(now)
    return f"{_to_the_second(seconds)}.{int((now - seconds) * 1_000_000):06d}Z"


@lru_cache(maxsize=1)
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _clean(value: Field) -> Field:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Sequence):
        return [clean_text(item) for item in value]
    return value


def clean_text(text: str, longest: int = LONGEST_STRING) -> str:
    """Cut, and without control, direction and other invisible characters."""
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isprintable():
        return text
    return "".join(character for character in text if character.isprintable())
