"""What a body says: bytes in, one message or one rejection out.  Pure: no I/O, no clock.

One C parse, and what was parsed is what is sent on (`canonical`), never the caller's bytes: so
nothing that another parser might read differently reaches a backend.  Keys that other parsers may
take for one another are refused in the envelope, in `params` and in `params._meta`; everything
else survives as it came.  Which revision is spoken is `era`'s business, who may is `policy`'s.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import orjson

from ostiary_proxy import twins

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
HEADER_MISMATCH: Final = -32020
UNSUPPORTED_VERSION: Final = -32022

DEPTH: Final = 64
"""Objects and lists within one another, the envelope counted."""
CONTAINERS: Final = 150_000
"""Objects and lists in one body: beyond it the parse alone would hold the loop too long."""
CROWDED_BYTES: Final = 64 * 1024
"""A shorter body cannot hold enough to be counted."""
STRINGS: Final = 150_000
"""Strings in a caller's body or a server's list, keys among them: each costs a third of a
microsecond or more."""
ITEMS: Final = 300_000
"""Values that commas part in a caller's body; commas within strings are free."""
EXACT_BYTES: Final = 4096
"""From here on, a long number's slower, exact parse has these bounds instead."""
EXACT_STRINGS: Final = 40_000
EXACT_ITEMS: Final = 40_000
EXACT_CONTAINERS: Final = 5_000
LONGEST_ID: Final = 1024
LONGEST_METHOD: Final = 256

# Runs of digits that a 64-bit integer may not hold; the C parser would round them.  Two C loops:
# an expression of `re` costs more than the parse.
_LONG_NUMBER: Final = b"0" * 19
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"')
_AS_ZERO: Final = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x2E for byte in range(256))

Id = str | int
Json = dict[str, Any]
"""A parsed object.  The one place where `Any` stands: what is inside belongs to others."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An answer of ours that ends a request."""

    status: int
    code: int
    message: str
    data: Json | None = None
    id: Id | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    reason: str = "BadRequest"
    """A word for audit and metrics."""
    result: Json | None = None
    """In place of an error, where the answer is one of the method's own; `data` is its `_meta`."""

    def body(self) -> bytes:
        if self.result is not None:
            result = {**self.result, "_meta": self.data or {}}
            return encode({"jsonrpc": "2.0", "id": self.id, "result": result})
        return error_body(self.id, self.code, self.message, self.data)


class Message(NamedTuple):
    """One JSON-RPC message.  A tuple: as unchangeable as a frozen class, and made in a fifth of its
    time."""

    kind: Literal["request", "notification", "response"]
    id: Id | None
    method: str
    params: Json
    """Empty where the body has none; `data` says what it had."""
    data: Json
    canonical: bytes


def parse(body: bytes) -> Message | Rejection:
    """What a caller sent; refused where reading it would hold the loop for others."""
    data = decode_few(body)
    if isinstance(data, Rejection):
        return data
    return _message(data, body)


def parse_batch(body: bytes, most: int) -> "list[Message | Rejection] | Rejection":
    """The messages of an array, each by itself."""
    data = decode(body)
    if isinstance(data, Rejection):
        return data
    if not isinstance(data, list) or not 0 < len(data) <= most:
        return _not_rpc(f"A batch is an array of 1 to {most} messages.")
    return [_message(one, body) for one in data]


def _message(data: Any, body: bytes) -> Message | Rejection:
    """`body`: what it was a part of."""
    if not isinstance(data, dict):
        return _not_rpc("A message must be one JSON object.")
    canonical = encode_shallow(data, body)
    if canonical is None:
        return _not_rpc(f"The body is nested deeper than {DEPTH}.")
    unclear = twins.unclear(data)
    if unclear:
        return _not_rpc(unclear)
    return _shape(data, canonical)


def _crowded(body: bytes) -> bool:
    exact = _has_long_number(body)
    if exact and body.count(b"{") + body.count(b"[") > EXACT_CONTAINERS:
        return True
    if len(body) <= CROWDED_BYTES:
        return False
    bare = body.replace(b"\\\\", b"") if b"\\\\" in body else body
    strings = (bare.count(b'"') - bare.count(b'\\"')) // 2
    if strings > (EXACT_STRINGS if exact else STRINGS):
        return True
    most = EXACT_ITEMS if exact else ITEMS
    return body.count(b",") > most and _STRING.sub(b"", body).count(b",") > most


def _has_long_number(body: bytes) -> bool:
    return _LONG_NUMBER in body.translate(_AS_ZERO)


def decode_few(body: bytes) -> Any:
    """The same as `decode`, for what may not hold the loop for others."""
    if len(body) > EXACT_BYTES and _crowded(body):
        why = "The body holds too many values: send fewer at a time."
        return Rejection(413, INVALID_REQUEST, why, reason="TooLarge")
    return decode(body)


