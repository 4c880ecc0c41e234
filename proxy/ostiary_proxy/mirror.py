"""Arguments of a tool that headers repeat, for a client whose own requests bear no such headers.

Pure.  A tool whose annotations are flawed has none: a modern client would not see it at all.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ostiary_proxy.annotations import KEY, bears, flaw
from ostiary_proxy.era import encode_value
from ostiary_proxy.message import Json, Message

Headers = tuple[tuple[bytes, bytes], ...]
PREFIX: Final = b"mcp-param-"
MOST: Final = 64
"""Mirrored arguments of one tool."""


@dataclass(frozen=True, slots=True)
class Mirror:
    header: bytes
    path: tuple[str, ...]
    """Keys that lead to the argument."""


def mirrors(tools: Iterable[Json]) -> dict[str, tuple[Mirror, ...]]:
    """By name, for those tools that have any."""
    found: dict[str, tuple[Mirror, ...]] = {}
    for tool in tools:
        name, schema = tool.get("name"), tool.get("inputSchema")
        if not isinstance(name, str) or not bears(schema) or flaw(schema):
            continue
        mirrored = tuple(_annotated(schema, ()))[:MOST]
        if mirrored:
            found[name] = mirrored
    return found


def _annotated(schema: object, path: tuple[str, ...]) -> Iterator[Mirror]:
    if not isinstance(schema, dict):
        return
    header = schema.get(KEY)
    if path and isinstance(header, str):
        yield Mirror(PREFIX + header.lower().encode(), path)
    properties = schema.get("properties")
    if isinstance(properties, dict):
        for key, inner in properties.items():
            yield from _annotated(inner, (*path, key))


def headers(mirrored: Iterable[Mirror], arguments: object) -> Iterator[tuple[bytes, bytes]]:
    """What a call with these arguments bears; an absent argument and a null have no header."""
    for mirror in mirrored:
        value = argument(arguments, mirror.path)
        if isinstance(value, bool):
            yield mirror.header, b"true" if value else b"false"
        elif isinstance(value, int):
            yield mirror.header, str(value).encode()
        elif isinstance(value, str):
            yield mirror.header, encode_value(value)


def argument(value: object, path: tuple[str, ...]) -> object:
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def written(mirrored: Mapping[str, tuple[Mirror, ...]], message: Message) -> Headers:
    """Those of a message whose transport has no headers; `mirrored`: by tool."""
    name = message.params.get("name")
    if message.method != "tools/call" or not isinstance(name, str):
        return ()
    return tuple(headers(mirrored.get(name, ()), message.params.get("arguments")))
