"""A member is followed: what it says of changes is looked up, and the rest now and then."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from tests.proxy import pods, rig
from tests.proxy.conditions import until
from tests.proxy.peers.features import Features
from tests.proxy.pods import cluster
from tests.proxy.test_bridge import ALL
from tests.proxy.test_group_service import said

from ostiary_proxy.config import Member
from ostiary_proxy.group_member import SOONEST_SECONDS, GroupMember
from ostiary_proxy.member_link import MemberLink
from ostiary_proxy.member_lists import Profile
from ostiary_proxy.pins import Book

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_tool_that_comes_is_told_of_and_listed(era: str) -> None:
    async with Features().http(era) as app, rig.served(app) as port, cluster() as made:
        await made.member("clock", port, policies=(ALL,))
        made.make_group()
        gateway = await made.gateway()
        await made.ready(gateway)
        before = pods.report(gateway).members[0]
        async with (
            pods.client(gateway, "2026-07-28") as client,
            client.listen(tools_list_changed=True) as listening,
        ):
            assert said(await client.call_tool("clock_grow"))
            assert type(await anext(aiter(listening))).__name__ == "ToolsListChanged"
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert "clock_grown" in names

        def counted() -> bool:
            now = pods.report(gateway).members[0]
            return (now.toolCount, now.toolsDigest != before.toolsDigest) == (
                before.toolCount + 1,
                True,
            )

        await until(counted)


class Talkative:
    """Asked for what it has, it has nothing; it always tells of a change."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def ask(self, profile: Profile, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(asyncio.get_running_loop().time())
        return {"capabilities": {}}

    async def changes(self, profile: Profile) -> AsyncIterator[str]:
        while True:
            yield "notifications/tools/list_changed"
            await asyncio.sleep(0)


async def test_a_member_that_always_tells_of_changes_is_asked_now_and_then() -> None:
    asks: Any = Talkative()
    link = MemberLink(
        Member(alias="a", namespace="tools", name="a", uid="a"),
        port=lambda: 1,
        resolve=pods.Names().resolve,
        clock=asyncio.get_running_loop().time,
    )
    member = GroupMember(link, asks, changed=lambda _: None, book=Book())
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(member.run())
        await until(lambda: len(asks.asked) > 3)
        following.cancel()
    assert all(later - one > 0.9 * SOONEST_SECONDS for one, later in pairwise(asks.asked))
