"""Backends come and go with the config; what is open is decided again."""

import asyncio
from typing import Any

import orjson
import pytest
from tests.proxy.conditions import until
from tests.proxy.peers.everything import Peer
from tests.proxy.peers.scripted import Reply, Scripted, event
from tests.proxy.rig import META, NEW, OTHER, http_rig, policy, request, served, stdio, stdio_rig
from tests.proxy.rig import rig as rig_for
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import LEGACY, call

from ostiary_proxy import config

FIRST = event(b'{"jsonrpc":"2.0","method":"notifications/vendor"}')
HANGING = Reply(body=[FIRST], kind="text/event-stream", hang=True)
CALL = orjson.dumps(request("tools/call", name="echo"))
JSON = {"content-type": "application/json"}


async def rest_of(chunks: object) -> bytes:
    return b"".join([chunk async for chunk in chunks])  # type: ignore[attr-defined]


async def test_a_call_that_is_no_longer_allowed_is_cut_off() -> None:
    peer = Scripted(answers={"tools/call": lambda _: HANGING})
    async with http_rig(peer) as rig, rig.raw() as raw:
        async with raw.http.stream("POST", rig.url, content=CALL, headers=JSON) as answer:
            chunks = answer.aiter_bytes()
            assert await anext(chunks) == FIRST
            rig.apply(policies=(policy(deny=("echo",)),))
            last = await rest_of(chunks)
        refused = await raw.legacy("tools/call", name="echo")

    assert b"revoked" in last
    assert refused.json()["error"]["code"] == -32602
    assert peer.gone.is_set()


async def test_a_call_that_has_not_begun_to_answer_is_cut_off_too() -> None:
    peer = Peer()
    async with (
        peer.http(json_response=True) as app,
        http_rig(app) as rig,
        rig.raw() as raw,
        asyncio.TaskGroup() as group,
    ):
        task = group.create_task(raw.modern("tools/call", name="wait", arguments={}))
        await peer.started.wait()
        rig.apply(policies=())
        await task

    assert task.result().status_code == 403
    assert rig.refusals()[-1]["reason"] == "Revoked"


@pytest.mark.parametrize("kind", ["http", "stdio"])
async def test_a_held_stream_of_somebody_who_lost_access_ends(kind: str) -> None:
    """Obligation 60."""
    peer = Peer()
    async with peer.http() as app:
        made = http_rig(app) if kind == "http" else stdio_rig()
        async with made as rig, rig.raw() as raw:
            headers = {"mcp-session-id": await open_session(raw), "accept": "text/event-stream"}
            async with raw.http.stream("GET", rig.url, headers=headers) as answer:
                assert answer.status_code == 200
                rig.apply(policies=(policy("other"),))
                async with asyncio.timeout(20):
                    await rest_of(answer.aiter_bytes())
            refused = await raw.legacy("tools/list", headers=headers)

    assert refused.status_code == 403


async def test_a_call_that_waits_for_an_answer_is_cut_off_with_its_callers_access() -> None:
    """access.md section 2: each new generation decides every held input again."""
    able = {**META, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}
    async with stdio_rig(*LEGACY) as made, made.raw() as mine, made.raw(OTHER) as other:
        mine_asked = await call(mine, "ask", _meta=able)
        other_asked = await call(other, "ask", _meta=able)
        holds = next(iter(made.proxy.backends._by_path.values())).bridge.modern.holds
        assert len(holds) == 2
        made.apply(policies=(policy(OTHER.rpartition(":")[2]),))
        await until(lambda: len(holds) == 1)

        made.apply(policies=(policy(),))
        told = await call(mine, "cancelled", _meta=able)
        late = await mine.modern("tools/call", name="ask", _meta=able, **answered(mine_asked))
        fine = await call(other, "ask", _meta=able, **answered(other_asked))

    # The server was told no, and that nobody waits.
    assert len(told["cancelled"]) == 1
    assert (late.status_code, late.json()["error"]["code"]) == (400, -32602)
    assert fine["answer"] == {"action": "accept", "content": {}}


def answered(asked: dict[str, Any]) -> dict[str, Any]:
    said = {"action": "accept", "content": {}}
    return {
        "requestState": asked["requestState"],
        "inputResponses": dict.fromkeys(asked["inputRequests"], said),
    }


async def test_a_newer_config_leaves_a_running_backend_alone() -> None:
    async with stdio_rig() as rig, rig.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        before = await raw.legacy("tools/call", name="pid", headers=headers)
        rig.apply(policies=(policy(tools=("pid",)),))
        after = await raw.legacy("tools/call", name="pid", headers=headers)

    assert before.json()["result"] == after.json()["result"]


async def test_a_backend_whose_config_changed_is_replaced() -> None:
    async with served(Scripted()) as other, http_rig(Scripted()) as rig, rig.raw() as raw:
        rig.apply(backend=config.HttpBackend(port=other))
        await rig.ready()
        answer = await raw.legacy("tools/call", name="echo")

    assert answer.status_code == 200


async def test_a_backend_that_comes_late_and_comes_back_is_found() -> None:
    peer = Scripted()
    async with served(peer) as port:
        pass
    async with rig_for(config.HttpBackend(port=port)) as rig, rig.raw() as raw:
        await until(lambda: rig.report.state == "Unavailable")
        assert rig.report.reason == "ConnectionRefused"
        assert not rig.proxy.backends.ready()
        early = await raw.legacy("tools/call", name="echo")
        async with served(peer, port):
            await rig.ready()
            assert rig.proxy.backends.ready()
            assert (await raw.legacy("tools/call", name="echo")).status_code == 200
        gone = await raw.legacy("tools/call", name="echo")
        await until(lambda: rig.report.state == "Unavailable")
        async with served(peer, port):
            await rig.ready()
            back = await raw.legacy("tools/call", name="echo")

    assert (early.status_code, gone.status_code, back.status_code) == (503, 502, 200)


async def test_a_stdio_backend_is_ready_once_it_has_answered() -> None:
    async with rig_for(stdio()) as rig:
        assert not rig.proxy.backends.ready()
        await rig.ready()
        assert rig.proxy.backends.ready()


async def test_draining_ends_held_streams_with_a_result() -> None:
    """Obligation 66."""
    peer = Peer()
    params = {"notifications": {"toolsListChanged": True}, "_meta": META}
    content = orjson.dumps(request("subscriptions/listen", "L", **params))
    headers = {**JSON, "mcp-protocol-version": NEW, "mcp-method": "subscriptions/listen"}
    async with peer.http() as app, http_rig(app) as rig, rig.raw() as raw:
        async with raw.http.stream("POST", rig.url, content=content, headers=headers) as answer:
            chunks = answer.aiter_bytes()
            first = await anext(chunks)
            async with asyncio.TaskGroup() as group:
                group.create_task(rig.proxy.backends.drain())
                last = await rest_of(chunks)
        assert rig.proxy.backends.in_flight == 0

    assert b"acknowledged" in first
    lines = [line for line in last.splitlines() if line.startswith(b"data: ")]
    ending = orjson.loads(lines[-1].removeprefix(b"data: "))
    assert ending["id"] == "L"
    assert ending["result"]["resultType"] == "complete"
    assert ending["result"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "L"}
