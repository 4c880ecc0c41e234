"""Two tools in place of hundreds: one that finds what the caller may use, and one that calls it.

For groups whose list would fill a model's context.  The texts are other people's, and so is the
query: of both only so much is read, and a long list in turns.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nsmallest
from math import log
from typing import Final, NamedTuple

from ostiary_proxy.group_shapes import CALL as CALL
from ostiary_proxy.group_shapes import FIND as FIND
from ostiary_proxy.group_shapes import SEARCH_TOOLS as TOOLS
from ostiary_proxy.message import Json

LIMIT: Final = 10
"""Tools in one answer, where the query does not say."""
MOST: Final = 50
WORDS: Final = 32
"""Of a query that count."""
LONGEST_QUERY: Final = 1024
LONGEST_TEXT: Final = 1024
"""Characters of a description that are read."""
TERMS: Final = 128
"""Words of one tool that count."""
A_TURN: Final = 50
"""Tools that are read before others have their turn."""

NAME_WEIGHT: Final = 4
"""A word of the name counts for so many of the description."""
REPEATED: Final = 2
"""Of a description no word counts more often, lest a tool make itself found by saying it."""
_SATURATION: Final = 1.2
_LENGTH: Final = 0.6
"""BM25's k1 and b."""
_STARTS: Final = 3
"""Letters from which on the beginning of a word stands for it, at half its worth."""

_WORD: Final = re.compile(r"[^\W_]+")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

DEFINITIONS: Final[tuple[Json, ...]] = (
    {
        "name": FIND,
        "title": "Find tools",
        "description": (
            "Search the tools that you may use here. They are not all listed: search before you "
            "say that something cannot be done. Describe the task in a few words, for example "
            '"create calendar event" or "list open pull requests". The answer holds the best '
            f"matches with their input schemas; call one of them with {CALL}. An empty query lists "
            "the first tools by name. If nothing fits, try other words."
        ),
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": {
                    "type": "string",
                    "description": "What the tool should do, in a few words.",
                },
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MOST,
                    "default": LIMIT,
                    "description": "How many tools to show at most.",
                },
            },
            "required": ["query"],
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
    },
    {
        "name": CALL,
        "title": "Call a tool",
        "description": (
            f"Call one tool that {FIND} showed. `name` is the tool's name exactly as it was shown; "
            "`arguments` must match its inputSchema. The answer is the tool's own."
        ),
        "inputSchema": {
            "type": "object",
            "properties": {
                "name": {
                    "type": "string",
                    "description": f"The name of the tool, as {FIND} shows it.",
                },
                "arguments": {
                    "type": "object",
                    "description": "The arguments, as the tool's inputSchema has them.",
                },
            },
            "required": ["name"],
            "additionalProperties": False,
        },
    },
)


@dataclass(frozen=True, slots=True)
class Query:
    """What `find_tools` is asked."""

    text: str
    limit: int


def asked(arguments: object) -> Query | str:
    """A sentence for the model where that is no question."""
    if not isinstance(arguments, dict) or not isinstance(arguments.get("query"), str):
        return f"{FIND} needs `query`: what the tool should do, in a few words."
    limit = arguments.get("limit", LIMIT)
    if isinstance(limit, float) and limit.is_integer():
        limit = int(limit)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST:
        return f"`limit` is a whole number from 1 to {MOST}."
    return Query(arguments["query"], limit)


def unwrap(params: Json) -> Json | str:
    """The params of the call that a call of `call_tool` is for; a sentence for the model where it
    is for none.  All else that the params hold (progress, answers) is of that call too."""
    wrapped = params.get("arguments")
    name = wrapped.get("name") if isinstance(wrapped, dict) else None
    if not isinstance(wrapped, dict) or not isinstance(name, str) or not name:
        return f"{CALL} needs `name`: the name of a tool as {FIND} shows it."
    if name in TOOLS:
        return f"{CALL} calls the tools that {FIND} shows; {FIND} itself is called by its own name."
    if not wrapped.keys() <= {"name", "arguments"}:
        return f"{CALL} takes `name` and `arguments`: what the tool takes belongs in `arguments`."
    inner = wrapped.get("arguments")
    if inner is not None and not isinstance(inner, dict):
        return "`arguments` must be an object, as the tool's inputSchema has it."
    kept = {key: value for key, value in params.items() if key not in ("name", "arguments")}
    return {**kept, "name": name, "arguments": inner or {}}


async def search(query: str, items: Iterable[tuple[str, str]], limit: int) -> tuple[str, ...]:
    """The names of the best, best first.  `items`: (name, description), each name once.

    The same for the same items, whatever order they come in.
    """
    wanted = tuple(dict.fromkeys(_words(query[:LONGEST_QUERY])))[:WORDS]
    if not wanted:
        return tuple(sorted(name for name, _ in items)[:limit])
    found: list[_Found] = []
    count = total = 0
    for name, description in items:
        count += 1
        if count % A_TURN == 0:
            await asyncio.sleep(0)
        told = description[:LONGEST_TEXT]
        total += len(name) + len(told)
        hits = _hits(wanted, name, told)
        if hits:
            found.append(_Found(name, hits, len(name) + len(told)))
    having = Counter(word for one in found for word in one.hits)
    worth = {word: log(1 + (count - n + 0.5) / (n + 0.5)) for word, n in having.items()}
    usual = total / max(1, count)
    ranked = ((-_score(one, worth, usual), one.name) for one in found)
    return tuple(name for _, name in nsmallest(limit, ranked))


class _Found(NamedTuple):
    name: str
    hits: dict[str, float]
    """How often each word of the query counts."""
    size: int


def _score(found: _Found, worth: dict[str, float], usual: float) -> float:
    damped = _SATURATION * (1 - _LENGTH + _LENGTH * found.size / usual)
    score = sum(
        worth[word] * hit * (_SATURATION + 1) / (hit + damped) for word, hit in found.hits.items()
    )
    # The last digits depend on the order of the sum: ties are to be ties.
    return round(score, 6)


def _hits(wanted: tuple[str, ...], name: str, told: str) -> dict[str, float]:
    text = f"{name} {told}".lower()
    # Most tools have nothing to do with it: no word of theirs begins as one of these does.
    near = [word for word in wanted if word[:_STARTS] in text]
    if not near:
        return {}
    terms = Counter(_WORD.findall(told.lower())[:TERMS])
    for word, count in terms.items():
        terms[word] = min(count, REPEATED)
    for word in _words(name)[:TERMS]:
        terms[word] += NAME_WEIGHT
    return {word: hit for word in near if (hit := _hit(word, terms)) > 0}


def _hit(word: str, terms: Counter[str]) -> float:
    """How often the word counts; else, by half, any of which either is the beginning."""
    exact = terms.get(word, 0)
    if exact or len(word) < _STARTS:
        return exact
    near = (
        count
        for term, count in terms.items()
        if len(term) >= _STARTS and (term.startswith(word) or word.startswith(term))
    )
    return max(near, default=0) / 2


def _words(text: str) -> list[str]:
    """In lower case; parted at what is no letter or digit, and where a name has its humps."""
    return [
        part.lower()
        for word in _WORD.findall(text)
        for part in ((word,) if word.islower() else _HUMP.split(word))
    ]
