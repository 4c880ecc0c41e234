"""Headers that repeat a call's arguments, and what becomes of a call whose headers do not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.conditions import until
from tests.proxy.rig import modern, modern_headers, peer_command, stdio_rig

from ostiary_proxy.agreement import disagreement
from ostiary_proxy.mirror import Mirror, headers

REGION = Mirror(b"mcp-param-region", ("where", "region"))
SCALARS = (
    st.booleans() | st.integers() | st.text(st.characters(exclude_categories=("Cs",)), min_size=1)
)


def modern_call(params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    return modern("tools/call", **params), modern_headers("tools/call", params)


def said(value: bytes | None, argument: Any) -> str:
    sent = [] if value is None else [(REGION.header, value)]
    return disagreement((REGION,), {"where": {"region": argument}}, sent)


AGREE: dict[str, tuple[bytes | None, Any]] = {
    "text": (b"eu", "eu"),
    "text in base64": (b"=?base64?ZXU=?=", "eu"),
    "half a sentinel": (b"=?base64?ZXU=", "=?base64?ZXU="),
    "a number": (b"42", 42),
    "a number with a fraction of nothing": (b"42.0", 42),
    "a number beyond any float": (b"9007199254740993", 9007199254740993),
    "true": (b"true", True),
    "an absent argument": (None, None),
    "a list, which no header can repeat": (None, ["eu"]),
}
DIFFER: dict[str, tuple[bytes | None, Any]] = {
    "other text": (b"us", "eu"),
    "no header": (None, "eu"),
    "no argument": (b"eu", None),
    "bad padding": (b"=?base64?ZXU?=", "eu"),
    "no base64": (b"=?base64?Z!!!=?=", "eu"),
    "another number": (b"43", 42),
    "a number by its nearest float": (b"9007199254740992", 9007199254740993),
    "a number in words of its own": (b"+42", 42),
    "a number with an exponent": (b"1e999999999", 42),
    "a number for a truth": (b"1", True),
    "another case": (b"True", True),
    "a list": (b"eu", ["eu"]),
}


@pytest.mark.parametrize(("value", "argument"), AGREE.values(), ids=AGREE.keys())
def test_a_header_that_says_the_same_agrees(value: bytes | None, argument: Any) -> None:
    assert said(value, argument) == ""


@pytest.mark.parametrize(("value", "argument"), DIFFER.values(), ids=DIFFER.keys())
def test_a_header_that_says_anything_else_is_named(value: bytes | None, argument: Any) -> None:
    assert "Mcp-Param-region" in said(value, argument)


@given(SCALARS)
def test_what_we_send_ourselves_agrees(value: bool | int | str) -> None:
    arguments = {"where": {"region": value}}

    assert disagreement((REGION,), arguments, list(headers((REGION,), arguments))) == ""


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)
PAIRS = (
    st.tuples(st.booleans(), st.booleans())
    | st.tuples(st.integers(), st.integers())
    | st.tuples(TEXTS, TEXTS)
)


@given(PAIRS)
def test_what_one_argument_sends_agrees_with_no_other(pair: tuple[Any, Any]) -> None:
    sent, meant = pair
    given_headers = tuple(headers((REGION,), {"where": {"region": sent}}))

    told = disagreement((REGION,), {"where": {"region": meant}}, given_headers)

    assert (told == "") is (sent == meant)


def test_a_header_that_comes_twice_agrees_with_nothing() -> None:
    sent = [(REGION.header, b"eu"), (REGION.header, b"eu")]

    assert disagreement((REGION,), {"where": {"region": "eu"}}, sent)


def test_a_header_that_the_tool_does_not_know_is_nobodys_business() -> None:
    assert disagreement((), {}, [(b"mcp-param-other", b"x")]) == ""


async def test_a_stdio_server_gets_no_call_whose_headers_say_another_thing() -> None:
    """Obligation 11: over stdio nobody behind the proxy could compare them."""
    async with stdio_rig(*peer_command("plain.py"), "mirrors") as made, made.raw() as raw:
        call = {"name": "echo", "arguments": {"region": "eu"}}
        body, head = modern_call(call)
        agreeing = await raw.post(body, **head, mcp_param_region="eu")
        missing = await raw.post(body, **head)
        other = await raw.post(body, **head, mcp_param_region="us")

    assert agreeing.json()["result"]["params"]["arguments"] == {"region": "eu"}
    for refused in (missing, other):
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == -32020
        assert refused.json()["id"] == 1


async def test_a_tool_that_changed_is_looked_at_when_a_call_does_not_agree_with_it() -> None:
    async with stdio_rig(*peer_command("plain.py"), "mirrors") as made, made.raw() as raw:
        looks = []
        look = made.backend.look

        async def counted() -> Any:
            looks.append(1)
            return await look()

        made.backend.look = counted
        body, head = modern_call({"name": "echo", "arguments": {"region": "eu"}})
        await raw.post(body, **head)

        await until(lambda: bool(looks))
