"""Content that an older revision does not know, as text (protocol.md 53).  Pure."""

from typing import Final

from ostiary_proxy.message import Json, encode

_ALWAYS: Final = frozenset({"text", "image", "resource"})
_KNOWN: Final = {
    "2024-11-05": _ALWAYS,
    "2025-03-26": _ALWAYS | {"audio"},
}
"""Later revisions know all there is."""
_SAMPLED: Final = {
    "2024-11-05": frozenset({"text", "image"}),
    "2025-03-26": frozenset({"text", "image", "audio"}),
    "2025-06-18": frozenset({"text", "image", "audio"}),
}
"""What a message to a client's model may hold, and one thing at a time."""


def result(method: str, value: Json, version: str) -> Json:
    """A modern result as a client of this legacy revision may have it."""
    match method:
        case "tools/call":
            return _called(value, version)
        case "prompts/get":
            return _prompted(value, version)
        case "tools/list":
            return _listed(value)
    return value


def _called(value: Json, version: str) -> Json:
    changed = dict(value)
    if isinstance(value.get("content"), list):
        changed["content"] = [_content(item, _KNOWN.get(version)) for item in value["content"]]
    # No legacy revision knows structured content that is not an object.
    if "structuredContent" in value and not isinstance(value["structuredContent"], dict):
        del changed["structuredContent"]
    return changed


def _prompted(value: Json, version: str) -> Json:
    messages = value.get("messages")
    if version not in _KNOWN or not isinstance(messages, list):
        return value
    return {**value, "messages": [_message(one, _KNOWN[version]) for one in messages]}


def _message(message: object, known: frozenset[str]) -> object:
    if not isinstance(message, dict):
        return message
    return {**message, "content": _content(message.get("content"), known)}


def _listed(value: Json) -> Json:
    tools = value.get("tools")
    if not isinstance(tools, list):
        return value
    return {**value, "tools": [_tool(tool) for tool in tools]}


def _tool(tool: object) -> object:
    """An output schema describes an object, or no legacy client could hold a result to it."""
    schema = tool.get("outputSchema") if isinstance(tool, dict) else None
    if not isinstance(tool, dict) or schema is None:
        return tool
    if isinstance(schema, dict) and schema.get("type") == "object":
        return tool
    return {key: value for key, value in tool.items() if key != "outputSchema"}


def _content(item: object, known: frozenset[str] | None) -> object:
    if known is None or not isinstance(item, dict) or item.get("type") in known:
        return item
    return {"type": "text", "text": _in_words(item)}


def _in_words(item: Json) -> str:
    match item.get("type"):
        case "audio":
            return f"[audio, {item.get('mimeType', 'of unknown type')}]"
        case "resource_link":
            name, uri = item.get("title") or item.get("name"), item.get("uri")
            return f"[{name}]({uri})" if name else str(uri)
    return encode(item).decode()


def question(method: str, params: Json, version: str) -> Json:
    """The params of what a backend asks of the client."""
    known = _SAMPLED.get(version)
    messages = params.get("messages")
    if method != "sampling/createMessage" or known is None or not isinstance(messages, list):
        return params
    flat = [one for message in messages for one in _one_by_one(message, known)]
    return {**params, "messages": flat}


def _one_by_one(message: object, known: frozenset[str]) -> list[object]:
    if not isinstance(message, dict):
        return [message]
    content = message.get("content")
    items = content if isinstance(content, list) else [content]
    return [{**message, "content": _content(item, known)} for item in items]
