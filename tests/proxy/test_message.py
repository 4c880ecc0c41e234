"""What a body says, and which bodies say nothing."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy.message import DEPTH, Message, Rejection, decode, encode, parse


def call(**params: object) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})


def nested(levels: int, opening: bytes = b'{"a":', closing: bytes = b"}") -> bytes:
    """A request whose whole depth is `levels`."""
    inside = opening * (levels - 2) + b"{}" + closing * (levels - 2)
    return b'{"jsonrpc":"2.0","id":1,"method":"x","params":' + inside + b"}"


HOSTILE = {
    "empty": (b"", -32700),
    "not json": (b"{", -32700),
    "NaN": (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":NaN}}', -32700),
    "infinity by exponent": (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1e999}}', -32700),
    "invalid UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', -32700),
    "lone surrogate": (b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', -32700),
    "byte order mark": (b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"x"}', -32700),
    "trailing text": (b'{"jsonrpc":"2.0","id":1,"method":"x"}{}', -32700),
    "integer of 5000 digits": (
        b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":' + b"9" * 5000 + b"}}",
        -32700,
    ),
    "batch": (b'[{"jsonrpc":"2.0","id":1,"method":"x"}]', -32600),
    "empty batch": (b"[]", -32600),
    "number": (b"7", -32600),
    "no version": (b'{"id":1,"method":"x"}', -32600),
    "old version": (b'{"jsonrpc":"1.0","id":1,"method":"x"}', -32600),
    "id null": (b'{"jsonrpc":"2.0","id":null,"method":"x"}', -32600),
    "id fractional": (b'{"jsonrpc":"2.0","id":1.5,"method":"x"}', -32600),
    "id bool": (b'{"jsonrpc":"2.0","id":true,"method":"x"}', -32600),
    "id object": (b'{"jsonrpc":"2.0","id":{},"method":"x"}', -32600),
    "id beyond 64 bits": (b'{"jsonrpc":"2.0","id":18446744073709551616,"method":"x"}', -32600),
    "id endless": (b'{"jsonrpc":"2.0","id":"' + b"a" * 2000 + b'","method":"x"}', -32600),
    "method a number": (b'{"jsonrpc":"2.0","id":1,"method":1}', -32600),
    "method empty": (b'{"jsonrpc":"2.0","id":1,"method":""}', -32600),
    "method with a line break": (b'{"jsonrpc":"2.0","id":1,"method":"a\\r\\nb: c"}', -32600),
    "params a list": (b'{"jsonrpc":"2.0","id":1,"method":"x","params":[]}', -32600),
    "params null": (b'{"jsonrpc":"2.0","id":1,"method":"x","params":null}', -32600),
    "method and result": (b'{"jsonrpc":"2.0","id":1,"method":"x","result":{}}', -32600),
    "result and error": (b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', -32600),
    "nothing": (b'{"jsonrpc":"2.0"}', -32600),
    "twin method": (b'{"jsonrpc":"2.0","id":1,"method":"x","Method":"y"}', -32600),
    "only a capital method": (b'{"jsonrpc":"2.0","id":1,"result":{},"METHOD":"y"}', -32600),
    "long s": ('{"jsonrpc":"2.0","id":1,"method":"x","param\u017f":{}}'.encode(), -32600),
    "Kelvin sign": (call(**{"to\u212aen": 1, "token": 2}), -32600),
    "twin name": (call(name="a", Name="b"), -32600),
    "only a capital name": (call(NAME="b"), -32600),
    "full width name": (call(name="a", **{"\uff4eame": "b"}), -32600),
    "name with NUL": (call(name="a", **{"name\0": "b"}), -32600),
    "twin meta": (call(name="a", _meta={"a": 1, "A": 2}), -32600),
    "endless params": (call(**{f"k{n}": n for n in range(2000)}), -32600),
    "objects too deep": (nested(DEPTH + 1), -32600),
    "lists too deep": (nested(DEPTH + 1, b'{"a":[', b"]}"), -32600),
    "far too deep": (nested(5000), -32700),
    "too many objects": (call(a=[{}] * 300_000), -32600),
    "too many keys": (call(a={str(n): 1 for n in range(200_000)}), -32600),
    "too many keys with escapes": (call(a={f'\\{n}"': 1 for n in range(200_000)}), -32600),
    "too many strings": (call(a=["a"] * 200_000), -32600),
    "too many numbers": (call(a=[1] * 400_000), -32600),
    "too many keys beside a long number": (
        call(n="1" * 20, a={str(n): 1 for n in range(50_000)}),
        -32600,
    ),
    "too many lists beside a long number": (call(n="1" * 20, a=[[]] * 6_000), -32600),
    "too many numbers beside a long one": (call(n="1" * 20, a=[1] * 50_000), -32600),
}


@pytest.mark.parametrize(("body", "code"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_message_is_refused(body: bytes, code: int) -> None:
    """Security rows 10, 11 and 24."""
    rejection = parse(body)

    assert isinstance(rejection, Rejection)
    assert rejection.code == code
    assert rejection.status in (400, 413)
    assert json.loads(rejection.body())["id"] in (None, 1)


@pytest.mark.parametrize("ident", [0, -1, 1, "1", "", "a b", 2**63 - 1, 2**64 - 1, -(2**63)])
def test_an_id_keeps_its_type(ident: int | str) -> None:
    message = parse(orjson.dumps({"jsonrpc": "2.0", "id": ident, "method": "x"}))

    assert isinstance(message, Message)
    assert type(message.id) is type(ident)
    assert json.loads(message.canonical)["id"] == ident


LARGE = {
    "text": call(a="x" * 4_000_000),
    "text in quotes and commas": call(a='"a", ' * 400_000),
    "text of backslashes": call(a='\\"' * 300_000),
    "numbers": call(a=[0.125] * 250_000),
    "rows": call(a=[{"name": f"n{n}", "value": n} for n in range(20_000)]),
    "text and a long number": call(n="1" * 20, a="x" * 3_000_000),
}


@pytest.mark.parametrize("body", LARGE.values(), ids=LARGE.keys())
def test_a_large_body_that_is_cheap_to_read_passes(body: bytes) -> None:
    assert isinstance(parse(body), Message)


def test_depth_up_to_the_limit_passes() -> None:
    """Obligation 65."""
    assert isinstance(parse(nested(DEPTH)), Message)
    wide = call(a=[[[]]] * 100, b=json.loads(nested(DEPTH - 1))["params"])
    assert isinstance(parse(wide), Message)


def test_depth_is_judged_beside_integers_that_the_fast_writer_refuses() -> None:
    deep = nested(DEPTH + 1).replace(b"{}", b'{"n":123456789012345678901234567890}', 1)
    flat = call(a=[[]] * 100).replace(b'"a"', b'"n":123456789012345678901234567890,"a"')

    assert isinstance(parse(deep), Rejection)
    assert isinstance(parse(flat), Message)


@pytest.mark.parametrize(
    "number", ["123456789012345678901234567890", "-9223372036854775809", "18446744073709551616"]
)
def test_a_number_of_any_length_survives(number: str) -> None:
    body = call(n="N").replace(b'"N"', number.encode())

    message = parse(body)

    assert isinstance(message, Message)
    assert number.encode() in message.canonical


def test_the_last_of_two_equal_keys_is_decided_on_and_sent() -> None:
    """Security row 10: no reader behind us can see the other one."""
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}'

    message = parse(body)

    assert isinstance(message, Message)
    assert message.params == {"name": "b"}
    assert b'"a"' not in message.canonical


def test_notifications_and_responses_are_told_apart() -> None:
    kinds = {
        b'{"jsonrpc":"2.0","method":"notifications/x"}': "notification",
        b'{"jsonrpc":"2.0","id":1,"result":{}}': "response",
        b'{"jsonrpc":"2.0","id":"a","error":{"code":1,"message":""}}': "response",
    }

    for body, kind in kinds.items():
        message = parse(body)
        assert isinstance(message, Message)
        assert message.kind == kind


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
def test_what_was_parsed_is_what_is_sent(value: object) -> None:
    """Security row 10: Python's own reader sees in the canonical bytes what was in the body."""
    body = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"arguments": value}, "extra": value}
    ).encode()

    message = parse(body)

    assert isinstance(message, Message)
    assert json.loads(message.canonical) == json.loads(body)


