"""Which revision a request speaks, and what it is about."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy.era import Spoken, decode_value, encode_value, spoken, targets
from ostiary_proxy.message import Message, Rejection, parse
from ostiary_proxy.policy import Target

NEW = "2026-07-28"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
META: dict[str, Any] = {VERSION_KEY: NEW, CAPABILITIES_KEY: {}}


def message(method: str, ident: int | None = 1, **params: object) -> Message:
    data: dict[str, object] = {"jsonrpc": "2.0", "method": method, "params": params}
    if ident is not None:
        data["id"] = ident
    parsed = parse(orjson.dumps(data))
    assert isinstance(parsed, Message)
    return parsed


def headers(**values: str | None) -> dict[bytes, bytes]:
    given: dict[str, str | None] = {
        "mcp-protocol-version": NEW,
        "mcp-method": "tools/call",
        "mcp-name": "echo",
        **{name.replace("_", "-"): value for name, value in values.items()},
    }
    return {name.encode(): value.encode() for name, value in given.items() if value is not None}


CALL = message("tools/call", name="echo", _meta=META)


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_a_handshake_revision_is_legacy(version: str) -> None:
    said = spoken({b"mcp-protocol-version": version.encode()}, message("tools/list"))

    assert said == Spoken("legacy", version)


def test_no_revision_is_legacy() -> None:
    assert spoken({}, message("tools/list")) == Spoken("legacy", "")


def test_a_whole_modern_request_is_modern() -> None:
    assert spoken(headers(), CALL) == Spoken("modern", NEW)


LADDER = {
    "modern body without header": ({}, CALL, -32020),
    "modern body with a legacy header": (
        headers(mcp_protocol_version="2025-11-25"),
        CALL,
        -32020,
    ),
    "no envelope": (headers(), message("tools/call", name="echo"), -32602),
    "no capabilities": (
        headers(),
        message("tools/call", name="echo", _meta={VERSION_KEY: NEW}),
        -32602,
    ),
    "capabilities a list": (
        headers(),
        message("tools/call", name="echo", _meta={**META, CAPABILITIES_KEY: []}),
        -32602,
    ),
    "another revision in the body": (
        headers(),
        message("tools/call", name="echo", _meta={**META, VERSION_KEY: "2027-01-01"}),
        -32020,
    ),
    "no method": (headers(mcp_method=None), CALL, -32020),
    "another method": (headers(mcp_method="tools/list"), CALL, -32020),
    "no name": (headers(mcp_name=None), CALL, -32020),
    "another name": (headers(mcp_name="other"), CALL, -32020),
    "a broken sentinel": (headers(mcp_name="=?base64?%%%?="), CALL, -32020),
    "stray bits in a sentinel": (headers(mcp_name="=?base64?ZWNob3==?="), CALL, -32020),
    "unknown revision": (
        headers(mcp_protocol_version="2030-01-01"),
        message("tools/call", name="echo", _meta={**META, VERSION_KEY: "2030-01-01"}),
        -32022,
    ),
    "a removed method": (
        headers(mcp_method="initialize", mcp_name=None),
        message("initialize", _meta=META),
        -32601,
    ),
}


@pytest.mark.parametrize(("given_headers", "said", "code"), LADDER.values(), ids=LADDER.keys())
def test_the_ladder_refuses(given_headers: dict[bytes, bytes], said: Message, code: int) -> None:
    """Security row 9."""
    rejection = spoken(given_headers, said)

    assert isinstance(rejection, Rejection)
    assert rejection.code == code
    assert rejection.status == (404 if code == -32601 else 400)
    assert rejection.id == 1


def test_an_unsupported_revision_is_told_what_is_supported() -> None:
    said = message("tools/call", name="echo", _meta={**META, VERSION_KEY: "2030-01-01"})

    rejection = spoken(headers(mcp_protocol_version="2030-01-01"), said)

    assert isinstance(rejection, Rejection)
    assert rejection.data is not None
    assert rejection.data["requested"] == "2030-01-01"
    # What `server/discover` names: a revision with a handshake is none that could be asked for so.
    assert rejection.data["supported"] == [NEW]


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_a_mirrored_value_survives(value: str) -> None:
    encoded = encode_value(value)

    assert all(0x20 <= byte < 0x7F for byte in encoded)
    assert decode_value(encoded) == value


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)


@given(TEXTS, TEXTS, st.sampled_from(["tools/call", "prompts/get", "resources/read"]))
def test_a_request_is_modern_only_if_its_header_names_what_its_body_names(
    named: str, meant: str, method: str
) -> None:
    key = "uri" if method == "resources/read" else "name"
    for header in (named, meant):
        given_headers = headers(mcp_method=method, mcp_name=encode_value(header).decode())

        said = spoken(given_headers, message(method, **{key: meant, "_meta": META}))

        if header == meant:
            assert said == Spoken("modern", NEW)
        else:
            assert isinstance(said, Rejection)
            assert said.code == -32020


ABOUT = {
    "tool": (message("tools/call", name="a"), (Target("tool", "a"),)),
    "prompt": (message("prompts/get", name="a"), (Target("prompt", "a"),)),
    "read": (message("resources/read", uri="m:1"), (Target("resource", "m:1"),)),
    "subscribe": (message("resources/subscribe", uri="m:1"), (Target("resource", "m:1"),)),
    "list": (message("tools/list"), (Target("list"),)),
    "protocol": (message("initialize"), (Target("protocol"),)),
    "prompt completion": (
        message("completion/complete", ref={"type": "ref/prompt", "name": "p"}),
        (Target("prompt", "p"),),
    ),
    "resource completion": (
        message("completion/complete", ref={"type": "ref/resource", "uri": "m:{x}"}),
        (Target("resource", "m:{x}"),),
    ),
    "listen": (
        message("subscriptions/listen", notifications={"resourceSubscriptions": ["m:1", "m:2"]}),
        (Target("protocol"), Target("resource", "m:1"), Target("resource", "m:2")),
    ),
    "unknown": (message("vendor/thing", name="a"), (Target("unknown", "vendor/thing"),)),
    "unknown notification": (
        message("notifications/vendor", None),
        (Target("unknown", "notifications/vendor"),),
    ),
}


@pytest.mark.parametrize(("said", "about"), ABOUT.values(), ids=ABOUT.keys())
def test_the_policy_is_asked_about_what_the_body_names(
    said: Message, about: tuple[Target, ...]
) -> None:
    assert targets(said) == about


@pytest.mark.parametrize(
    "said",
    [
        message("tools/call"),
        message("tools/call", name=7),
        message("resources/read", uri=None),
        message("completion/complete", ref={"type": "other"}),
        message("subscriptions/listen", notifications={"resourceSubscriptions": [1]}),
        message("tools/call", name="x" * 1025),
        message("resources/read", uri="x" * 8193),
        message("completion/complete", ref={"type": "ref/prompt", "name": "x" * 1025}),
        message("subscriptions/listen", notifications={"resourceSubscriptions": ["m:1"] * 257}),
        message("subscriptions/listen", notifications={"resourceSubscriptions": ["x" * 8193]}),
    ],
    ids=lambda said: f"{said.method} {str(said.params)[:30]}",
)
def test_a_request_that_names_nothing_is_refused(said: Message) -> None:
    rejection = targets(said)

    assert isinstance(rejection, Rejection)
    assert rejection.code == -32602
