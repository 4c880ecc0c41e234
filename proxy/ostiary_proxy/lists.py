"""What a caller may see of a list: the answer to a list request, less what it may not use.

Pure.  Item by item by the one `decide`; whatever cannot be read is not passed on.
"""

from ostiary_proxy.era import LISTS
from ostiary_proxy.message import INTERNAL_ERROR, Id, Json, Rejection, decode, encode, error_body
from ostiary_proxy.policy import Allow, Caller, Kind, Rules, Target, decide


def visible(method: str, answer: bytes, caller: Caller, rules: Rules, ident: Id | None) -> bytes:
    """The answer as this caller may have it; an error of ours when it is no answer to a list."""
    data = decode(answer)
    if isinstance(data, dict) and not isinstance(data, Rejection):
        kept = narrowed(method, data, caller, rules)
        if kept is not None:
            return encode(kept)
    return error_body(ident, INTERNAL_ERROR, "The server's list could not be read.")


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
    items = [item for item in result[key] if _may_see(item, kind, named, caller, rules)]
    changed: Json = {key: items}
    if "cacheScope" in result:
        # Another caller's list differs: no shared cache may keep this one.
        changed["cacheScope"] = "private"
    return {**data, "result": {**result, **changed}}


def _may_see(item: object, kind: str, named: str, caller: Caller, rules: Rules) -> bool:
    name = item.get(named) if isinstance(item, dict) else None
    if not isinstance(name, str):
        return False
    return isinstance(decide(Target(_KINDS[kind], name), caller, rules), Allow)


_KINDS: dict[str, Kind] = {"tool": "tool", "prompt": "prompt", "resource": "resource"}
