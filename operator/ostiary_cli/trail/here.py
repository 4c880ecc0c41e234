"""The audit trail of `ostiary up`: a file in the folder, and a line on the terminal for a refusal.

The file is the proxy's own output, chained as everywhere; the line is for whoever wonders right now
why something does not work.
"""

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from .words import short

NAME: Final = "audit.jsonl"
LARGEST_BYTES: Final = 64 * 1024 * 1024
"""A longer file makes way for a new one at the next start; one old one is kept."""
AGAIN_SECONDS: Final = 10.0
"""A client that tries again and again is told of once in this time."""
MOST_REMEMBERED: Final = 256


def trail_of(folder: Path) -> Path:
    return folder / ".ostiary" / NAME


def open_trail(folder: Path) -> BinaryIO:
    """To be appended to; nobody else on this machine may read it.  Raises OSError."""
    path = trail_of(folder)
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LARGEST_BYTES:
            path.replace(path.with_suffix(".1.jsonl"))
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    return os.fdopen(handle, "ab", buffering=0)


class Refusals:
    """Tells of refusals, sparingly."""

    def __init__(
        self,
        folder: Path,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder`: as the person at the keyboard named it."""
        self._folder, self._tell, self._clock = folder, tell, clock
        self._told: dict[tuple[str, ...], float] = {}

    def __call__(self, line: Mapping[str, Any]) -> None:
        keys = ("subject", "server", "method", "name", "reason")
        about = tuple(str(line.get(key, "")) for key in keys)
        now = self._clock()
        if now - self._told.get(about, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return
        if len(self._told) >= MOST_REMEMBERED:
            self._told.clear()
        self._told[about] = now
        self._tell(f"{short(line)} (ostiary why {line.get('id')} -f {self._folder})")
