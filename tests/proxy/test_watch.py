"""How long an answer may take."""

import asyncio

import pytest
from tests.proxy.peers.scripted import Reply, event
from tests.proxy.rig import http_rig, request
from tests.proxy.test_relay import dump, saying

from ostiary_proxy import config, watch


async def test_silence_ends_a_call() -> None:
    peer = saying(Reply(body=[], hang=True, kind="text/event-stream"))
    limits = config.Limits(callSeconds=1)
    async with http_rig(peer, limits=limits) as rig, rig.raw() as raw:
        answer = await raw.legacy("tools/call", name="echo")

    assert b"did not answer in time" in answer.content
    assert rig.calls()[-1]["cut"] == "silent"
    assert peer.gone.is_set()


async def test_a_question_to_the_user_stops_the_clock_of_a_call() -> None:
    question = event(b'{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}')
    limits = config.Limits(callSeconds=1, inputSeconds=2)
    peer = saying(Reply(body=[question], hang=True, kind="text/event-stream"))
    async with http_rig(peer, limits=limits) as rig, rig.raw() as raw:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await raw.legacy("tools/call", name="echo")

        assert loop.time() - began >= 2


async def test_a_quiet_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "KEEP_ALIVE_SECONDS", 0.02)
    peer = saying(Reply(body=[], hang=True, kind="text/event-stream"))
    async with http_rig(peer) as rig, rig.raw() as raw:
        sent = dump(request("tools/call", name="echo"))
        headers = {"content-type": "application/json"}
        async with raw.http.stream("POST", rig.url, content=sent, headers=headers) as answer:
            async for chunk in answer.aiter_bytes():
                assert chunk.startswith(b": keep-alive\n\n")
                break
