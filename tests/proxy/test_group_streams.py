"""What a client of a group hears beside its calls."""

import asyncio

import pytest
from tests.proxy import grouped, rig
from tests.proxy.conditions import until, until_asked
from tests.proxy.test_bridge import ALL
from tests.proxy.test_group_service import ERAS, MODES, asked, both

from ostiary_proxy import config
from ostiary_proxy.exchange import Exchange

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


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


async def test_every_client_hears_once_that_a_members_list_is_another() -> None:
    heard: list[str] = []
    async with both() as made, asked(made, "legacy", "red", heard) as one:
        async with (
            made.client(MODES[1]) as other,
            other.listen(tools_list_changed=True) as listening,
        ):
            await one.call_tool("legacy_echo", {"text": "begun"})
            servers = [grouped.of(era, _features(era), policies=(ALL,)) for era in ERAS]
            made.apply(*servers, grouped.group([grouped.member(servers[0])]))
            assert type(await anext(aiter(listening))).__name__ == "ToolsListChanged"
            names = {tool.name for tool in (await other.list_tools()).tools}
            assert not any(name.startswith("modern_") for name in names)
        await until(lambda: "notifications/tools/list_changed" in heard)


async def test_a_session_has_one_stream() -> None:
    async with both() as made, made.raw() as raw:
        begun = await raw.initialize()
        headers = {
            "mcp-session-id": begun.headers["mcp-session-id"],
            "accept": "text/event-stream",
        }
        async with raw.http.stream("GET", raw.url, headers=headers) as first:
            assert first.status_code == 200
            second = await raw.http.get(raw.url, headers=headers)
            assert second.status_code == 409


async def test_a_listener_whose_right_is_taken_away_hears_no_more() -> None:
    async with both() as made, made.raw() as raw, asyncio.TaskGroup() as tasks:
        wanted = {"toolsListChanged": True}
        listening = tasks.create_task(raw.modern("subscriptions/listen", notifications=wanted))
        await until(lambda: any(_is_held(one) for one in made.proxy.backends._open()))
        servers = [grouped.of(era, _features(era), policies=()) for era in ERAS]
        made.apply(*servers, grouped.group([grouped.member(one) for one in servers]))
        assert "Access was revoked" in (await listening).text


def _is_held(exchange: Exchange) -> bool:
    endpoint = exchange.endpoint
    return exchange.holding and endpoint is not None and endpoint.server.name == "everyday"


def _features(era: str) -> config.StdioBackend:
    return rig.stdio(*rig.peer_command("features.py"), era)
