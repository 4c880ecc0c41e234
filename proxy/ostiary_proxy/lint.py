"""Tools that speak to the model as published attacks do: hidden text, orders, too much.

Pure, and a help for people, no wall: what is found is said, and nothing is decided by it.  Names
and texts of a finding come from the server and are shown escaped.  No pattern takes more than
linear time.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from ostiary_proxy.config import SuspectReport
from ostiary_proxy.message import Json

LONGEST_DESCRIPTION: Final = 8192
"""Characters of a tool's description that no honest one was seen to need."""
MOST_READ: Final = 16 * 1024
"""Characters of one tool that are read, and so at a time: the loop must not be held."""
MOST_READ_IN_ALL: Final = 256 * 1024
"""Of all tools of a server."""
MOST_SUSPECTS: Final = 32
MOST_FINDINGS: Final = 4
LONGEST_NAME: Final = 64
_QUOTED: Final = 80
_FIELDS: Final = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")

_TAG: Final = "\U000e0000-\U000e007f"
_HIDDEN: Final = (
    # After a black flag they are a flag of a region, which takes at most seven.
    ("Unicode tag characters", re.compile(f"(?<![\U0001f3f4{_TAG}])[{_TAG}]{{2}}|[{_TAG}]{{9}}")),
    ("bidirectional controls", re.compile("[\u202a-\u202e\u2066-\u2069]")),
    (
        "zero-width characters",
        re.compile("[\u200b\u2060-\u2064\ufeff\u00ad]|[ -~][\u200c\u200d]{1,64}[ -~]"),
    ),
    ("variation selectors in a row", re.compile("[\U000e0100-\U000e01ef]|[\ufe00-\ufe0f]{2}")),
    ("control characters", re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")),
)
_TAGS: Final = re.compile(
    r"<\s?/?(important|system|secret|instructions?|critical|hidden|admin)\s?>"
    r"|\[/?(inst|system)\]|<\|im_(start|end)\|>",
    re.IGNORECASE,
)
_SENTENCE: Final = re.compile(r"[;!?\n]|\.(?=\s)")


def _all(*words: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rf"\b(?:{one})\b", re.IGNORECASE) for one in words)


_ORDERS: Final = (
    (
        "an order to ignore instructions",
        _all(
            "ignore|disregard|forget|override|bypass",
            "previous|prior|earlier|above|preceding|other|existing|system|all|your",
            "instructions?|prompts?|directives|guidelines|guardrails",
        ),
    ),
    (
        "an order to keep something from the user",
        _all(
            "do not|don't|never|must not|without|avoid|hide|conceal",
            "tell|telling|inform|informing|notify|notifying|mention|mentioning|alert|alerting"
            "|reveal|revealing|disclose|disclosing|hide|conceal",
            "users?|humans?",
        ),
    ),
    (
        "a path of credentials",
        (re.compile(r"~/\.(?:ssh|aws|kube|cursor|netrc)|\bid_rsa\b|/etc/shadow"),),
    ),
    (
        "rules for the use of other tools",
        _all(
            "any other|all other|another|every other|other|every|all",
            "tools?",
            "before|after|whenever|instead of|when|if|each time",
            "must|always|bcc|redirect|never use|mandatory|required to",
        ),
    ),
    (
        "an order about another tool's arguments",
        _all(
            "tools?",
            "when|whenever|if|once",
            "bcc|recipients?|send all|redirect|change",
            "must|always|instead|all",
        ),
    ),
    (
        "an order to hand over what the tool has no need of",
        _all(
            "pass|put|include|append|copy|insert|provide|read|send",
            "conversation history|chat history|entire conversation|full conversation|system prompt"
            "|api keys|private keys?|credentials|passwords",
            "parameter|argument|field|sidenote|context|content|as the|into|in this",
            "must|always|before|first|necessary|required|full|entire|all",
        ),
    ),
)


class Lint:
    """Of one server's tools, one after the other."""

    def __init__(self) -> None:
        self._found: list[SuspectReport] = []
        self._left = MOST_READ_IN_ALL

    @property
    def suspects(self) -> tuple[SuspectReport, ...]:
        """The first `MOST_SUSPECTS`."""
        return tuple(self._found)

    def read(self, tool: Json) -> int:
        """`tool` has a name; how many characters were read."""
        text, steps = _text(tool, min(self._left, MOST_READ))
        self._left -= steps
        findings = tuple(dict.fromkeys(_findings(tool, text)))[:MOST_FINDINGS]
        if findings and len(self._found) < MOST_SUSPECTS:
            name = _plain(tool["name"], LONGEST_NAME)
            self._found.append(SuspectReport(name=name, findings=findings))
        return steps


def _findings(tool: Json, text: str) -> Iterator[str]:
    description = tool.get("description")
    if isinstance(description, str) and len(description) > LONGEST_DESCRIPTION:
        yield f"a description of more than {LONGEST_DESCRIPTION} characters"
    for what, pattern in _HIDDEN:
        if pattern.search(text):
            yield what
    tag = _TAGS.search(text)
    if tag:
        yield f"a tag as prompts bear: {_plain(tag.group(), _QUOTED)}"
    likely = [(what, words) for what, words in _ORDERS if _has(text, words)]
    for sentence in _SENTENCE.split(text) if likely else ():
        for what, words in likely:
            if _has(sentence, words):
                yield f"{what}: {_plain(sentence.strip(), _QUOTED)}"


def _has(text: str, words: tuple[re.Pattern[str], ...]) -> bool:
    return all(word.search(text) for word in words)


def _text(tool: Json, most: int) -> tuple[str, int]:
    """All that a model may be shown, one text to a line, as far as it is read; and what reading it
    cost: a character for each value beside the texts' own."""
    found: list[str] = []
    left = most
    waiting: list[object] = [tool.get(key) for key in reversed(_FIELDS)]
    while waiting and left > 0:
        value = waiting.pop()
        left -= 1
        if isinstance(value, str):
            found.append(value[:left])
            left -= len(found[-1])
        elif isinstance(value, dict):
            for key, inner in islice(value.items(), left):
                waiting += (inner, key)
        elif isinstance(value, list):
            waiting += value[:left]
    return "\n".join(found), most - left


def _plain(text: str, most: int) -> str:
    """In printable ASCII, cut."""
    written = text[:most].encode("unicode_escape").decode("ascii")
    return written if len(written) <= most else f"{written[: most - 3]}..."
