"""How long an answer may take, and how long a stream is held."""

import asyncio

import pytest
from tests.proxy.conditions import until_asked
from tests.proxy.peers.scripted import Reply, event
from tests.proxy.rig import http_rig, request
from tests.proxy.streams import SUBSCRIPTION, held, listening, patient, session_of
from tests.proxy.test_relay import dump, saying
from tests.proxy.test_stdio import call, events

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


QUESTION = event(b'{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}')
LOGGED = event(b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":1}}')


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b": ping\n\n"),
        (b"", b": ping\r\n\r\nid: 7\r\n\r\n"),
        (QUESTION, b": ping\n\n"),
        (QUESTION, LOGGED),
    ],
    ids=["comments", "ids", "comments after a question", "logs after a question"],
)
async def test_what_says_nothing_of_the_call_does_not_lengthen_it(
    first: bytes, then: bytes
) -> None:
    """protocol.md 6.4, clocks: frameworks send comments for as long as a tool hangs, and a person
    has the time that the owner gives them."""
    more = Reply(body=[first, *[then] * 100_000], hang=True, kind="text/event-stream", pause=0.01)
    peer = saying(more)
    limits = config.Limits(callSeconds=1, inputSeconds=1)
    async with http_rig(peer, limits=limits) as rig, rig.raw() as raw:
        answer = await raw.legacy("tools/call", name="echo")

    assert b"did not answer in time" in answer.content
    assert rig.calls()[-1]["cut"] == "silent"


async def test_a_message_that_comes_slowly_is_waited_for() -> None:
    """Each part of it is a sign of life."""
    whole = event(dump({"jsonrpc": "2.0", "id": 1, "result": {"content": []}}))
    pieces = [bytes((byte,)) for byte in whole]
    slow = Reply(body=pieces, kind="text/event-stream", pause=2.5 / len(pieces))
    async with http_rig(saying(slow), limits=config.Limits(callSeconds=1)) as rig, rig.raw() as raw:
        answer = await raw.legacy("tools/call", name="echo")

    assert rig.calls()[-1]["outcome"] == "allowed"
    assert b'"content"' in answer.content


async def test_a_quiet_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Obligation 3."""
    monkeypatch.setattr(watch, "KEEP_ALIVE_SECONDS", 0.02)
    peer = saying(Reply(body=[], hang=True, kind="text/event-stream"))
    async with http_rig(peer) as rig, rig.raw() as raw:
        sent = dump(request("tools/call", name="echo"))
        headers = {"content-type": "application/json"}
        async with raw.http.stream("POST", rig.url, content=sent, headers=headers) as answer:
            async for chunk in answer.aiter_bytes():
                assert chunk.startswith(b": keep-alive\n\n")
                break


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_a_get_stream_ends_well_after_its_hour(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Security row 22.  Were it to break off instead, the client would raise."""
    monkeypatch.setattr(watch, "STREAM_SECONDS", 0.2)
    async with patient(transport) as (rig, peer), rig.raw() as raw:
        session = await session_of(raw)
        for _ in range(2):
            async with held(raw, session) as answer:
                assert (answer.status_code, events(await answer.aread())) == (200, [])
            if transport == "http":
                async with asyncio.timeout(10):
                    await peer.gone.wait()
                peer.gone.clear()
        headers = {"mcp-session-id": session["mcp-session-id"]}
        after = await raw.legacy("tools/call", name="echo", headers=headers)

    assert "result" in after.json()


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_a_listen_stream_ends_with_a_result_after_its_hour(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Security row 22."""
    monkeypatch.setattr(watch, "STREAM_SECONDS", 0.2)
    async with patient(transport) as (rig, peer), rig.raw() as raw:
        async with listening(raw, "L") as answer:
            *_, last = events(await answer.aread())

        async def the_server_was_told() -> bool:
            if transport == "http":
                return peer.gone.is_set()
            return bool((await call(raw, "cancelled"))["cancelled"])

        await until_asked(the_server_was_told)

    result = {"resultType": "complete", "_meta": {SUBSCRIPTION: "L"}}
    assert last == {"jsonrpc": "2.0", "id": "L", "result": result}
    (line,) = [it for it in rig.calls() if it["method"] == "subscriptions/listen"]
    assert (line["cut"], line["outcome"]) == ("old", "allowed")
