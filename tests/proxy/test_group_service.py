"""A group's endpoint before two real servers, called by real clients of both eras."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import orjson
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from tests.proxy import grouped, rig
from tests.proxy.conditions import until, until_asked
from tests.proxy.grouped import GroupRig, group_rig
from tests.proxy.test_bridge import ALL

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
    """protocol.md 47: in lists, templates, reads, links, completions."""
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


@pytest.mark.parametrize("mode", MODES)
async def test_questions_of_all_members_come_to_the_right_client(mode: str) -> None:
    async with both() as made:
        async with (
            asked(made, mode, "blue", []) as one,
            asked(made, mode, "green", []) as other,
        ):
            for alias in ERAS:
                # Over stdio a server that asks for the first time keeps its calls apart from then.
                await one.call_tool(f"{alias}_ask")
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(client.call_tool(f"{alias}_ask"))
                    for client in (one, other)
                    for alias in (*ERAS, *ERAS)
                ]
        answers = [said(task.result()) for task in running]
    assert answers == ["blue"] * 4 + ["green"] * 4


@pytest.mark.parametrize("mode", MODES)
async def test_progress_and_logs_come_with_their_call(mode: str) -> None:
    steps: list[float] = []

    async def step(done: float, total: float | None, message: str | None) -> None:
        steps.append(done)

    async with both() as made, made.client(mode) as client:
        for alias in ERAS:
            assert said(await client.call_tool(f"{alias}_count", progress_callback=step))
        await until(lambda: steps == [1, 2, 3, 1, 2, 3])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("alias", ERAS)
async def test_what_a_client_cancels_ends_at_its_member(mode: str, alias: str) -> None:
    async with (
        both() as made,
        made.client(mode) as client,
        asyncio.TaskGroup() as tasks,
    ):

        async def notes() -> dict[str, list[str]]:
            told = await client.call_tool(f"{alias}_notes")
            found: dict[str, list[str]] = orjson.loads(said(told))
            return found

        task = tasks.create_task(client.call_tool(f"{alias}_wait", {"name": "mine"}))

        async def began() -> bool:
            return "wait" in (await notes())["calls"]

        async def ended() -> bool:
            return "mine" in (await notes())["cancelled"]

        await until_asked(began)
        task.cancel()
        await until_asked(ended)


async def test_a_legacy_client_hears_of_its_resources_and_of_other_lists() -> None:
    heard: list[str] = []
    async with both() as made, asked(made, "legacy", "red", heard) as client:
        await client.subscribe_resource("legacy+memo:one")

        async def told() -> bool:
            await client.call_tool("legacy_touch")
            return "notifications/resources/updated" in heard

        await until_asked(told)
        await client.unsubscribe_resource("legacy+memo:one")


async def test_a_modern_client_follows_resources_of_several_members() -> None:
    async with both() as made, made.client(MODES[1]) as client:
        uris = [f"{alias}+memo:one" for alias in ERAS]
        async with client.listen(tools_list_changed=True, resource_subscriptions=uris) as listening:
            assert listening.honored.tools_list_changed
            assert sorted(listening.honored.resource_subscriptions or ()) == sorted(uris)
            events = aiter(listening)
            for alias in ERAS:
                await client.call_tool(f"{alias}_touch")
                event = await anext(events)
                assert (type(event).__name__, str(event.uri)) == (  # type: ignore[union-attr]
                    "ResourceUpdated",
                    f"{alias}+memo:one",
                )


async def test_handshakes_tell_of_all_members() -> None:
    async with both() as made:
        for mode in ("legacy", "auto"):
            async with made.client(mode) as client:
                info = client.server_info
                assert info is not None
                assert info.name == "agents/everyday"
                told = client.instructions or ""
                assert "## legacy\n\nTry them all." in told
                assert "## modern\n\nTry them all." in told
                offered = client.server_capabilities
                assert offered.tools is not None
                assert offered.tools.list_changed
                assert offered.resources is not None
                assert offered.resources.subscribe


async def test_each_member_has_a_way_of_its_own_that_changes_nothing() -> None:
    async with both() as made:
        for mode in ("legacy", "auto"):
            async with made.client(mode, url=made.way("legacy")) as client:
                info = client.server_info
                assert info is not None
                assert info.name == "features"
                assert client.instructions == "Try them all."
                names = {tool.name for tool in (await client.list_tools()).tools}
                assert "echo" in names
                assert said(await client.call_tool("echo", {"text": "plain"})) == "plain"
                read = await client.read_resource("memo:one")
                assert str(read.contents[0].uri) == "memo:one"
        async with made.raw(url=made.way("legacy")) as raw:
            # A token for the whole group is none for one member's way.
            assert (await raw.modern("tools/list")).status_code == 401


async def test_sessions_begin_at_their_first_use_and_end_everywhere() -> None:
    async with both() as made, made.raw() as raw:
        begun = await raw.initialize()
        session = {"mcp_session_id": begun.headers["mcp-session-id"]}
        listed = await raw.legacy("tools/list", headers=session)
        assert listed.json()["result"]["tools"]
        assert (await raw.legacy("ping", headers=session)).json()["result"] == {}
        called = await raw.legacy(
            "tools/call", 2, headers=session, name="legacy_echo", arguments={"text": "x"}
        )
        assert called.json()["result"]["content"][0]["text"] == "x"
        again = await raw.legacy("tasks/list", 3, headers=session)
        assert again.json()["error"]["code"] == -32601
        ended = await raw.http.delete(raw.url, headers=rig.dashed(session))
        assert ended.status_code == 204
    handshakes = [
        line["server"]
        for line in made.trail
        if line.get("method") == "initialize" and line["subject"] == rig.PLANNER
    ]
    # The gateway's own look at a member is modern: a handshake there is a client's.
    assert handshakes.count("legacy") == 1
    assert handshakes.count("modern") == 0
    deletes = [line["server"] for line in made.trail if line.get("method") == "DELETE"]
    assert sorted(deletes) == ["everyday", "legacy"]
