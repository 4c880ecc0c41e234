"""The gates that every backend shares: eras and room."""

import orjson
import pytest
from tests.proxy.peers.scripted import Reply, Scripted
from tests.proxy.rig import http_rig, request
from tests.proxy.test_relay import dump, saying

from ostiary_proxy import config


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_caller_of_an_era_that_the_backend_does_not_speak_is_told(era: str) -> None:
    peer = Scripted(eras=(era,))
    async with http_rig(peer) as rig, rig.raw() as raw:
        if era == "legacy":
            discovered = await raw.modern("server/discover")
            pinned = await raw.modern("tools/call", name="echo")
            assert (discovered.status_code, discovered.json()["error"]["code"]) == (404, -32601)
            assert (pinned.status_code, pinned.json()["error"]["code"]) == (400, -32022)
            supported = pinned.json()["error"]["data"]["supported"]
            assert supported == ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
        else:
            answer = await raw.initialize()
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)
            assert answer.json()["error"]["data"]["supported"] == ["2026-07-28"]
            assert (await raw.http.get(rig.url)).status_code == 405


async def test_an_auto_client_falls_back_to_a_legacy_backend() -> None:
    peer = Scripted(eras=("legacy",), session="s1")
    async with http_rig(peer) as rig, rig.client("auto") as client:
        tools = await client.list_tools()

    assert [tool.name for tool in tools.tools] == ["echo", "hidden_one"]


async def test_more_calls_than_allowed_are_turned_away() -> None:
    peer = saying(Reply(body=[], hang=True, kind="text/event-stream"))
    async with (
        http_rig(peer, limits=config.Limits(concurrency=1)) as rig,
        rig.raw() as raw,
    ):
        sent = dump(request("tools/call", name="echo"))
        headers = {"content-type": "application/json"}
        async with raw.http.stream("POST", rig.url, content=sent, headers=headers):
            busy = await raw.legacy("tools/call", name="echo")
            discovered = await raw.modern("server/discover")

    assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")
    assert orjson.loads(busy.content)["error"]["code"] == -32603
    assert discovered.status_code == 200
