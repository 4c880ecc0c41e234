"""Calls through the proxy to a real HTTP server, by the SDK's own client, in both eras; and what
the bytes look like, with a scripted one."""

import asyncio
import json
from typing import Any

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError
from tests.proxy.conditions import until
from tests.proxy.peers.everything import Peer
from tests.proxy.peers.scripted import Reply, Scripted, error, event
from tests.proxy.rig import http_rig, policy, request

# The logging and sampling of old clients are what is tested here, deprecated or not.
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

MODES = ("legacy", "2026-07-28", "auto")


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("stateless", [False, True], ids=["stateful", "stateless"])
@pytest.mark.parametrize("as_json", [False, True], ids=["streams", "json"])
@pytest.mark.parametrize("mode", MODES)
async def test_a_tool_is_called_over_http(mode: str, as_json: bool, stateless: bool) -> None:
    peer = Peer()
    options = {"json_response": as_json, "stateless_http": stateless}
    async with peer.http(**options) as app, http_rig(app) as rig, rig.client(mode) as client:
        answer = await client.call_tool("echo", {"text": "höy"})

    assert answer.content[0].text == "höy"
    assert peer.calls == ["höy"]


@pytest.mark.parametrize("mode", MODES)
async def test_lists_are_what_the_caller_may_use(mode: str) -> None:
    """Security row 12; what is listed and what may be called come from one decision."""
    peer = Peer()
    rules = policy(tools=("echo", "hidden_*"), deny=("hidden_one",))
    async with (
        peer.http() as app,
        http_rig(app, policies=(rules,)) as rig,
        rig.client(mode) as client,
    ):
        tools = await client.list_tools()
        resources = await client.list_resources()
        prompts = await client.list_prompts()
        with pytest.raises(MCPError) as refused:
            await client.call_tool("hidden_one", {})

    assert [tool.name for tool in tools.tools] == ["echo"]
    assert [str(resource.uri) for resource in resources.resources] == ["memo:one"]
    assert [prompt.name for prompt in prompts.prompts] == ["greet"]
    assert refused.value.error.code == -32602


@pytest.mark.parametrize("mode", MODES)
async def test_prompts_and_resources_are_served(mode: str) -> None:
    peer = Peer()
    async with peer.http() as app, http_rig(app) as rig, rig.client(mode) as client:
        memo = await client.read_resource("memo:one")
        prompt = await client.get_prompt("greet", {"name": "Ada"})

    assert memo.contents[0].text == "remember"  # type: ignore[union-attr]
    assert prompt.messages[0].content.text == "Hello, Ada"  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", MODES)
async def test_progress_reaches_the_caller_who_asked(mode: str) -> None:
    peer = Peer()
    steps: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    async with peer.http() as app, http_rig(app) as rig, rig.client(mode) as client:
        await client.call_tool("count", {"to": 3}, progress_callback=on_progress)
        await until(lambda: len(steps) == 3)

    assert steps == [1, 2, 3]


async def test_logs_reach_a_legacy_caller() -> None:
    peer = Peer()
    logs: list[Any] = []

    async def on_log(params: types.LoggingMessageNotificationParams) -> None:
        logs.append(params.data)

    async with (
        peer.http() as app,
        http_rig(app) as rig,
        rig.client("legacy", logging_callback=on_log) as client,
    ):
        await client.call_tool("talk", {})
        await until(lambda: logs)

    assert logs == ["hello from the server"]


async def elicited(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"colour": "green"})


async def sampled(
    context: Any, params: types.CreateMessageRequestParams
) -> types.CreateMessageResult:
    content = types.TextContent(type="text", text="owl")
    return types.CreateMessageResult(role="assistant", content=content, model="m")


async def test_a_server_asks_the_user_and_the_model_of_a_legacy_caller() -> None:
    peer = Peer()
    callbacks = {"elicitation_callback": elicited, "sampling_callback": sampled}
    async with (
        peer.http() as app,
        http_rig(app) as rig,
        rig.client("legacy", **callbacks) as client,
    ):
        colour = await client.call_tool("ask", {})
        word = await client.call_tool("dream", {})

    assert colour.content[0].text == "green"
    assert word.content[0].text == "owl"


async def test_two_legacy_callers_with_equal_ids_are_never_mixed_up() -> None:
    peer = Peer()
    answers: dict[str, list[str]] = {"red": [], "blue": []}

    async def session(rig: Any, colour: str) -> None:
        async def on_ask(context: Any, params: Any) -> types.ElicitResult:
            return types.ElicitResult(action="accept", content={"colour": colour})

        async with rig.client("legacy", elicitation_callback=on_ask) as client:
            for _ in range(5):
                answer = await client.call_tool("ask", {})
                answers[colour].append(answer.content[0].text)

    async with peer.http() as app, http_rig(app) as rig, asyncio.TaskGroup() as group:
        group.create_task(session(rig, "red"))
        group.create_task(session(rig, "blue"))

    assert answers == {"red": ["red"] * 5, "blue": ["blue"] * 5}


@pytest.mark.parametrize("mode", MODES)
async def test_a_tool_that_fails_says_so(mode: str) -> None:
    peer = Peer()
    async with peer.http() as app, http_rig(app) as rig, rig.client(mode) as client:
        answer = await client.call_tool("fail", {})

    assert answer.is_error


async def test_a_modern_caller_that_leaves_cancels_the_call() -> None:
    peer = Peer()
    async with peer.http() as app, http_rig(app) as rig:
        async with rig.client("2026-07-28") as client, asyncio.TaskGroup() as group:
            task = group.create_task(client.call_tool("wait", {"name": "a"}))
            await peer.started.wait()
            task.cancel()
        await until(lambda: peer.cancelled)

    assert peer.cancelled == ["a"]


