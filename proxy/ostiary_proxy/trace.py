"""The context of a distributed trace on its way over the bridge: headers of HTTP, keys of `_meta`.

Same names on both sides (SEP-414, W3C).  A request over the bridge is the proxy's own and has one
context: that of the message where it bears one, otherwise that of the HTTP request that brought it.
Where both sides speak one era, nothing here is asked: either is passed on untouched.  Pure.
"""

import re
from collections.abc import Mapping
from typing import Final

from ostiary_proxy.message import Json, Message

PARENT: Final = "traceparent"
STATE: Final = "tracestate"
BAGGAGE: Final = "baggage"
LONGEST: Final = {PARENT: 256, STATE: 8192, BAGGAGE: 8192}
"""Bytes of each; what is longer is left out, as W3C has it for what cannot be carried."""

_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")

Headers = tuple[tuple[bytes, bytes], ...]


def from_headers(message: Message, sent: Mapping[bytes, bytes], *, baggage: bool) -> Message:
    """The message with the context of the request that brought it, where it has none of its own.

    `baggage`: it may be told to whoever runs the server."""
    if message.kind != "request":
        return message
    given = message.params.get("_meta")
    meta: Json = given if isinstance(given, dict) else {}
    wanted = () if PARENT in meta else (PARENT, STATE)
    if baggage and BAGGAGE not in meta:
        wanted = (*wanted, BAGGAGE)
    found = {key: _text(sent.get(key.encode()), key) for key in wanted}
    more = {key: text for key, text in found.items() if text}
    if not more:
        return message
    params = {**message.params, "_meta": {**meta, **more}}
    return message._replace(params=params, data={**message.data, "params": params})


def to_headers(data: Json) -> Headers:
    """The context that a message bears, for the HTTP request that takes it on."""
    params = data.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    if not isinstance(meta, dict):
        return ()
    keys = (PARENT, STATE, BAGGAGE) if PARENT in meta else (BAGGAGE,)
    found = ((key, meta.get(key)) for key in keys)
    return tuple(
        (key.encode(), value.encode())
        for key, value in found
        if isinstance(value, str) and len(value) <= LONGEST[key] and _VALUE.fullmatch(value)
    )


def _text(value: bytes | None, key: str) -> str:
    if value is None or len(value) > LONGEST[key]:
        return ""
    text = value.decode("latin-1")
    return text if _VALUE.fullmatch(text) else ""
