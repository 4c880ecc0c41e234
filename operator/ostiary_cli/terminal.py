"""Text from elsewhere, made safe for a terminal.  Changes what is shown, never what is sent."""

import re
import sys
from typing import Final, TextIO

_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\U000e0000-\U000e007f]"
)
"""Control characters (escape sequences begin with one), what turns the direction of text, and what
is not seen at all."""


def shown(text: str) -> str:
    """A server names its tools itself: nothing that it says may move the cursor."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """A cell of a table: what it says may begin no line of its own."""
    return shown(" ".join(text.split()))


def say(*lines: str) -> None:
    """What was asked for."""
    _print(lines, sys.stdout)


def tell(*lines: str) -> None:
    """News beside it."""
    _print(lines, sys.stderr)


def _print(lines: tuple[str, ...], out: TextIO) -> None:
    for line in lines:
        print(shown(line), file=out)
    out.flush()
