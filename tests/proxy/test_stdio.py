"""Calls through the proxy to a real stdio server, by the SDK's own client, in both eras."""

import pytest
from tests.proxy.rig import stdio_rig

MODES = ("legacy", "2026-07-28", "auto")


@pytest.mark.parametrize("mode", MODES)
async def test_a_tool_is_called_over_stdio(mode: str) -> None:
    async with stdio_rig() as rig, rig.client(mode) as client:
        result = await client.call_tool("echo", {"text": "höy"})

    assert result.content[0].text == "höy"
