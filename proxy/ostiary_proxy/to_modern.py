"""A legacy client's messages for a modern backend, and back (protocol.md 51).  Pure.

What neither revision knows crosses as it came: keys are taken away and put in, nothing is built
anew from a list of what is known.
"""

from collections.abc import Mapping
from typing import Final

from ostiary_proxy import downlevel
from ostiary_proxy.discovery import carried
from ostiary_proxy.era import (
    CAPABILITIES_KEY,
    INFO_KEY,
    LOG_LEVEL_KEY,
    MODERN,
    SERVER_KEY,
    SUBSCRIPTION_KEY,
    VERSION_KEY,
)
from ostiary_proxy.message import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    UNSUPPORTED_VERSION,
    Json,
    Message,
)
from ostiary_proxy.to_legacy import NOT_FOUND, QUESTIONS, allowed, meta_of

MISSING_CAPABILITY: Final = -32021
CHANGES: Final = {
    "toolsListChanged": ("tools", "listChanged"),
    "promptsListChanged": ("prompts", "listChanged"),
    "resourcesListChanged": ("resources", "listChanged"),
}
"""What can be listened to, and the capability that offers it."""

_ADDED: Final = frozenset({"resultType", "ttlMs", "cacheScope"})


def capabilities(declared: object) -> Json:
    """A legacy client's, less what only its own era knows."""
    kept = carried(declared) if isinstance(declared, dict) else {}
    roots = kept.get("roots")
    if isinstance(roots, dict):
        kept["roots"] = {key: value for key, value in roots.items() if key != "listChanged"}
    return kept


def envelope(declared: Json, info: object, level: str) -> Json:
    """What every modern request bears in `_meta`."""
    meta: Json = {VERSION_KEY: MODERN[-1], CAPABILITIES_KEY: declared}
    if isinstance(info, dict):
        meta[INFO_KEY] = info
    if level:
        meta[LOG_LEVEL_KEY] = level
    return meta


def request(message: Message, meta: Json, more: Mapping[str, object]) -> Message:
    """The request as a modern backend knows it; `more`: answers to what it asked before."""
    params = {k: v for k, v in message.params.items() if k != "task"}
    params |= {**more, "_meta": {**meta_of(message.params), **meta}}
    data = {**message.data, "params": params}
    return message._replace(params=params, data=data)


def listen(notifications: Json, meta: Json) -> Message:
    params = {"notifications": notifications, "_meta": meta}
    data = {"jsonrpc": "2.0", "id": 0, "method": "subscriptions/listen", "params": params}
    return Message("request", 0, "subscriptions/listen", params, data, b"")


def answer(message: Message, data: Json, version: str) -> Json:
    """A response of the backend's as a client of this revision knows it."""
    body = {**data, "id": message.id}
    result, error = data.get("result"), data.get("error")
    if isinstance(result, dict):
        body["result"] = _result(message.method, result, version)
    elif isinstance(error, dict):
        body["error"] = _error(message.method, error)
    return body


def _result(method: str, result: Json, version: str) -> Json:
    kept = {key: value for key, value in result.items() if key not in _ADDED}
    meta = {key: value for key, value in meta_of(result).items() if key != SERVER_KEY}
    kept.pop("_meta", None)
    if meta:
        kept["_meta"] = meta
    return downlevel.result(method, kept, version)


def _error(method: str, error: Json) -> Json:
    code, data = error.get("code"), error.get("data")
    if code in (HEADER_MISMATCH, UNSUPPORTED_VERSION):
        return {**error, "code": INTERNAL_ERROR}
    if code == MISSING_CAPABILITY:
        return {**error, "code": INVALID_REQUEST}
    if code == INVALID_PARAMS and method == "resources/read" and isinstance(data, dict):
        return {**error, "code": NOT_FOUND} if "uri" in data else error
    return error


def asks(data: Json) -> bool:
    result = data.get("result")
    return isinstance(result, dict) and result.get("resultType") == "input_required"


def questions(result: Json) -> dict[str, Json]:
    """What an `input_required` asks, by the backend's own keys."""
    requests = result.get("inputRequests")
    found = requests if isinstance(requests, dict) else {}
    return {key: one for key, one in found.items() if isinstance(one, dict)}


def unanswerable(asked: Mapping[str, Json], declared: Json) -> str:
    """A method that this client cannot be asked; empty when there is none (34)."""
    for one in asked.values():
        method, params = one.get("method"), one.get("params")
        method = method if isinstance(method, str) else ""
        if not allowed(method, params if isinstance(params, dict) else {}, declared):
            return method if method in QUESTIONS else "something unknown"
    return ""


def question(one: Json, ident: str, version: str) -> Json:
    """One of them as a request of the client's own era."""
    method, params = one["method"], one.get("params")
    params = downlevel.question(method, params if isinstance(params, dict) else {}, version)
    if method == "elicitation/create" and params.get("mode") == "url":
        params = {**params, "elicitationId": ident}
    body: Json = {"jsonrpc": "2.0", "id": ident, "method": method}
    return {**body, "params": params} if params else body


def reply(method: str, response: Json) -> Json | None:
    """A client's response as one of the `inputResponses`; None: it cannot be said there."""
    result = response.get("result")
    if isinstance(result, dict):
        return result
    # Somebody who cannot or will not show the question has not answered it.
    return {"action": "cancel"} if method == "elicitation/create" else None


def notification(data: Json) -> Json:
    """One of a subscription's, less the id that only modern clients know."""
    params = data.get("params")
    if not isinstance(params, dict):
        return data
    meta = {key: value for key, value in meta_of(params).items() if key != SUBSCRIPTION_KEY}
    rest = {key: value for key, value in params.items() if key != "_meta"}
    if meta:
        rest["_meta"] = meta
    if rest:
        return {**data, "params": rest}
    return {key: value for key, value in data.items() if key != "params"}
