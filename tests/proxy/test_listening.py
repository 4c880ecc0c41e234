"""A modern client's subscription at a legacy backend: obligations 36 and 52."""

import pytest
from tests.proxy.conditions import until
from tests.proxy.peers.features import NEW, Features
from tests.proxy.rig import http_rig
from tests.proxy.test_bridge import ALL

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


async def test_only_what_was_asked_for_is_honoured_and_told() -> None:
    peer = Features()
    async with (
        peer.http("legacy") as app,
        http_rig(app, policies=(ALL,)) as made,
        made.client(NEW) as client,
        client.listen(resource_subscriptions=["memo:one"]) as subscription,
    ):
        await client.call_tool("grow")
        await client.call_tool("touch")
        event = await anext(aiter(subscription))

        assert subscription.honored.tools_list_changed is None
        assert type(event).__name__ == "ResourceUpdated"


async def test_two_who_listen_share_one_subscription_upstream() -> None:
    """Obligation 37: counted, and ended with the last."""
    peer = Features()
    async with (
        peer.http("legacy") as app,
        http_rig(app, policies=(ALL,)) as made,
        made.client(NEW) as client,
    ):
        async with client.listen(resource_subscriptions=["memo:one"]):
            async with client.listen(resource_subscriptions=["memo:one"]):
                assert peer.subscribed == ["memo:one"]
            assert peer.subscribed == ["memo:one"]
        await until(lambda: peer.subscribed == [])


async def test_a_session_that_ends_is_replaced_and_the_client_told_to_look_again() -> None:
    """Obligation 36: something may have changed meanwhile."""
    peer = Features()
    async with (
        peer.http("legacy") as app,
        http_rig(app, policies=(ALL,)) as made,
        made.client(NEW) as client,
        client.listen(tools_list_changed=True, resource_subscriptions=["memo:one"]) as subscription,
    ):
        supervised = next(iter(made.proxy.backends._by_path.values()))
        places = supervised.bridge.modern.upstreams._places
        upstream = next(iter(places.values())).upstream
        assert upstream is not None
        upstream.channel.close()
        again = await anext(aiter(subscription))
        await client.call_tool("touch")
        after = await anext(aiter(subscription))

        assert type(again).__name__ == "ToolsListChanged"
        assert type(after).__name__ == "ResourceUpdated"
