"""A modern client's messages for a legacy backend, and back (protocol.md 52).  Pure.

What neither revision knows crosses as it came: keys are taken away and put in, nothing is built
anew from a list of what is known.
"""

from collections.abc import Iterable
from typing import Final

from ostiary_proxy.discovery import carried
from ostiary_proxy.era import (
    CAPABILITIES_KEY,
    INFO_KEY,
    LOG_LEVEL_KEY,
    SERVER_KEY,
    SUBSCRIPTION_KEY,
    VERSION_KEY,
)
from ostiary_proxy.message import INVALID_PARAMS, Id, Json, Message

NOT_FOUND: Final = -32002
URL_REQUIRED: Final = -32042
CACHED: Final = frozenset(
    {
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
    }
)
"""Methods whose results say how long they keep."""
ASKING: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Methods whose answer may be a question."""
UNCARRIED: Final = frozenset({"tasks/get", "tasks/update", "tasks/cancel"})
"""Of an extension that no legacy revision has."""
LEVELS: Final = (
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
)
QUESTIONS: Final = {
    "elicitation/create": "elicitation",
    "sampling/createMessage": "sampling",
    "roots/list": "roots",
}
"""What a backend may ask, and the capability a client must have declared for it."""

_ENVELOPE: Final = frozenset({VERSION_KEY, CAPABILITIES_KEY, INFO_KEY, LOG_LEVEL_KEY})
_RETRY: Final = frozenset({"inputResponses", "requestState"})


def meta_of(holder: Json) -> Json:
    meta = holder.get("_meta")
    return meta if isinstance(meta, dict) else {}


def declared(message: Message) -> Json:
    """The client's capabilities, as this very request has them."""
    capabilities = meta_of(message.params).get(CAPABILITIES_KEY)
    return capabilities if isinstance(capabilities, dict) else {}


def log_level(message: Message) -> str:
    """Empty: the client wants no log messages."""
    level = meta_of(message.params).get(LOG_LEVEL_KEY)
    return level if isinstance(level, str) and level in LEVELS else ""


def handshake(message: Message, version: str) -> Json:
    """Params of an `initialize` on behalf of whoever sent this request."""
    info = meta_of(message.params).get(INFO_KEY)
    return {
        "protocolVersion": version,
        "capabilities": carried(declared(message)),
        "clientInfo": info if isinstance(info, dict) else {"name": "unknown", "version": "0"},
    }


def request(message: Message) -> Json:
    """The request as a legacy backend knows it."""
    meta = {k: v for k, v in meta_of(message.params).items() if k not in _ENVELOPE}
    params = {k: v for k, v in message.params.items() if k not in _RETRY and k != "_meta"}
    if meta:
        params["_meta"] = meta
    data = {key: value for key, value in message.data.items() if key != "params"}
    return {**data, "params": params} if params else data


def answer(method: str, data: Json, ident: Id | None, info: Json) -> Json:
    """A response of the backend's as a modern client knows it; `info`: who the server is."""
    body = {**data, "id": ident}
    result, error = data.get("result"), data.get("error")
    if isinstance(result, dict):
        body["result"] = _result(method, result, info)
    elif isinstance(error, dict) and error.get("code") == NOT_FOUND:
        body["error"] = {**error, "code": INVALID_PARAMS}
    return body


def _result(method: str, result: Json, info: Json) -> Json:
    # Whatever a legacy server puts there, it means nothing in its revision.
    changed: Json = {**result, "resultType": "complete"}
    if method in CACHED:
        changed |= {"ttlMs": 0, "cacheScope": "private"}
    tools = result.get("tools")
    if method == "tools/list" and isinstance(tools, list):
        changed["tools"] = [_tool(tool) for tool in tools]
    changed["_meta"] = {SERVER_KEY: info, **meta_of(result)}
    return changed


def _tool(tool: object) -> object:
    """Less what it says of tasks, which are not carried across."""
    if not isinstance(tool, dict) or not isinstance(tool.get("execution"), dict):
        return tool
    execution = {k: v for k, v in tool["execution"].items() if k != "taskSupport"}
    rest = {key: value for key, value in tool.items() if key != "execution"}
    return {**rest, "execution": execution} if execution else rest


def allowed(method: str, params: Json, capabilities: Json) -> bool:
    """Did the client declare that it can be asked this?"""
    name = QUESTIONS.get(method)
    capability = None if name is None else capabilities.get(name)
    if not isinstance(capability, dict):
        return False
    if method != "elicitation/create":
        return True
    url = params.get("mode") == "url"
    # An empty declaration means forms, as it did before there was anything else.
    return "url" in capability if url else "form" in capability or "url" not in capability


def question(method: str, params: Json) -> Json:
    """A backend's request as one of the `inputRequests` of a result."""
    kept = {key: value for key, value in params.items() if key not in ("elicitationId", "task")}
    meta = {k: v for k, v in meta_of(params).items() if k != "progressToken"}
    kept.pop("_meta", None)
    if meta:
        kept["_meta"] = meta
    return {"method": method, "params": kept} if kept else {"method": method}


def input_required(ident: Id | None, requests: Json, state: str, info: Json) -> Json:
    result: Json = {
        "resultType": "input_required",
        "inputRequests": requests,
        "requestState": state,
        "_meta": {SERVER_KEY: info},
    }
    return {"jsonrpc": "2.0", "id": ident, "result": result}


def urls_of(data: Json) -> Json:
    """The `inputRequests` that -32042 stands for; empty when this is no such error."""
    error = data.get("error")
    if not isinstance(error, dict) or error.get("code") != URL_REQUIRED:
        return {}
    told = error.get("data")
    asked = told.get("elicitations") if isinstance(told, dict) else None
    found: Json = {}
    for number, one in enumerate(asked if isinstance(asked, list) else ()):
        if isinstance(one, dict) and isinstance(one.get("url"), str):
            key = one.get("elicitationId")
            params = {"mode": "url", "message": "", **one}
            name = key if isinstance(key, str) else f"url-{number + 1}"
            found[name] = question("elicitation/create", params)
    return found


def is_loud_enough(params: Json, level: str) -> bool:
    """Does a request that asked for this level want that log message?"""
    if not level:
        return False
    told = params.get("level")
    return told not in LEVELS or LEVELS.index(told) >= LEVELS.index(level)


def tagged(data: Json, subscription: Id | None) -> Json:
    """A notification as one of this subscription's."""
    params = data.get("params")
    params = params if isinstance(params, dict) else {}
    meta = {**meta_of(params), SUBSCRIPTION_KEY: subscription}
    return {**data, "params": {**params, "_meta": meta}}


def acknowledged(honoured: Json, subscription: Id | None) -> Json:
    method = "notifications/subscriptions/acknowledged"
    note: Json = {"jsonrpc": "2.0", "method": method, "params": {"notifications": honoured}}
    return tagged(note, subscription)


def quietest(levels: Iterable[str]) -> str:
    """The level that satisfies them all; empty when nobody wants any."""
    return min((level for level in levels if level), key=LEVELS.index, default="")
