"""Calls through the proxy to real stdio servers, in both eras, and which process serves whom."""

import asyncio
import json
import os
import sys
from typing import Any

import mcp_types as types
import orjson
import pytest
from tests.proxy.conditions import until
from tests.proxy.rig import (
    ANYBODY,
    META,
    NEW,
    OTHER,
    Raw,
    modern,
    peer_command,
    policy,
    request,
    rig,
    stdio,
    stdio_rig,
)
from tests.proxy.test_session import open_session

from ostiary_proxy import config, watch

# The logging and sampling of old clients are what is tested here, deprecated or not.
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

MODES = ("legacy", "2026-07-28", "auto")
BOTH = peer_command("plain.py")
LEGACY = (*BOTH, "legacy")
JSON = {"content-type": "application/json"}


async def call(raw: Raw, name: str, session: str = "", **params: Any) -> Any:
    if session:
        headers = {"mcp-session-id": session}
        answer = await raw.legacy("tools/call", name=name, headers=headers, **params)
    else:
        answer = await raw.modern("tools/call", name=name, **params)
    return answer.json()["result"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_tool_is_called_over_stdio(mode: str) -> None:
    async with stdio_rig() as made, made.client(mode) as client:
        result = await client.call_tool("echo", {"text": "höy"})
        tools = await client.list_tools()

    assert result.content[0].text == "höy"
    assert "echo" in [tool.name for tool in tools.tools]


@pytest.mark.parametrize("mode", MODES)
async def test_a_reference_server_is_called_over_stdio(mode: str) -> None:
    command = ("mcp-server-time", "--local-timezone", "UTC")
    async with stdio_rig(*in_venv(command)) as made, made.client(mode) as client:
        answer = await client.call_tool("get_current_time", {"timezone": "UTC"})

    assert "UTC" in answer.content[0].text


def in_venv(command: tuple[str, ...]) -> tuple[str, ...]:
    return (os.path.join(os.path.dirname(sys.executable), command[0]), *command[1:])


async def test_a_stdio_server_reports_logs_and_asks_its_legacy_client() -> None:
    steps: list[float] = []
    logs: list[Any] = []

    async def on_log(params: Any) -> None:
        logs.append(params.data)

    async def on_ask(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"colour": "green"})

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    options = {"logging_callback": on_log, "elicitation_callback": on_ask}
    async with stdio_rig() as made, made.client("legacy", **options) as client:
        await client.call_tool("count", {"to": 3}, progress_callback=on_progress)
        await client.call_tool("talk", {})
        colour = await client.call_tool("ask", {})
        await until(lambda: len(steps) == 3 and logs)

    assert colour.content[0].text == "green"
    assert (steps, logs) == ([1, 2, 3], ["hello from the server"])


async def test_each_legacy_session_has_a_process_of_its_own() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        first, second = await open_session(raw), await open_session(raw)
        pids = [(await call(raw, "pid", session))["pid"] for session in (first, first, second)]
        assert pids[0] == pids[1] != pids[2]
        assert made.report.processes == 3

        await raw.http.delete(made.url, headers={"mcp-session-id": first})

        await until(lambda: made.report.processes == 2)
        await until(lambda: not alive(pids[0]))
        assert alive(pids[2])


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_modern_requests_share_a_process_by_principal_and_capabilities() -> None:
    richer = {**META, "io.modelcontextprotocol/clientCapabilities": {"sampling": {}}}
    async with stdio_rig(*BOTH) as made, made.raw() as mine, made.raw(OTHER) as other:
        pids = [
            (await call(mine, "pid"))["pid"],
            (await call(mine, "pid"))["pid"],
            (await call(other, "pid"))["pid"],
            (await call(mine, "pid", _meta=richer))["pid"],
        ]

    assert pids[0] == pids[1]
    assert len(set(pids)) == 3


