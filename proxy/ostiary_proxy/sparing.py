"""A warning that a server may give again and again: said once a minute for each server, with how
often it was left out since.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

SECONDS: Final = 60.0
SERVERS: Final = 1024
"""Remembered; the one that was said first is forgotten first, and so said again."""
LONGEST_QUOTE: Final = 120


@dataclass(slots=True)
class _Said:
    at: float
    left_out: int = 0


class Sparing:
    """`warn` at will."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._log = log
        self._clock = clock
        self._said: dict[str, _Said] = {}

    def warn(self, server: str, sentence: str) -> None:
        now = self._clock()
        said = self._said.get(server)
        if said is not None and now - said.at < SECONDS:
            said.left_out += 1
            return
        more = f" ({said.left_out} more since then)" if said is not None and said.left_out else ""
        self._said.pop(server, None)
        if len(self._said) >= SERVERS:
            del self._said[next(iter(self._said))]
        self._said[server] = _Said(now)
        self._log.warning("server=%s %s%s", server, sentence, more)


def quoted(line: bytes) -> str:
    """The beginning of a server's line, on one line of ours."""
    text = line[: 4 * LONGEST_QUOTE].decode(errors="replace").strip()
    return "".join(filter(str.isprintable, text))[:LONGEST_QUOTE]
