"""Headers from bodies."""

from typing import Any

import pytest
from mcp.shared.inbound import mcp_param_headers, x_mcp_header_map

from ostiary_cli.mirrors import Parameters, modern_version

SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "deep": {
            "type": "object",
            "properties": {
                "n": {"type": "integer", "x-mcp-header": "N"},
                "b": {"type": "boolean", "x-mcp-header": "B"},
            },
        },
    },
}


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"region": "eu", "deep": {"n": 5, "b": True}},
        {"region": " edge ", "deep": {"n": 2**70, "b": False}},
        {"region": "ü", "deep": []},
        {"region": None, "deep": {"n": None}},
        {"region": "=?base64?eA==?="},
        {"region": ["no", "scalar"]},
    ],
)
def test_parameters_are_repeated_as_the_sdk_repeats_them(arguments: dict[str, Any]) -> None:
    parameters = Parameters()
    parameters.learn({"tools": [{"name": "t", "inputSchema": SCHEMA}, None, {"name": 3}]})

    call = {"method": "tools/call", "params": {"name": "t", "arguments": arguments}}
    headers = parameters.mirrored(call, "2026-07-28")

    given = {name: value for name, value in headers.items() if name.startswith("Mcp-Param-")}
    assert given == mcp_param_headers(x_mcp_header_map(SCHEMA), arguments)


def test_a_tool_with_a_bad_annotation_has_none() -> None:
    parameters = Parameters()
    schema = {"properties": {"a": {"type": "object", "x-mcp-header": "A"}}}
    parameters.learn({"tools": [{"name": "t", "inputSchema": schema}]})

    call = {"method": "tools/call", "params": {"name": "t", "arguments": {"a": {}}}}
    assert set(parameters.mirrored(call, "v")) == {"MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"}


@pytest.mark.parametrize(
    ("data", "version"),
    [
        (
            {"params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}},
            "2026-07-28",
        ),
        (
            {"params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "2030-01-01"}}},
            "2030-01-01",
        ),
        ({"params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "2025-06-18"}}}, ""),
        ({"params": {"_meta": {"io.modelcontextprotocol/protocolVersion": 5}}}, ""),
        ({"params": []}, ""),
        ({}, ""),
        ([], ""),
    ],
)
def test_a_message_says_which_era_it_is_of(data: Any, version: str) -> None:
    assert modern_version(data) == version
