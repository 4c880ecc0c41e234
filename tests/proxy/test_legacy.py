"""Legacy sessions of a stdio server."""

import asyncio
from typing import Any

from tests.proxy.conditions import until
from tests.proxy.rig import rig, stdio, stdio_rig
from tests.proxy.test_session import open_session, two_users
from tests.proxy.test_stdio import BOTH, call, open_seat

LOGS = (*BOTH, "logs")


async def test_a_session_over_stdio_belongs_to_who_began_it() -> None:
    async with stdio_rig(*BOTH) as made:
        statuses, _ = await two_users(made)

    assert statuses == [404, 404, 404, 404, 404, 200, 204, 200]


async def test_what_a_session_asks_before_its_first_call_starts_no_process() -> None:
    async with stdio_rig(*LOGS) as made, made.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        answers = [
            await raw.legacy("ping", headers=headers),
            await raw.legacy("tools/list", headers=headers),
            await raw.legacy("tools/list", cursor="unheard-of", headers=headers),
            await raw.legacy("logging/setLevel", level="debug", headers=headers),
        ]
        crew = len(made.backend._crew)
        called = await raw.legacy("tools/call", name="levels", headers=headers)

    assert crew == 0
    assert [("result" in answer.json()) for answer in answers] == [True, True, False, True]
    assert answers[2].json()["error"]["code"] == -32602
    assert called.json()["result"]["levels"] == ["debug"]


async def test_the_level_and_the_subscriptions_of_a_lost_process_are_restored() -> None:
    async with stdio_rig(*LOGS) as made, made.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        for method, params in (
            ("resources/subscribe", {"uri": "memo:one"}),
            ("logging/setLevel", {"level": "error"}),
        ):
            await raw.legacy(method, headers=headers, **params)
        await raw.legacy("tools/call", name="crash", headers=headers)
        after = await raw.legacy("tools/call", name="levels", headers=headers)

    assert after.json()["result"] == {"levels": ["error"], "uris": ["memo:one"]}


async def test_a_get_stream_outlives_the_process_and_hears_the_next_one() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw, made.raw() as listener:
        session = await open_seat(raw)
        headers = {"mcp-session-id": session}
        async with listener.http.stream("GET", made.url, headers=headers) as stream:
            chunks = stream.aiter_bytes()
            await raw.legacy("tools/call", name="crash", headers=headers)
            await call(raw, "pid", session)
            await call(raw, "whisper", session)
            heard = await anext(chunks)

    assert b"whispered" in heard


async def test_a_call_that_is_cancelled_before_its_process_runs_never_reaches_it() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        session = await open_session(raw)
        headers = {"mcp-session-id": session}
        go = asyncio.Event()
        start = made.backend._crew._start

        async def slowly(channel: Any) -> None:
            await go.wait()
            await start(channel)

        made.backend._crew._start = slowly
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
        async with asyncio.TaskGroup() as group:
            task = group.create_task(raw.legacy("tools/call", 5, name="wait", headers=headers))
            await until(lambda: made.proxy.backends.in_flight)
            await raw.post(note, mcp_session_id=session)
            go.set()
        told = await call(raw, "cancelled", session)

    assert task.result().json()["error"]["code"] == -32800
    assert told == {"cancelled": []}


async def test_lists_may_be_each_sessions_own() -> None:
    async with rig(stdio(*BOTH, lists="PerSession")) as made, made.raw() as raw:
        await made.ready()
        headers = {"mcp-session-id": await open_session(raw)}
        crew = len(made.backend._crew)
        await raw.legacy("tools/call", name="change", headers=headers)
        mine = await raw.legacy("tools/list", headers=headers)
        other = {"mcp-session-id": await open_session(raw)}
        yours = await raw.legacy("tools/list", headers=other)

    assert crew == 1
    assert b"grown" in mine.content
    assert b"grown" not in yours.content


async def test_a_session_whose_own_process_changed_its_lists_sees_those() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        before = await raw.legacy("tools/list", headers=headers)
        await raw.legacy("tools/call", name="grow", headers=headers)
        after = await raw.legacy("tools/list", headers=headers)

    assert b"grown" not in before.content
    assert b"grown" in after.content