async def test_two_anonymous_requests_never_share_a_process() -> None:
    async with stdio_rig(*BOTH, policies=(ANYBODY,)) as made, made.raw(None) as raw:
        first, second = (await call(raw, "pid"))["pid"], (await call(raw, "pid"))["pid"]
        await until(lambda: not alive(first) and not alive(second))

    assert first != second


async def test_the_same_ids_of_two_requests_on_one_process_are_kept_apart() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        answers = await asyncio.gather(
            *(raw.modern("tools/call", ident, name="echo", n=n) for n, ident in enumerate((7,) * 9))
        )
        text = (await raw.modern("tools/call", "7", name="echo")).json()

    bodies = [answer.json() for answer in answers]
    assert [body["id"] for body in bodies] == [7] * 9
    assert [body["result"]["params"]["n"] for body in bodies] == list(range(9))
    assert len({body["result"]["id"] for body in bodies}) == 9
    assert text["id"] == "7"


def events(content: bytes) -> list[Any]:
    lines = [line for line in content.splitlines() if line.startswith(b"data: ")]
    return [orjson.loads(line.removeprefix(b"data: ")) for line in lines]


async def test_progress_tokens_are_the_clients_own_whatever_the_process_saw() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        answers = await asyncio.gather(
            *(
                raw.modern("tools/call", name="progress", _meta={"progressToken": token})
                for token in ("a", 5, "5")
            )
        )

    for answer, token in zip(answers, ("a", 5, "5"), strict=True):
        *progress, last = events(answer.content)
        assert [(p["params"]["progressToken"], p["params"]["progress"]) for p in progress] == [
            (token, 1),
            (token, 2),
        ]
        assert progress[0]["params"]["odd"] == [1]
        assert last["result"] == {"done": True}


async def test_a_subscription_carries_the_clients_own_id() -> None:
    body = modern("subscriptions/listen", "L", notifications={"toolsListChanged": True})
    headers = {**JSON, "mcp-protocol-version": NEW, "mcp-method": "subscriptions/listen"}
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        content = orjson.dumps(body)
        async with raw.http.stream("POST", made.url, content=content, headers=headers) as answer:
            chunks = answer.aiter_bytes()
            first = events(await anext(chunks))[0]

    key = "io.modelcontextprotocol/subscriptionId"
    assert first["params"]["_meta"][key] == "L"


async def test_a_modern_caller_that_leaves_cancels_at_the_process() -> None:
    body = orjson.dumps(modern("tools/call", name="wait"))
    headers = {
        **JSON,
        "mcp-protocol-version": NEW,
        "mcp-method": "tools/call",
        "mcp-name": "wait",
    }
    async with stdio_rig(*BOTH) as made, made.raw() as raw, made.raw() as second:
        async with asyncio.TaskGroup() as group:
            post = raw.http.post(made.url, content=body, headers=headers)
            task = group.create_task(post)
            await until(lambda: made.proxy.backends.in_flight)
            task.cancel()
        await until(lambda: not made.proxy.backends.in_flight)
        told = await call(second, "cancelled")

    assert len(told["cancelled"]) == 1


async def test_a_legacy_caller_that_leaves_cancels_nothing() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw, made.raw() as leaver:
        session = await open_session(raw)
        async with asyncio.TaskGroup() as group:
            wait = leaver.legacy("tools/call", 5, name="wait", headers={"mcp-session-id": session})
            task = group.create_task(wait)
            await until(lambda: made.proxy.backends.in_flight)
            task.cancel()
        await until(lambda: not made.proxy.backends.in_flight)
        told = await call(raw, "cancelled", session)

    assert told == {"cancelled": []}


async def test_a_cancelled_legacy_call_ends_though_the_process_stays_silent() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        session = await open_session(raw)
        headers = {"mcp-session-id": session}
        async with asyncio.TaskGroup() as group:
            task = group.create_task(raw.legacy("tools/call", 5, name="wait", headers=headers))
            await until(lambda: made.proxy.backends.in_flight)
            params = {"requestId": 5}
            note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            taken = await raw.post(note, mcp_session_id=session)
        told = await call(raw, "cancelled", session)

    assert taken.status_code == 202
    assert task.result().json()["error"]["code"] == -32800
    assert told == {"cancelled": [5]}