MEMBERS = {
    "jsonrpc": st.just("2.0"),
    "id": st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(1.5),
    "method": st.text(max_size=5) | st.just("tools/list") | st.integers(),
    "params": st.just({}) | st.just([]) | st.none(),
    "result": st.just({}),
    "error": st.just({"code": 1, "message": ""}),
}


@given(st.fixed_dictionaries({}, optional=MEMBERS))
def test_an_envelope_is_one_of_three_kinds_or_refused(envelope: dict[str, object]) -> None:
    """Obligation 7: and an id comes back as it was, in its type."""
    said = parse(json.dumps(envelope).encode())

    method = envelope.get("method")
    good_id = "id" in envelope and type(envelope["id"]) in (int, str)
    answers = ("result" in envelope) + ("error" in envelope)
    named = isinstance(method, str) and method.isascii() and method.isprintable() and method != ""
    asks = named and not answers and isinstance(envelope.get("params", {}), dict)
    if "jsonrpc" not in envelope:
        kind = ""
    elif "method" in envelope:
        kind = (
            ("request" if good_id else "" if "id" in envelope else "notification") if asks else ""
        )
    else:
        kind = "response" if good_id and answers == 1 else ""
    assert (said.kind if isinstance(said, Message) else "") == kind
    if isinstance(said, Message):
        assert (type(said.id), said.id) == (type(envelope.get("id")), envelope.get("id"))


@given(values)
def test_writing_and_reading_give_the_value_back(value: object) -> None:
    assert decode(encode(value)) == value
