"""The process of one legacy session: nothing of its traffic is changed."""

import asyncio
import json

from tests.proxy.conditions import until
from tests.proxy.rig import (
    request,
    stdio_rig,
)
from tests.proxy.test_stdio import BOTH, call, open_seat


async def test_a_legacy_caller_that_leaves_cancels_nothing() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw, made.raw() as leaver:
        session = await open_seat(raw)
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
        session = await open_seat(raw)
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
        headers = {"mcp-session-id": await open_seat(raw)}
        async with asyncio.TaskGroup() as group:
            wait = leaver.legacy("tools/call", 5, name="wait", headers=headers)
            task = group.create_task(wait)
            await until(lambda: made.proxy.backends.in_flight)
            again = await raw.legacy("tools/call", 5, name="echo", headers=headers)
            task.cancel()

    assert (again.status_code, again.json()["error"]["code"]) == (400, -32600)


async def test_bytes_of_an_exclusive_process_are_passed_on_unread() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        headers = {"mcp-session-id": await open_seat(raw)}
        answer = await raw.legacy("tools/call", "x", name="odd", headers=headers)

    assert answer.content == b'{"jsonrpc": "2.0",  "id": "x", "result": {"x": 1e2}}'


async def test_unknown_methods_and_fields_survive() -> None:
    """Obligation 9."""
    odd = {"x": [None, 1.5, {"ключ": "значение"}], "big": 123456789012345678901234567890}
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        session = await open_seat(raw)
        body = json.dumps(request("vendor/thing", **odd)).encode()
        answer = await raw.post(body, mcp_session_id=session)

    assert json.loads(answer.content)["result"] == {"method": "vendor/thing", "params": odd}


async def test_a_second_get_stream_is_refused() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        headers = {"mcp-session-id": await open_seat(raw), "accept": "text/event-stream"}
        async with raw.http.stream("GET", made.url, headers=headers):
            second = await raw.http.get(made.url, headers=headers)

    assert second.status_code == 409
