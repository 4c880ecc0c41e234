"""Calls through the proxy to a real HTTP server, by the SDK's own client, in both eras."""

import pytest
from tests.proxy.peers.everything import Peer
from tests.proxy.rig import http_rig

MODES = ("legacy", "2026-07-28", "auto")


@pytest.mark.parametrize("stateless", [False, True], ids=["stateful", "stateless"])
@pytest.mark.parametrize("as_json", [False, True], ids=["streams", "json"])
@pytest.mark.parametrize("mode", MODES)
async def test_a_tool_is_called_over_http(mode: str, as_json: bool, stateless: bool) -> None:
    peer = Peer()
    options = {"json_response": as_json, "stateless_http": stateless}
    async with peer.http(**options) as app, http_rig(app) as rig:
        async with rig.client(mode) as client:
            result = await client.call_tool("echo", {"text": "höy"})

    assert result.content[0].text == "höy"
    assert peer.calls == ["höy"]
