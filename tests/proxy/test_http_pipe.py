"""Lines as POSTs: what a modern HTTP backend gets from a legacy client's request."""

import asyncio
from typing import Any

import orjson
import pytest
from tests.proxy.conditions import until
from tests.proxy.peers.scripted import Reply, Scripted, error
from tests.proxy.rig import Raw, http_rig
from tests.proxy.test_session import open_session


async def called(raw: Raw, **params: Any) -> Any:
    headers = {"mcp-session-id": await open_session(raw)}
    return await raw.legacy("tools/call", headers=headers, **{"name": "écho", **params})


async def test_the_headers_say_what_the_body_says() -> None:
    """Obligation 51."""
    peer = Scripted(eras=("modern",))
    async with http_rig(peer) as made, made.raw() as raw:
        answer = await called(raw)

    sent = peer.asked("tools/call")[0]
    assert answer.json()["result"] == {"content": [], "method": "tools/call"}
    assert sent.headers["mcp-protocol-version"] == "2026-07-28"
    assert sent.headers["mcp-method"] == "tools/call"
    assert sent.headers["mcp-name"] == "=?base64?w6ljaG8=?="
    assert "mcp-session-id" not in sent.headers
    assert "authorization" not in sent.headers
    meta = sent.body["params"]["_meta"]
    assert meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
    assert meta["io.modelcontextprotocol/clientInfo"] == {"name": "raw", "version": "1"}


ANSWERS: dict[str, tuple[Reply, int, int]] = {
    "an error page": (Reply(500, b"oh no", "text/html"), 200, -32603),
    "a demand for credentials": (Reply(401, b""), 200, -32603),
    "no JSON": (Reply(200, b"hello", "text/plain"), 200, -32603),
    "an error without an id": (Reply(400, error(None, -32602)), 200, -32602),
    "a stream that ends": (Reply(200, [b": x\n\n"], "text/event-stream"), 502, -32603),
}


@pytest.mark.parametrize(("reply", "status", "code"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_whatever_the_backend_answers_the_client_gets_json_rpc(
    reply: Reply, status: int, code: int
) -> None:
    """Obligation 8."""
    peer = Scripted(eras=("modern",))
    peer.answers["tools/call"] = lambda _: reply
    async with http_rig(peer) as made, made.raw() as raw:
        answer = await called(raw)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["id"] == 1


async def test_the_closed_stream_is_the_cancellation() -> None:
    """Obligation 27: nothing is posted."""
    peer = Scripted(eras=("modern",))
    peer.answers["tools/call"] = lambda _: Reply(
        body=[b": x\n\n"], kind="text/event-stream", hang=True
    )
    async with http_rig(peer) as made, made.raw() as raw, made.raw() as other:
        session = await open_session(raw)
        sent = {"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": {"name": "echo"}}
        note = {
            "jsonrpc": "2.0",
            "method": "notifications/cancelled",
            "params": {"requestId": 8},
        }
        async with asyncio.TaskGroup() as group:
            task = group.create_task(raw.post(sent, mcp_session_id=session))
            await until(lambda: peer.asked("tools/call"))
            taken = await other.post(note, mcp_session_id=session)
        await until(peer.gone.is_set)

    assert taken.status_code == 202
    assert task.result().json()["error"]["code"] == -32800
    assert peer.asked("notifications/cancelled") == []


async def test_a_backend_that_is_gone_is_said() -> None:
    peer = Scripted(eras=("modern",))
    async with http_rig(peer) as made, made.raw() as raw:
        session = await open_session(raw)
        supervised = next(iter(made.proxy.backends._by_path.values()))
        made.backend.pool.close()
        supervised.backend.pool._port = 1
        answer = await raw.legacy("tools/call", name="echo", headers={"mcp-session-id": session})

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, -32603)


async def test_a_backend_that_asks_where_nothing_may_be_asked_costs_nobody_the_proxy() -> None:
    """A modern backend takes no answers: to send one would be a request without a method."""
    peer = Scripted(eras=("modern",))

    def asks(request: Any) -> Reply:
        question = {"jsonrpc": "2.0", "id": "q", "method": "ping"}
        answer = {"jsonrpc": "2.0", "id": request.body["id"], "result": {"content": []}}
        events = [b"data: " + orjson.dumps(one) + b"\n\n" for one in (question, answer)]
        return Reply(200, events, "text/event-stream")

    peer.answers["tools/call"] = asks
    async with http_rig(peer) as made, made.raw() as raw:
        for _ in range(2):
            assert (await called(raw)).json()["result"] == {"content": []}
    assert peer.asked("") == []
