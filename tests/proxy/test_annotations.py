"""Tools whose header annotations a client may not follow."""

from typing import Any

import pytest
from mcp.shared.inbound import find_invalid_x_mcp_header
from tests.proxy.peers.scripted import Reply, Scripted, result
from tests.proxy.rig import http_rig

from ostiary_proxy.annotations import KEY, SCHEMAS, bears, flaw


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


REGION = {"type": "string", KEY: "Region"}
FINE: dict[str, Any] = {
    "none": schema(a={"type": "string"}),
    "one": schema(a=REGION),
    "three kinds": schema(
        a=REGION, b={"type": "integer", KEY: "N"}, c={"type": "boolean", KEY: "B"}
    ),
    "nested": schema(a=schema(b=REGION)),
    "in a default": schema(a={"type": "object", "default": {KEY: 7}}),
    "in an enum": schema(a={"enum": [{KEY: 7}]}),
    "behind a reference": {**schema(a={"$ref": "#/x"}), "x": {KEY: 7}},
    "no schema": None,
    "true": True,
}
BAD: dict[str, Any] = {
    "at the root": {**schema(), KEY: "Region"},
    "in items": schema(a={"type": "array", "items": REGION}),
    "in a definition": {**schema(), "$defs": {"a": REGION}},
    "in oneOf": schema(a={"oneOf": [REGION]}),
    "below items": schema(a={"type": "array", "items": schema(b=REGION)}),
    "a number": schema(a={"type": "number", KEY: "N"}),
    "an object": schema(a={"type": "object", KEY: "N"}),
    "no type": schema(a={KEY: "N"}),
    "two types": schema(a={"type": ["string", "null"], KEY: "N"}),
    "not a name": schema(a={"type": "string", KEY: "a b"}),
    "a line break": schema(a={"type": "string", KEY: "a\r\nb"}),
    "empty": schema(a={"type": "string", KEY: ""}),
    "no string": schema(a={"type": "string", KEY: 7}),
    "twice": schema(a=REGION, b={"type": "string", KEY: "REGION"}),
}


@pytest.mark.parametrize("value", FINE.values(), ids=FINE.keys())
def test_a_fine_schema_has_no_flaw(value: Any) -> None:
    assert flaw(value) == ""
    assert find_invalid_x_mcp_header(value) is None


@pytest.mark.parametrize("value", BAD.values(), ids=BAD.keys())
def test_a_bad_annotation_is_a_flaw_as_it_is_for_the_sdk(value: Any) -> None:
    assert flaw(value)
    assert find_invalid_x_mcp_header(value)


async def test_a_modern_client_is_not_shown_a_tool_that_it_would_have_to_drop() -> None:
    tools = [
        {"name": "good", "inputSchema": schema(a=REGION)},
        {"name": "bad", "inputSchema": schema(a={"type": "number", KEY: "N"})},
    ]
    answers = {"tools/list": lambda seen: Reply(body=result(seen.body["id"], {"tools": tools}))}
    async with http_rig(Scripted(answers=answers)) as rig, rig.raw() as raw:
        modern = (await raw.modern("tools/list")).json()["result"]["tools"]
        legacy = (await raw.legacy("tools/list")).json()["result"]["tools"]

    assert modern == tools[:1]
    assert legacy == tools


def test_a_large_schema_has_a_flaw_only_where_annotations_are_in_it() -> None:
    """It is not walked to its end: that would hold the loop."""
    large: dict[str, Any] = {"properties": {f"k{n}": {} for n in range(SCHEMAS)}}
    annotated = {"type": "string", KEY: "Region"}

    assert flaw(large) == ""
    assert "more than" in flaw({"properties": {**large["properties"], "a": annotated}})
    assert flaw({"properties": {"a": annotated, **{f"k{n}": {} for n in range(99)}}}) == ""


def test_a_schema_that_is_too_deep_to_be_written_may_bear_one() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"properties": {"a": deep}}

    assert bears(deep)
    assert not bears({"properties": {}})
    assert not bears("x-mcp-header")
