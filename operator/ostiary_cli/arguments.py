"""`key=value` words as a tool's arguments, typed by the tool's own schema.

Turns words into JSON values only; whether the tool takes them is the server's to say.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_READERS: Final[tuple[tuple[str, Callable[[str], Any]], ...]] = (
    ("null", {"null": None}.__getitem__),
    ("boolean", {"true": True, "false": False}.__getitem__),
    ("integer", int),
    ("number", float),
    ("object", json.loads),
    ("array", json.loads),
)
"""How a word becomes a value of each JSON type; the first that can, wins."""


@dataclass(frozen=True, slots=True)
class Unusable:
    message: str


def read_arguments(
    pairs: Sequence[str], given: str | None, schema: Mapping[str, Any]
) -> dict[str, Any] | Unusable:
    """`given` is a JSON object; the pairs stand over its fields."""
    arguments: dict[str, Any] = {}
    if given is not None:
        try:
            parsed = json.loads(given)
        except ValueError as err:
            return Unusable(f"--json is not JSON: {err}")
        if not isinstance(parsed, dict):
            return Unusable('--json must be an object, for example --json \'{"timezone": "UTC"}\'')
        arguments = parsed
    properties = schema.get("properties") or {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            return Unusable(f"{pair!r} is no argument: write key=value")
        value = _typed(text, _types(properties.get(key), schema))
        if isinstance(value, Unusable):
            return Unusable(f"{key}={text}: {value.message}")
        arguments[key] = value
    return arguments


def _types(schema: Any, root: Mapping[str, Any]) -> frozenset[str]:
    """Every JSON type that the schema admits; empty: it does not say."""
    if not isinstance(schema, Mapping):
        return frozenset()
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        inner = (root.get("$defs") or root.get("definitions") or {}).get(name)
        return _types(inner, {**root, "$defs": {}, "definitions": {}}) | _enum(inner)
    named = schema.get("type")
    found = {named} if isinstance(named, str) else {str(item) for item in named or ()}
    for key in ("anyOf", "oneOf"):
        for option in schema.get(key) or ():
            found |= _types(option, root)
    return frozenset(found) | _enum(schema)


def _enum(schema: Any) -> frozenset[str]:
    values = schema.get("enum") if isinstance(schema, Mapping) else None
    texts = any(isinstance(value, str) for value in values or ())
    return frozenset({"string"}) if texts else frozenset()


def _typed(text: str, types: frozenset[str]) -> Any:
    """As what the schema wants, text last: a number only becomes one where one is wanted."""
    for kind, read in _READERS:
        if kind in types:
            try:
                return read(text)
            except (ValueError, KeyError):
                continue
    if "string" in types or not types:
        return text
    if types & {"object", "array"}:
        return Unusable('this wants JSON, for example [1, 2] or {"a": 1}')
    return Unusable(f"this wants {' or '.join(sorted(types))}")
