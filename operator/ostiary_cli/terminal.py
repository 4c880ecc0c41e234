"""Text from elsewhere, made safe for a terminal.  Changes what is shown, never what is sent."""

import re
from typing import Final

_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters (escape sequences begin with one) and what turns the direction of text."""


def shown(text: str) -> str:
    """A server names its tools itself: nothing that it says may move the cursor."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))
