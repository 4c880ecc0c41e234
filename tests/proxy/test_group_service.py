"""A group's endpoint before two real servers, called by real clients of both eras."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from tests.proxy import grouped, rig
from tests.proxy.grouped import GroupRig, group_rig
from tests.proxy.test_bridge import ALL

from ostiary_proxy import config

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

MODES = ("legacy", "2026-07-28")
ERAS = ("legacy", "modern")


def said(result: types.CallToolResult) -> str:
    assert not result.is_error
    return str(result.content[0].text)  # type: ignore[union-attr]


@asynccontextmanager
async def both(**more: Any) -> AsyncIterator[GroupRig]:
    """A server of each era, over stdio."""
    servers = [
        grouped.of(era, rig.stdio(*rig.peer_command("features.py"), era), policies=(ALL,))
        for era in ERAS
    ]
    whole = grouped.group([grouped.member(one) for one in servers], **more)
    async with group_rig(*servers, whole) as made:
        await made.ready()
        yield made


@asynccontextmanager
async def asked(made: GroupRig, mode: str, colour: str, heard: list[str]) -> AsyncIterator[Client]:
    """A client whose user says this colour."""

    async def elicit(_: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"colour": colour})

    async def roots(_: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri="file:///home")])  # type: ignore[arg-type]

    async def handle(message: Any) -> None:
        heard.append(getattr(message, "method", ""))

    async with made.client(
        mode, elicitation_callback=elicit, list_roots_callback=roots, message_handler=handle
    ) as client:
        yield client


@pytest.mark.parametrize("mode", MODES)
async def test_all_tools_are_in_one_list_and_each_call_comes_to_its_member(mode: str) -> None:
    async with both() as made, made.client(mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"legacy_echo", "modern_echo", "legacy_count", "modern_count"} <= names
        assert all(name.startswith(("legacy_", "modern_")) for name in names)
        for alias in ERAS:
            assert said(await client.call_tool(f"{alias}_echo", {"text": alias})) == alias
        with pytest.raises(MCPError) as none:
            await client.call_tool("nobody_echo", {"text": "x"})
        with pytest.raises(MCPError) as bare:
            await client.call_tool("echo", {"text": "x"})
    assert none.value.error.code == bare.value.error.code == -32602
    calls = [line for line in made.trail if line.get("method") == "tools/call"]
    assert {line["server"] for line in calls} == {"everyday", *ERAS}
    members = [line for line in calls if line["server"] != "everyday"]
    assert {line.get("via") for line in members} == {"group:agents/everyday"}
    assert {line["subject"] for line in members} == {rig.PLANNER}


@pytest.mark.parametrize("mode", MODES)
async def test_resources_and_prompts_bear_their_members_names(mode: str) -> None:
    """Obligations 47, 48 and 50. protocol.md 47: in lists, templates, reads, links, completions."""
    async with both() as made, made.client(mode) as client:
        listed = {str(one.uri) for one in (await client.list_resources()).resources}
        templates = (await client.list_resource_templates()).resource_templates
        prompts = {one.name for one in (await client.list_prompts()).prompts}
        read = await client.read_resource("modern+memo:one")
        sung = await client.call_tool("legacy_sing")
        prompt = await client.get_prompt("legacy_greet")
        reference = types.PromptReference(type="ref/prompt", name="modern_greet")
        completed = await client.complete(reference, {"name": "name", "value": "A"})
        with pytest.raises(MCPError):
            await client.read_resource("memo:one")

    assert listed == {"legacy+memo:one", "modern+memo:one"}
    assert {one.uri_template for one in templates} == {
        "legacy+memo:{name}",
        "modern+memo:{name}",
    }
    assert prompts == {"legacy_greet", "modern_greet"}
    assert str(read.contents[0].uri) == "modern+memo:one"
    assert str(sung.content[1].uri) == "legacy+memo:one"  # type: ignore[union-attr]
    assert prompt.messages[0].content.text == "Hello"  # type: ignore[union-attr]
    assert completed.completion.values == ["Anna"]


@pytest.mark.parametrize("level", [[], {}, None, "loud"])
async def test_a_level_that_is_none_is_refused(level: Any) -> None:
    async with both() as made, made.raw() as raw:
        session = {"mcp_session_id": (await raw.initialize()).headers["mcp-session-id"]}
        answer = await raw.legacy("logging/setLevel", headers=session, level=level)
        assert (answer.status_code, answer.json()["error"]["code"]) == (200, -32602)


async def test_what_two_members_call_alike_is_neithers_and_is_not_counted() -> None:
    async with both(naming=config.Naming(mode="Never")) as made:
        async with made.client("2026-07-28") as client:
            assert (await client.list_tools()).tools == []
            with pytest.raises(MCPError):
                await client.call_tool("echo", {"text": "x"})
        members = made.report.members
        assert [one.toolCount for one in members] == [0, 0]
        assert all("echo" in one.conflicts and "greet" in one.conflicts for one in members)


async def test_an_answer_that_no_member_asked_for_begins_no_session() -> None:
    async with both() as made, made.raw() as raw:
        session = {"mcp_session_id": (await raw.initialize()).headers["mcp-session-id"]}
        answer = {"jsonrpc": "2.0", "id": "legacy|1", "result": {}}
        assert (await raw.post(answer, **session)).status_code == 202
    begun = [line for line in made.trail if line.get("method") == "initialize"]
    assert {line["server"] for line in begun if line["subject"] == rig.PLANNER} == {"everyday"}