def decode(body: bytes) -> Any:
    """The JSON value, exact for numbers of any length; a rejection when there is none."""
    if body.count(b"{") + body.count(b"[") > CONTAINERS:
        why = f"The body holds more than {CONTAINERS} objects and lists."
        return Rejection(413, INVALID_REQUEST, why, reason="TooLarge")
    try:
        if not _has_long_number(body):
            return orjson.loads(body)
        orjson.loads(body)  # strict where the next parser is lenient: NaN, control characters
        return json.loads(body, parse_float=_finite)
    except (ValueError, RecursionError):
        return Rejection(400, PARSE_ERROR, "The body is not JSON in UTF-8.", reason="NotJSON")


def encode(value: object) -> bytes:
    """The one way that JSON of ours is written."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        # An integer beyond 64 bits, or nesting beyond the C writer.
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def encode_shallow(data: Json, body: bytes) -> bytes | None:
    """What is sent on; None when it is nested deeper than allowed."""
    if body.count(b"{") + body.count(b"[") <= DEPTH:
        return encode(data)
    return _dumps_shallow(data) or _encode_slowly(data)


def _dumps_shallow(data: Json) -> bytes | None:
    """By the C writer; None when it cannot, for whatever reason."""
    outer, inner, count = _WRAPPER
    inner[0] = data
    try:
        return orjson.dumps(outer)[count:-count]
    except orjson.JSONEncodeError:
        return None
    finally:
        inner[0] = None


def _encode_slowly(data: Json) -> bytes | None:
    """Too deep, or an integer beyond 64 bits: only here is the whole body walked."""
    return encode(data) if _is_shallow(data) else None


def is_shallow(data: Json) -> bool:
    """Nested no deeper than is passed on."""
    return _dumps_shallow(data) is not None or _is_shallow(data)


def _is_shallow(data: Json) -> bool:
    """Walked level by level: depth costs no stack."""
    level: list[Any] = [data]
    for _ in range(DEPTH):
        level = [item for value in level for item in _children(value)]
        if not level:
            return True
    return False


def _children(value: Any) -> list[Any]:
    inside = value.values() if isinstance(value, dict) else value
    return [item for item in inside if isinstance(item, dict | list)]


def error_body(ident: Id | None, code: int, message: str, data: Json | None = None) -> bytes:
    error: Json = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return encode({"jsonrpc": "2.0", "id": ident, "error": error})


def valid_id(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return len(value) <= LONGEST_ID
    return isinstance(value, int) and -(2**63) <= value < 2**64


def _shape(data: Json, canonical: bytes) -> Message | Rejection:
    if data.get("jsonrpc") != "2.0":
        return _not_rpc('The member "jsonrpc" must be "2.0".')
    has_id = "id" in data
    ident = data.get("id")
    if has_id and not valid_id(ident):
        return _not_rpc("An id must be a string or a whole number.")
    if "method" not in data:
        if has_id and ("result" in data) != ("error" in data):
            return Message("response", ident, "", {}, data, canonical)
        return _not_rpc("The body is no request, notification or response.")
    method, params = data["method"], data.get("params")
    if not _is_method(method):
        return _not_rpc("The method must be a short string of printable ASCII.", ident)
    if "params" in data and not isinstance(params, dict):
        return _not_rpc("The member params must be an object.", ident)
    if "result" in data or "error" in data:
        return _not_rpc("A request has no result and no error.", ident)
    kind: Literal["request", "notification"] = "request" if has_id else "notification"
    return Message(kind, ident, method, params or {}, data, canonical)


def _is_method(method: object) -> bool:
    if not isinstance(method, str) or not 0 < len(method) <= LONGEST_METHOD:
        return False
    return method.isascii() and method.isprintable()


def _not_rpc(why: str, ident: Id | None = None) -> Rejection:
    return Rejection(400, INVALID_REQUEST, why, id=ident)


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError
    return value


def _wrapper() -> tuple[list[Any], list[Any], int]:
    """Lists around a slot, so many that a value deeper than DEPTH cannot be written.

    The C writer gives up at a fixed depth: this makes it count for us, without a walk in Python.
    """
    levels: list[Any] = []
    limit = 0
    while True:
        try:
            orjson.dumps(levels)
        except orjson.JSONEncodeError:
            break
        levels, limit = [levels], limit + 1
    inner: list[Any] = [None]
    outer = inner
    for _ in range(limit - DEPTH - 1):
        outer = [outer]
    return outer, inner, limit - DEPTH


_WRAPPER: Final = _wrapper()