async def test_a_legacy_caller_cancels_with_a_notification() -> None:
    peer = Peer()
    async with (
        peer.http() as app,
        http_rig(app) as rig,
        rig.client("legacy") as client,
        asyncio.TaskGroup() as group,
    ):
        task = group.create_task(client.call_tool("wait", {"name": "b"}))
        await peer.started.wait()
        task.cancel()
        await until(lambda: peer.cancelled)

    assert peer.cancelled == ["b"]


async def test_unknown_fields_survive_both_ways() -> None:
    """Obligation 9.  Fact 3: JSON is relayed as JSON."""
    odd = {"x": [1, 1.5, None, {"ключ": "значение"}], "big": 123456789012345678901234567890}
    raw_answer = b'{"jsonrpc": "2.0",  "id": "a", "result": {"odd": 1e2, "new": [ ]}, "extra": 0}'
    peer = Scripted(answers={"tools/call": lambda _: Reply(body=raw_answer)})
    body = {**request("tools/call", "a", name="echo", odd=odd, arguments=odd), "extra": odd}
    async with http_rig(peer) as rig, rig.raw() as raw:
        answer = await raw.post(dump(body))

    assert answer.content == raw_answer
    assert json.loads(peer.asked("tools/call")[0].raw) == body


async def test_one_call_is_one_upstream_request_on_a_kept_connection() -> None:
    peer = Scripted()
    async with http_rig(peer) as rig, rig.raw() as raw:
        pool = rig.backend.pool
        await raw.legacy("tools/call", name="echo")
        opened, sent, before = pool.opened, pool.requests, len(peer.seen)
        for _ in range(10):
            await raw.legacy("tools/call", name="echo")

        assert pool.requests - sent == 10
        assert pool.opened == opened
    assert len(peer.seen) - before == 10


def saying(reply: Reply) -> Scripted:
    return Scripted(answers={"tools/call": lambda _: reply})


BROKEN = {
    "401": (Reply(401, b"{}", headers={"www-authenticate": "canary"}), 502),
    "403": (Reply(403, error(1, -32603, "canary")), 502),
    "500": (Reply(500, b"Traceback canary", kind="text/plain"), 502),
    "503": (Reply(503, b"canary", kind="text/plain"), 502),
    "302": (Reply(302, b"", headers={"location": "http://canary"}), 502),
    "a page": (Reply(200, b"<html>canary", kind="text/html"), 502),
    "404 in words": (Reply(404, b"canary", kind="text/plain"), 404),
    "405": (Reply(405, b"canary", kind="text/plain"), 405),
}


@pytest.mark.parametrize(("reply", "status"), BROKEN.values(), ids=BROKEN.keys())
async def test_an_answer_that_is_no_mcp_becomes_an_error_without_its_words(
    reply: Reply, status: int
) -> None:
    """Obligation 60."""
    async with http_rig(saying(reply)) as rig, rig.raw() as raw:
        answer = await raw.legacy("tools/call", name="echo")

    assert answer.status_code == status
    assert answer.json()["id"] == 1
    assert answer.json()["error"]["code"] in (-32603, -32600)
    assert "canary" not in str(answer.headers) + answer.text


async def test_a_json_rpc_error_with_its_status_is_passed_on_as_it_is() -> None:
    body = error(1, -32602, "the backend's own words")
    async with http_rig(saying(Reply(400, body))) as rig, rig.raw() as raw:
        answer = await raw.modern("tools/call", name="echo")

    assert (answer.status_code, answer.content) == (400, body)
    assert rig.calls()[-1]["code"] == -32602


STREAM = (
    event(b'{"jsonrpc":"2.0","method":"notifications/vendor","params":{"a":1}}')
    + b": a comment\n\nid: 7\ndata:\n\n"
    + b'data: {"jsonrpc":"2.0",\ndata: "id":1,"result":{"odd": 1e2}}\n\n'
)


async def test_a_stream_is_passed_on_byte_by_byte() -> None:
    """Obligation 1."""
    chunks = [STREAM[start : start + 7] for start in range(0, len(STREAM), 7)]
    reply = Reply(body=chunks, kind="text/event-stream")
    async with http_rig(saying(reply)) as rig, rig.raw() as raw:
        answer = await raw.modern("tools/call", name="echo")

    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.content == STREAM


async def test_a_stream_is_passed_on_while_it_is_still_open() -> None:
    """Obligation 1: nothing waits for the end."""
    first = event(b'{"jsonrpc":"2.0","method":"notifications/vendor"}')
    reply = Reply(body=[first], kind="text/event-stream", hang=True)
    peer = saying(reply)
    async with http_rig(peer) as rig, rig.raw() as raw:
        headers = {"content-type": "application/json"}
        sent = dump(request("tools/call", name="echo"))
        async with raw.http.stream("POST", rig.url, content=sent, headers=headers) as answer:
            async for chunk in answer.aiter_bytes():
                assert chunk == first
                break
        await peer.gone.wait()

    assert rig.calls()[-1]["cut"] == "gone"


async def test_an_answer_that_is_too_large_is_refused() -> None:
    body = b'{"jsonrpc":"2.0","id":1,"result":"' + b"x" * (17 * 1024 * 1024) + b'"}'
    async with http_rig(saying(Reply(body=body))) as rig, rig.raw() as raw:
        answer = await raw.legacy("tools/call", name="echo")

    assert answer.status_code == 502
    assert "16 MiB" in answer.json()["error"]["message"]