async def test_an_id_that_is_in_use_is_refused() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw, made.raw() as leaver:
        headers = {"mcp-session-id": await open_session(raw)}
        async with asyncio.TaskGroup() as group:
            wait = leaver.legacy("tools/call", 5, name="wait", headers=headers)
            task = group.create_task(wait)
            await until(lambda: made.proxy.backends.in_flight)
            again = await raw.legacy("tools/call", 5, name="echo", headers=headers)
            task.cancel()

    assert (again.status_code, again.json()["error"]["code"]) == (400, -32600)


async def test_bytes_of_an_exclusive_process_are_passed_on_unread() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        answer = await raw.legacy("tools/call", "x", name="odd", headers=headers)

    assert answer.content == b'{"jsonrpc": "2.0",  "id": "x", "result": {"x": 1e2}}'


async def test_unknown_methods_and_fields_survive() -> None:
    odd = {"x": [None, 1.5, {"ключ": "значение"}], "big": 123456789012345678901234567890}
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        session = await open_session(raw)
        body = json.dumps(request("vendor/thing", **odd)).encode()
        answer = await raw.post(body, mcp_session_id=session)

    assert json.loads(answer.content)["result"] == {"method": "vendor/thing", "params": odd}


async def test_a_second_get_stream_is_refused() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw), "accept": "text/event-stream"}
        async with raw.http.stream("GET", made.url, headers=headers):
            second = await raw.http.get(made.url, headers=headers)

    assert second.status_code == 409


async def test_lists_over_stdio_are_what_the_caller_may_use() -> None:
    rules = (policy(deny=("hidden_*",)),)
    async with stdio_rig(*BOTH, policies=rules) as made, made.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        answers = [await raw.legacy("tools/list", headers=headers), await raw.modern("tools/list")]

    for answer in answers:
        assert b"hidden_one" not in answer.content
        assert b"echo" in answer.content


async def test_all_processes_in_use_is_said_and_passes() -> None:
    backend = stdio(*BOTH, maxProcesses=1)
    async with rig(backend) as made, made.raw() as raw:
        await made.ready()
        session = await open_session(raw)
        refused = await raw.initialize()
        crowded = await raw.modern("tools/call", name="pid")
        listed = await raw.modern("tools/list")
        await raw.http.delete(made.url, headers={"mcp-session-id": session})
        again = await raw.initialize()

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, -32603)
    assert int(refused.headers["retry-after"]) > 0
    assert crowded.status_code == 503
    assert listed.status_code == 200
    assert again.status_code == 200


async def test_an_idle_process_is_reaped_and_a_busy_one_is_not() -> None:
    now = [1000.0]
    async with rig(stdio(*BOTH, idleSeconds=60)) as made, made.raw() as raw, made.raw() as other:
        await made.ready()
        backend = made.backend
        backend._now = lambda: now[0]
        backend._legacy._sessions._now = lambda: now[0]
        idle, busy = await open_session(raw), await open_session(raw)
        await call(raw, "pid")
        headers = {"mcp-session-id": busy}
        async with asyncio.TaskGroup() as group:
            task = group.create_task(other.legacy("tools/call", 5, name="wait", headers=headers))
            await until(lambda: made.proxy.backends.in_flight)
            assert made.report.processes == 4
            now[0] += 61
            backend.reap()
            assert made.report.processes == 2
            task.cancel()
        gone = await raw.legacy("tools/list", headers={"mcp-session-id": idle})
        kept = await raw.legacy("tools/list", headers=headers)

    assert (gone.status_code, kept.status_code) == (404, 200)


