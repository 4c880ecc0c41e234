"""Which process serves whom, how many there are, and how they end."""

import asyncio
import os

from tests.proxy.conditions import until
from tests.proxy.rig import (
    ANYBODY,
    META,
    OTHER,
    rig,
    stdio,
    stdio_rig,
)
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import BOTH, LEGACY, alive, call, group_alive


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


async def test_nothing_is_left_behind() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        session = await open_session(raw)
        pids = [(await call(raw, "pid", session))["pid"], (await call(raw, "pid"))["pid"]]
        await call(raw, "child", session)
        groups = [os.getpgid(pid) for pid in pids]

    assert all(not alive(pid) for pid in pids)
    await until(lambda: not any(group_alive(group) for group in groups))


async def test_a_legacy_server_is_never_asked_in_the_modern_era() -> None:
    async with stdio_rig(*LEGACY) as made, made.raw() as raw:
        discovered = await raw.modern("server/discover")
        called = await raw.modern("tools/call", name="pid")

    assert (discovered.status_code, discovered.json()["error"]["code"]) == (404, -32601)
    assert (called.status_code, called.json()["error"]["code"]) == (400, -32022)
