"""What a caller may see of a list: the answer to a list request, less what it may not use.

Pure.  Item by item by the one `decide`; whatever cannot be read is not passed on.
"""

from typing import Final

from ostiary_proxy.annotations import KEY, flaw
from ostiary_proxy.era import LISTS
from ostiary_proxy.message import (
    INTERNAL_ERROR,
    Id,
    Json,
    Rejection,
    decode,
    decode_few,
    encode,
    encode_shallow,
    error_body,
    is_shallow,
)
from ostiary_proxy.policy import Allow, Caller, Kind, Rules, Target, decide

ANNOTATION: Final = KEY.encode()
MOST_ITEMS: Final = 2000
"""In one answer: each is decided by itself, and the loop must not be held."""
_PAGES: Final = "The server's list holds too many values: let it answer in pages."


def visible(
    method: str,
    answer: bytes,
    caller: Caller,
    rules: Rules,
    ident: Id | None,
    *,
    modern: bool = False,
) -> bytes:
    """The answer as this caller may have it; an error of ours when it is no answer to a list."""
    data = decode_few(answer)
    if isinstance(data, dict):
        kept = narrowed(method, data, caller, rules)
        if kept is not None and modern and method == "tools/list" and ANNOTATION in answer:
            kept = _without_flaws(kept)
        if kept is not None:
            return _written(kept, answer, LISTS[method][0])
    return error_body(ident, INTERNAL_ERROR, _unread(data))


def _unread(data: object) -> str:
    if isinstance(data, Rejection) and data.reason == "TooLarge":
        return _PAGES
    return "The server's list could not be read."


def replayed(answer: bytes, caller: Caller, rules: Rules) -> bytes:
    """An answer whose question is not known any more: if it is one to a list, it is filtered."""
    data = decode(answer)
    if not isinstance(data, dict):
        return b""
    result = data.get("result")
    if isinstance(result, dict):
        for method, (key, _, _) in LISTS.items():
            if key in result:
                data = narrowed(method, data, caller, rules)
                return b"" if data is None else _written(data, answer, key)
    return encode(data)


def narrowed(method: str, data: Json, caller: Caller, rules: Rules) -> Json | None:
    """None when `data` is no response to a list."""
    if data.get("method") is not None:
        return None
    if isinstance(data.get("error"), dict) and "result" not in data:
        return data
    result = data.get("result")
    key, kind, named = LISTS[method]
    if not isinstance(result, dict) or not isinstance(result.get(key), list):
        return None
    if len(result[key]) > MOST_ITEMS:
        return _too_many(data)
    if kind == "tool":
        rules.pinned.hold(result[key])
    items = [item for item in result[key] if _may_see(item, kind, named, caller, rules)]
    changed: Json = {key: items}
    if "cacheScope" in result:
        # Another caller's list differs: no shared cache may keep this one.
        changed["cacheScope"] = "private"
    return {**data, "result": {**result, **changed}}


def _too_many(data: Json) -> Json:
    error = {"code": INTERNAL_ERROR, "message": _PAGES}
    return {"jsonrpc": "2.0", "id": data.get("id"), "error": error}


def _written(data: Json, answer: bytes, key: str) -> bytes:
    """Without items that are nested deeper than is passed on: the status knows none of them, and
    writing them could cost the stack."""
    written = encode_shallow(data, answer)
    if written is not None:
        return written
    result = data.get("result")
    if isinstance(result, dict):
        items = [item for item in result[key] if is_shallow(item)]
        written = encode_shallow({**data, "result": {**result, key: items}}, answer)
    if written is None:
        ident = data.get("id")
        why = "The server's list is nested too deep to be passed on."
        return error_body(ident if isinstance(ident, str | int) else None, INTERNAL_ERROR, why)
    return written


def _without_flaws(data: Json) -> Json:
    """Less the tools that a modern client must drop."""
    result = data.get("result")
    if not isinstance(result, dict):
        return data
    tools = [tool for tool in result["tools"] if not flaw(tool.get("inputSchema"))]
    return {**data, "result": {**result, "tools": tools}}


def _may_see(item: object, kind: str, named: str, caller: Caller, rules: Rules) -> bool:
    name = item.get(named) if isinstance(item, dict) else None
    if not isinstance(name, str):
        return False
    return isinstance(decide(Target(_KINDS[kind], name), caller, rules), Allow)


_KINDS: dict[str, Kind] = {"tool": "tool", "prompt": "prompt", "resource": "resource"}
