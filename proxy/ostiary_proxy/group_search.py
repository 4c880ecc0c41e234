"""`discovery: Search`: what a call of one of the two tools is really about.

A call of `call_tool` becomes the call that it is for, before anything is decided on it, so that
policies, limits and the audit see the tool itself.  `find_tools` shows what its caller may list.
"""

from ostiary_proxy.config import GroupBackend
from ostiary_proxy.exchange import Exchange
from ostiary_proxy.group_shapes import CALL, FIND, SEARCH_TOOLS
from ostiary_proxy.message import Json, Message, encode
from ostiary_proxy.policy import Target
from ostiary_proxy.tool_search import unwrap


def searches(exchange: Exchange) -> bool:
    """The group shows two tools in place of all."""
    assert exchange.endpoint is not None
    backend = exchange.endpoint.server.backend
    return isinstance(backend, GroupBackend) and backend.discovery == "Search"


def is_meta(message: Message) -> bool:
    """A call of one of the two, as far as nothing else has been made of it."""
    name = message.params.get("name")
    return message.method == "tools/call" and isinstance(name, str) and name in SEARCH_TOOLS


def turn(exchange: Exchange) -> None:
    """Once its body is read, before it is decided on."""
    message = exchange.message
    if message is None or message.kind != "request" or not searches(exchange):
        return
    if not is_meta(message):
        return
    inner = unwrap(message.params) if message.params["name"] == CALL else ""
    if isinstance(inner, str):
        exchange.about = (Target("list", FIND),)
        return
    data = {**message.data, "params": inner}
    exchange.message = message._replace(params=inner, data=data, canonical=encode(data))
    # Headers that repeat arguments are made here: the client knows of none.
    exchange.headerless = True


def told(sentence: str, *, modern: bool) -> Json:
    """A result that a model reads and can act on."""
    result: Json = {"content": [{"type": "text", "text": sentence}], "isError": True}
    return {**result, "resultType": "complete"} if modern else result


def found(tools: list[Json], *, modern: bool) -> Json:
    """The result of `find_tools`: for models as text, for programs as it is."""
    text = encode(tools).decode() if tools else "No tool fits: try other words."
    result: Json = {
        "content": [{"type": "text", "text": text}],
        "structuredContent": {"tools": tools},
    }
    return {**result, "resultType": "complete"} if modern else result
