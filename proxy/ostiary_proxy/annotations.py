"""`x-mcp-header` in a tool's input schema: is every annotation one that a client may follow?

Pure.  A modern client must drop a tool that has a bad one, and we are its server's client.  A
schema is walked by its keywords, so that data which only looks like an annotation is none, and
references are never followed.
"""

import re
from collections.abc import Iterator
from typing import Final

from ostiary_proxy.message import Json, encode, is_shallow

KEY: Final = "x-mcp-header"
SCHEMAS: Final = 4096
"""Within one: a larger one with annotations is not walked to its end, and so has a flaw."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TYPES: Final = frozenset({"string", "integer", "boolean"})
_ONE: Final = (
    "items",
    "contains",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "propertyNames",
    "contentSchema",
    "not",
    "if",
    "then",
    "else",
)
"""Keywords whose value is a schema."""
_LISTED: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED: Final = ("patternProperties", "dependentSchemas", "$defs", "definitions")
_WITHIN: Final = frozenset({*_ONE, *_LISTED, *_NAMED})


def bears(schema: object) -> bool:
    """May there be an annotation at all?  Asked of the C writer, which costs no walk."""
    if not isinstance(schema, dict):
        return False
    return not is_shallow(schema) or KEY.encode() in encode(schema)


def flaw(schema: object) -> str:
    """What is wrong with an annotation; empty when nothing is."""
    seen: set[str] = set()
    for number, (place, reachable) in enumerate(_places(schema) if bears(schema) else ()):
        if number == SCHEMAS:
            return f"{KEY} stands in a schema of more than {SCHEMAS}"
        if KEY not in place:
            continue
        header = place[KEY]
        if not reachable:
            return f"{KEY} stands where only a chain of properties may lead"
        if not isinstance(header, str) or not _TOKEN.fullmatch(header):
            return f"{KEY} is no header name"
        if not isinstance(place.get("type"), str) or place["type"] not in _TYPES:
            return f"{KEY} stands at a property that is no string, integer or boolean"
        if header.lower() in seen:
            return f"{KEY} names one header twice"
        seen.add(header.lower())
    return ""


def _places(schema: object) -> Iterator[tuple[Json, bool]]:
    """Every schema within, and whether nothing but `properties` leads to it."""
    waiting: list[tuple[object, bool, bool]] = [(schema, True, True)]
    while waiting:
        place, chained, root = waiting.pop()
        if not isinstance(place, dict):
            continue
        yield place, chained and not root
        properties = place.get("properties")
        if isinstance(properties, dict):
            waiting += [(inner, chained, False) for inner in properties.values()]
        waiting += [(inner, False, False) for inner in _others(place)]


def _others(place: Json) -> Iterator[object]:
    """By the keys that are there: most schemas have few of the keywords."""
    for key, value in place.items():
        if key not in _WITHIN:
            continue
        if key in _ONE:
            yield value
        elif key in _LISTED:
            yield from value if isinstance(value, list) else ()
        else:
            yield from value.values() if isinstance(value, dict) else ()
