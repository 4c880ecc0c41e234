"""Which process serves whom, how many there are, and how they end."""

import asyncio
import os
import signal

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
from tests.proxy.test_stdio import BOTH, LEGACY, alive, call, group_alive, open_seat


async def test_each_legacy_session_has_a_process_of_its_own() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        first, second = await open_session(raw), await open_session(raw)
        pids = [(await call(raw, "pid", session))["pid"] for session in (first, first, second)]
        assert pids[0] == pids[1] != pids[2]
        await until(lambda: made.report.processes == 3)

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


async def test_at_the_cap_the_idlest_process_makes_room_and_comes_back_when_needed() -> None:
    backend = stdio(*BOTH, maxProcesses=3)  # of which one caller has two
    async with rig(backend) as made, made.raw() as raw:
        await made.ready()
        first, second = await open_seat(raw), await open_seat(raw)
        before = (await call(raw, "pid", first))["pid"]
        third = (await call(raw, "pid", await open_session(raw)))["pid"]
        kept = (await call(raw, "pid", first))["pid"]
        back = await raw.legacy("tools/call", name="pid", headers={"mcp-session-id": second})
        text = made.proxy.runtime.metrics.text()

    assert kept == before != third
    assert back.status_code == 200
    assert b'ostiary_processes_evicted_total{server="tools/time"} 2.0' in text
    assert b'ostiary_sessions_repaired_total{server="tools/time"} 1.0' in text
    assert [line["name"] for line in made.calls() if line.get("repaired") == "process"] == ["pid"]


async def test_only_when_all_processes_are_busy_is_anybody_refused() -> None:
    backend = stdio(*BOTH, maxProcesses=1)
    async with rig(backend) as made, made.raw() as raw, made.raw() as other:
        await made.ready()
        busy = await open_seat(raw)
        async with asyncio.TaskGroup() as group:
            wait = other.legacy("tools/call", 5, name="wait", headers={"mcp-session-id": busy})
            task = group.create_task(wait)
            await until(lambda: made.proxy.backends.in_flight)
            begun = await raw.initialize()
            listed = await raw.modern("tools/list")
            headers = {"mcp-session-id": begun.headers["mcp-session-id"]}
            refused = await raw.legacy("tools/call", 6, name="pid", headers=headers)
            crowded = await raw.modern("tools/call", name="pid")
            await raw.http.delete(made.url, headers={"mcp-session-id": busy})
            again = await raw.legacy("tools/call", 7, name="pid", headers=headers)
            task.cancel()

    assert (begun.status_code, listed.status_code) == (200, 200)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, -32603)
    assert int(refused.headers["retry-after"]) > 0
    assert crowded.status_code == 503
    assert again.status_code == 200


async def test_an_idle_process_is_reaped_and_a_busy_one_is_not() -> None:
    now = [1000.0]
    async with rig(stdio(*BOTH, idleSeconds=60)) as made, made.raw() as raw, made.raw() as other:
        await made.ready()
        made.backend._crew._now = lambda: now[0]
        idle, busy = await open_seat(raw), await open_seat(raw)
        first = (await call(raw, "pid", idle))["pid"]
        await call(raw, "pid")
        async with asyncio.TaskGroup() as group:
            headers = {"mcp-session-id": busy}
            task = group.create_task(other.legacy("tools/call", 5, name="wait", headers=headers))
            await until(lambda: made.proxy.backends.in_flight)
            await until(lambda: made.report.processes == 4)
            now[0] += 61
            made.backend.reap()
            assert made.report.processes == 2
            task.cancel()
        await until(lambda: not alive(first))
        back = (await call(raw, "pid", idle))["pid"]

    assert back != first


async def test_a_process_that_dies_fails_its_calls_and_the_next_one_begins_anew() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw, made.raw() as other:
        session = await open_seat(raw)
        headers = {"mcp-session-id": session}
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(other.legacy("tools/call", 5, name="wait", headers=headers))
            await until(lambda: made.proxy.backends.in_flight)
            crashed = await raw.legacy("tools/call", 6, name="crash", headers=headers)
        after = await raw.legacy("tools/call", 7, name="pid", headers=headers)
        os.kill(after.json()["result"]["pid"], signal.SIGKILL)
        await until(lambda: not len(made.backend._crew))
        killed = await raw.legacy("tools/call", 8, name="pid", headers=headers)
        modern_crash = await raw.modern("tools/call", name="crash")
        modern_after = await raw.modern("tools/call", name="pid")

    for answer in (crashed, waiting.result(), modern_crash):
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, -32603)
    assert waiting.result().json()["id"] == 5
    assert after.status_code == killed.status_code == modern_after.status_code == 200


async def test_where_the_owner_wants_it_a_lost_process_ends_its_session() -> None:
    async with stdio_rig(*BOTH, onSessionLoss="End") as made, made.raw() as raw:
        headers = {"mcp-session-id": await open_seat(raw)}
        crashed = await raw.legacy("tools/call", 6, name="crash", headers=headers)
        after = await raw.legacy("tools/list", headers=headers)
        headers = {"mcp-session-id": await open_seat(raw)}
        deleted = await raw.http.delete(made.url, headers=headers)
        gone = await raw.legacy("tools/list", headers=headers)

    assert [one.status_code for one in (crashed, after, deleted, gone)] == [502, 404, 204, 404]


async def test_a_client_that_deletes_its_session_and_goes_on_is_served() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        session = await open_seat(raw)
        headers = {"mcp-session-id": session}
        before = (await call(raw, "pid", session))["pid"]
        deleted = [await raw.http.delete(made.url, headers=headers) for _ in range(2)]
        await until(lambda: not alive(before))
        after = await call(raw, "pid", session)

    assert [one.status_code for one in deleted] == [204, 204]
    assert after["pid"] != before


async def test_many_who_find_a_session_lost_begin_it_once() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        session = await open_session(raw)
        made.backend.legacy.sessions.end_all()
        headers = {"mcp-session-id": session}
        calls = [raw.legacy("tools/call", n, name="pid", headers=headers) for n in range(20)]
        answers = await asyncio.gather(*calls)
        text = made.proxy.runtime.metrics.text()

    assert len({answer.json()["result"]["pid"] for answer in answers}) == 1
    assert b'ostiary_sessions_repaired_total{server="tools/time"} 1.0' in text


async def test_fifty_clients_that_only_look_around_cost_one_process() -> None:
    async with rig(stdio(*LEGACY, maxProcesses=1)) as made, made.raw() as raw:
        await made.ready()
        for _ in range(50):
            headers = {"mcp-session-id": await open_session(raw)}
            listed = await raw.legacy("tools/list", headers=headers)
            assert listed.json()["result"]["tools"]
        await until(lambda: made.report.processes == 1)
        text = made.proxy.runtime.metrics.text()
        late = await call(raw, "pid", await open_session(raw))

    assert b'ostiary_processes_started_total{server="tools/time"} 2.0' in text
    assert late["pid"]


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
        called = await raw.modern("tools/call", name="echo")

    assert discovered.json()["result"]["supportedVersions"] == ["2026-07-28"]
    assert "_meta" not in called.json()["result"]["params"]
