"""Ways into a group: to all of it, and to each member."""

import pytest
from tests.proxy import grouped, rig
from tests.proxy.test_group_service import both, said

from ostiary_proxy import config
from ostiary_proxy.group_places import GroupPlaces, aggregate_audiences, passthroughs

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


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


def test_each_way_has_audiences_of_its_own() -> None:
    one, other = (grouped.of(name, rig.stdio()) for name in ("clock", "notes"))
    whole = grouped.group([grouped.member(one), grouped.member(other)])
    assert aggregate_audiences(whole) == (grouped.AUDIENCE,)
    ways = {way.path: way.audiences for way in passthroughs(whole)}
    assert ways == {
        f"/agents/everyday-group/servers/{alias}/mcp": (
            f"http://everyday-group.agents.svc/servers/{alias}/mcp",
        )
        for alias in ("clock", "notes")
    }
    assert {way.uid for way in passthroughs(whole)} == {
        f"{grouped.GROUP}/clock",
        f"{grouped.GROUP}/notes",
    }


def test_a_book_is_of_one_server_whatever_it_is_called() -> None:
    clock = grouped.of("clock", rig.stdio())
    whole = grouped.group([grouped.member(clock)])
    assert isinstance(whole.backend, config.GroupBackend)
    places = GroupPlaces(whole.backend)
    book = places.books(whole.backend)["clock"]
    renamed = grouped.group([grouped.member(clock, alias="time")])
    assert isinstance(renamed.backend, config.GroupBackend)
    assert places.books(renamed.backend)["time"] is book
