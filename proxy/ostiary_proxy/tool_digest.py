"""What a model is told of a tool, as one digest, which any change of it changes.  Pure."""

from hashlib import sha256
from typing import Final

import orjson

from ostiary_proxy.config import Effect, ToolReport
from ostiary_proxy.message import Json, encode

TOLD: Final = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
"""Fields of a tool that the digest covers; one that is absent is as one that is null."""
_HINTS: Final[tuple[tuple[str, Effect], ...]] = (
    ("readOnlyHint", "ReadOnly"),
    ("idempotentHint", "Idempotent"),
    ("destructiveHint", "Destructive"),
    ("openWorldHint", "OpenWorld"),
)


def report(tool: Json) -> ToolReport:
    """Its name and digest, whatever order its keys came in; `tool` has a name that is a text."""
    return ToolReport(name=tool["name"], digest=digest(tool))


def digest(tool: Json) -> str:
    """`sha256:<hex>`"""
    told = {key: tool.get(key) for key in TOLD}
    return f"sha256:{sha256(canonical(told)).hexdigest()}"


def whole(reports: tuple[ToolReport, ...]) -> str:
    """Of all tools, whatever order they came in."""
    pairs = sorted((tool.name, tool.digest) for tool in reports)
    return f"sha256:{sha256(encode(pairs)).hexdigest()}"


def twin(tool: Json) -> str:
    """The digest that the tool has on its way to a client of the handshake era, where the bridge
    leaves out an output schema that is no object's; empty when it is the same."""
    schema = tool.get("outputSchema")
    if schema is None or (isinstance(schema, dict) and schema.get("type") == "object"):
        return ""
    return digest({**tool, "outputSchema": None})


def hints(tool: Json) -> tuple[Effect, ...]:
    """The effects that the tool's own annotations claim, in so many words: no default counts."""
    annotations = tool.get("annotations")
    if not isinstance(annotations, dict):
        return ()
    return tuple(effect for hint, effect in _HINTS if annotations.get(hint) is True)


def canonical(value: object) -> bytes:
    """Sorted by the C writer, whose order of UTF-8 bytes is that of the characters: a walk in
    Python would hold the loop for a large tool."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return encode(_sorted(value))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value
