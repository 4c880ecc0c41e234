"""`x-mcp-header` in a tool's input schema: is every annotation one that a client may follow?

Pure.  A modern client must drop a tool that has a bad one, and we are its server's client.  A
schema is walked by its keywords, so that data which only looks like an annotation is none, and
references are never followed.
"""

import re
from collections.abc import Iterator
from typing import Final

from ostiary_proxy.message import Json

KEY: Final = "x-mcp-header"

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


def flaw(schema: object) -> str:
    """What is wrong with an annotation; empty when nothing is."""
    seen: set[str] = set()
    for place, reachable in _places(schema):
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
    for key in _ONE:
        yield place.get(key)
    for key in _LISTED:
        value = place.get(key)
        yield from value if isinstance(value, list) else ()
    for key in _NAMED:
        value = place.get(key)
        yield from value.values() if isinstance(value, dict) else ()
