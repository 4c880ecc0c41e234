"""A member is followed: what it says of changes is looked up, and the rest now and then."""

import pytest
from tests.proxy import pods, rig
from tests.proxy.conditions import until
from tests.proxy.peers.features import Features
from tests.proxy.pods import cluster
from tests.proxy.test_bridge import ALL
from tests.proxy.test_group_service import said

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
