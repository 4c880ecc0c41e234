"""Keys that another parser may take for one another: by case, by width, by a NUL.  Pure.

Only where a key decides something: the envelope, `params`, and the objects within it that say what
a request is about.  What is inside `arguments` belongs to the tool.
"""

import unicodedata
from collections.abc import Iterator
from typing import Any, Final

KEYS: Final = 1024
"""Keys of one such object, which are looked at one by one."""
LONGEST_KEY: Final = 256
FOREIGN: Final = 4096
"""Characters, in all, of keys that are not ASCII: to fold one costs the square of its length."""

_ENVELOPE: Final = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_PARAMS: Final = frozenset({"name", "uri", "_meta", "arguments", "cursor", "ref"}) | {
    *("requestId", "taskId", "notifications", "inputResponses", "requestState"),
}
_REF: Final = frozenset({"type", "name", "uri"})
_NOTIFICATIONS: Final = frozenset({"resourceSubscriptions", "taskIds"}) | {
    *("toolsListChanged", "promptsListChanged", "resourcesListChanged"),
}
_META: Final = frozenset(
    {
        "progressToken",
        "io.modelcontextprotocol/protocolVersion",
        "io.modelcontextprotocol/clientCapabilities",
        "io.modelcontextprotocol/clientInfo",
        "io.modelcontextprotocol/logLevel",
    }
)


def unclear(data: dict[str, Any]) -> str:
    """What is wrong with the keys of a message, in a sentence; empty when nothing is."""
    for where, value, names in _deciding(data):
        if isinstance(value, dict) and not value.keys() <= names:
            if _is_too_much(value):
                return f"The keys of {where} are too many or too long."
            if _has_twins(value, names):
                return f"Two keys of {where} may be taken for one another."
    return ""


def unclear_item(item: dict[str, Any], key: str) -> bool:
    """May a client's parser read another `key` in this than ours does?"""
    return _is_too_much(item) or _has_twins(item, frozenset({key}))


def _deciding(data: dict[str, Any]) -> Iterator[tuple[str, Any, frozenset[str]]]:
    yield "the message", data, _ENVELOPE
    params = data.get("params")
    if isinstance(params, dict):
        yield "params", params, _PARAMS
        yield "params._meta", params.get("_meta"), _META
        yield "params.ref", params.get("ref"), _REF
        yield "params.notifications", params.get("notifications"), _NOTIFICATIONS


def _is_too_much(value: dict[str, Any]) -> bool:
    if len(value) > KEYS or any(len(key) > LONGEST_KEY for key in value):
        return True
    return sum(len(key) for key in value if not key.isascii()) > FOREIGN


def _has_twins(value: dict[str, Any], names: frozenset[str]) -> bool:
    # Together with the names that decide something: `Method` alone is as bad as beside `method`.
    keys = value.keys() | names
    return len({_fold(key) for key in keys}) != len(keys)


def _fold(key: str) -> str:
    if key.isascii():
        return key.replace("\0", "").lower()
    return unicodedata.normalize("NFKC", key).casefold().replace("\0", "")
