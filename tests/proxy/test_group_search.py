"""`discovery: Search`, with real clients of both eras: two tools find and call all others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from tests.proxy import grouped, rig
from tests.proxy.grouped import GroupRig
from tests.proxy.test_group_service import both, said

from ostiary_proxy import config

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

MODES = ("legacy", "2026-07-28")
ONLY_ECHO = config.Policy(
    namespace="agents",
    name="only-echo",
    rules=(
        config.Rule(
            name="echo",
            subjects=(rig.subject("*"),),
            allow=config.Allow(tools=("echo",)),
        ),
    ),
)


@asynccontextmanager
async def searched(**more: Any) -> AsyncIterator[GroupRig]:
    async with both(discovery="Search", **more) as made:
        yield made


@pytest.mark.parametrize("mode", MODES)
async def test_two_tools_find_and_call_all_others(mode: str) -> None:
    async with searched() as made, made.client(mode) as client:
        listed = (await client.list_tools()).tools
        assert [tool.name for tool in listed] == ["find_tools", "call_tool"]
        result = await client.call_tool("find_tools", {"query": "echo", "limit": 2})
        shown = (result.structured_content or {})["tools"]
        assert sorted(tool["name"] for tool in shown) == ["legacy_echo", "modern_echo"]
        assert shown[0]["inputSchema"]["type"] == "object"
        for alias in ("legacy", "modern"):
            arguments = {"text": alias, "region": "Köln"}
            called = {"name": f"{alias}_echo", "arguments": arguments}
            assert said(await client.call_tool("call_tool", called)) == alias
        # The tool itself is there too, for whoever knows its name.
        assert said(await client.call_tool("legacy_echo", {"text": "direct"})) == "direct"
    # What is decided and on record is the tool, and not what stood for it.
    names = {
        line.get("name")
        for line in made.trail
        if line.get("method") == "tools/call" and line["server"] == "everyday"
    }
    assert {"legacy_echo", "modern_echo"} <= names
    assert "call_tool" not in names


@pytest.mark.parametrize("mode", MODES)
async def test_nothing_is_found_or_called_that_its_caller_may_not(mode: str) -> None:
    async with searched(policies=(ONLY_ECHO,)) as made, made.client(mode) as client:
        result = await client.call_tool("find_tools", {"query": ""})
        shown = (result.structured_content or {})["tools"]
        assert sorted(tool["name"] for tool in shown) == ["legacy_echo", "modern_echo"]
        for name in ("legacy_count", "nobody_has"):
            with pytest.raises(MCPError) as refused:
                await client.call_tool("call_tool", {"name": name})
            assert refused.value.error.code == -32602


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("find_tools", {}),
        ("find_tools", {"query": 7}),
        ("find_tools", {"query": "echo", "limit": 0}),
        ("call_tool", {}),
        ("call_tool", {"name": "call_tool"}),
        ("call_tool", {"name": "legacy_echo", "text": "outside of arguments"}),
        ("call_tool", {"name": "legacy_echo", "arguments": "text"}),
    ],
)
async def test_a_model_that_asks_wrongly_reads_how_to_ask(tool: str, arguments: Any) -> None:
    async with searched() as made, made.client("legacy") as client:
        result = await client.call_tool(tool, arguments)
        assert result.is_error
        assert result.content[0].text  # type: ignore[union-attr]


async def test_a_group_without_search_has_no_such_tools() -> None:
    async with both() as made, made.client("legacy") as client:
        for tool in ("find_tools", "call_tool"):
            with pytest.raises(MCPError):
                await client.call_tool(tool, {"query": "echo", "name": "legacy_echo"})


@pytest.mark.parametrize("name", [[], {}, None, 7])
async def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    async with searched() as made, made.raw() as raw:
        session = {"mcp_session_id": (await raw.initialize()).headers["mcp-session-id"]}
        answer = await raw.legacy("tools/call", headers=session, name=name, arguments={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)


async def test_a_group_that_begins_to_be_searched_takes_the_two_names_from_its_members() -> None:
    clock = grouped.of("call", rig.stdio(), path="/tools/call/mcp")
    member = grouped.member(clock)
    naming = config.Naming(separator="_")
    async with grouped.group_rig(clock, grouped.group([member], naming=naming)) as made:
        await made.ready()
        snapshot = made.proxy.runtime.snapshot
        assert snapshot is not None
        rules = snapshot.endpoints["/agents/everyday-group/mcp"].rules
        assert rules.group is not None
        places = rules.group.places
        assert places.place("tool", "call_tool") == ("call", "tool")
        made.apply(clock, grouped.group([member], naming=naming, discovery="Search"))
        assert places.place("tool", "call_tool") is None
