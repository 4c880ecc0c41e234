"""Calls through the proxy to real stdio servers, in both eras, and which process serves whom."""

import asyncio
import os
import sys
from typing import Any

import mcp_types as types
import orjson
import pytest
from tests.proxy.conditions import until
from tests.proxy.rig import (
    Raw,
    peer_command,
    policy,
    request,
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


async def open_seat(raw: Raw) -> str:
    """A session whose process runs."""
    session = await open_session(raw)
    await call(raw, "pid", session)
    return session


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


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def events(content: bytes) -> list[Any]:
    lines = [line for line in content.splitlines() if line.startswith(b"data: ")]
    return [orjson.loads(line.removeprefix(b"data: ")) for line in lines]


async def test_lists_over_stdio_are_what_the_caller_may_use() -> None:
    rules = (policy(deny=("hidden_*",)),)
    async with stdio_rig(*BOTH, policies=rules) as made, made.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        answers = [await raw.legacy("tools/list", headers=headers), await raw.modern("tools/list")]

    for answer in answers:
        assert b"hidden_one" not in answer.content
        assert b"echo" in answer.content


async def test_a_question_stops_the_clock_and_its_answer_starts_it_again() -> None:
    limits = config.Limits(callSeconds=1, inputSeconds=60)
    async with stdio_rig(*BOTH, limits=limits) as made, made.raw() as raw:
        session = await open_session(raw)
        headers = {**JSON, "mcp-session-id": session}
        content = orjson.dumps(request("tools/call", name="ask"))
        async with raw.http.stream("POST", made.url, content=content, headers=headers) as answer:
            chunks = answer.aiter_bytes()
            question = events(await anext(chunks))[0]
            await asyncio.sleep(1.5 * limits.callSeconds)  # the clock that must stand still
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


def group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