async def test_a_process_that_dies_fails_its_calls_and_ends_its_session() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw, made.raw() as other:
        headers = {"mcp-session-id": await open_session(raw)}
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(other.legacy("tools/call", 5, name="wait", headers=headers))
            await until(lambda: made.proxy.backends.in_flight)
            crashed = await raw.legacy("tools/call", 6, name="crash", headers=headers)
        after = await raw.legacy("tools/list", headers=headers)
        modern_crash = await raw.modern("tools/call", name="crash")
        modern_after = await raw.modern("tools/call", name="pid")

    for answer in (crashed, waiting.result(), modern_crash):
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, -32603)
    assert waiting.result().json()["id"] == 5
    assert after.status_code == 404
    assert modern_after.status_code == 200


async def test_garbage_between_answers_is_passed_over() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        assert await call(raw, "garbage") == {"done": True}
        assert await call(raw, "garbage", await open_session(raw)) == {"done": True}


async def test_a_line_without_end_ends_the_process() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        answer = await raw.modern("tools/call", name="long")

    assert answer.status_code == 502


async def test_a_question_stops_the_clock_and_its_answer_starts_it_again() -> None:
    limits = config.Limits(callSeconds=1, inputSeconds=60)
    async with stdio_rig(*BOTH, limits=limits) as made, made.raw() as raw:
        session = await open_session(raw)
        headers = {**JSON, "mcp-session-id": session}
        content = orjson.dumps(request("tools/call", name="ask"))
        async with raw.http.stream("POST", made.url, content=content, headers=headers) as answer:
            chunks = answer.aiter_bytes()
            question = events(await anext(chunks))[0]
            reply = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}}
            taken = await raw.post(reply, mcp_session_id=session)
            last = events(b"".join([chunk async for chunk in chunks]))[-1]

    assert taken.status_code == 202
    assert last["result"]["answer"] == {"action": "accept"}


@pytest.mark.parametrize("modern_era", [True, False], ids=["modern", "legacy"])
async def test_a_silent_process_ends_the_call_with_504(modern_era: bool) -> None:
    limits = config.Limits(callSeconds=1)
    async with stdio_rig(*BOTH, limits=limits) as made, made.raw() as raw:
        if modern_era:
            answer = await raw.modern("tools/call", name="wait")
            told = await call(raw, "cancelled")
        else:
            session = await open_session(raw)
            headers = {"mcp-session-id": session}
            answer = await raw.legacy("tools/call", name="wait", headers=headers)
            told = await call(raw, "cancelled", session)

    assert (answer.status_code, answer.json()["error"]["code"]) == (504, -32603)
    assert len(told["cancelled"]) == 1


async def test_a_long_wait_becomes_a_stream_that_is_kept_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "KEEP_ALIVE_SECONDS", 0.05)
    limits = config.Limits(callSeconds=1)
    async with stdio_rig(*BOTH, limits=limits) as made, made.raw() as raw:
        answer = await raw.modern("tools/call", name="wait")

    assert answer.headers["content-type"] == "text/event-stream"
    assert b": keep-alive\n\n" in answer.content
    assert events(answer.content)[-1]["error"]["code"] == -32603


async def test_nothing_is_left_behind() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        session = await open_session(raw)
        pids = [(await call(raw, "pid", session))["pid"], (await call(raw, "pid"))["pid"]]
        await call(raw, "child", session)
        groups = [os.getpgid(pid) for pid in pids]

    assert all(not alive(pid) for pid in pids)
    await until(lambda: not any(group_alive(group) for group in groups))


def group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_legacy_server_is_never_asked_in_the_modern_era() -> None:
    async with stdio_rig(*LEGACY) as made, made.raw() as raw:
        discovered = await raw.modern("server/discover")
        called = await raw.modern("tools/call", name="pid")

    assert (discovered.status_code, discovered.json()["error"]["code"]) == (404, -32601)
    assert (called.status_code, called.json()["error"]["code"]) == (400, -32022)
