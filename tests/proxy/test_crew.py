"""What counts as idle when processes are reaped or make room."""

import asyncio

import pytest
from tests.proxy.conditions import until
from tests.proxy.rig import OTHER, Raw, Rig, rig, stdio
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import BOTH, call

from ostiary_proxy.channel import LEFT_SECONDS
from ostiary_proxy.crew import SUBSCRIBED_SECONDS, share_of
from ostiary_proxy.era import CAPABILITIES_KEY as CAPABILITIES


def crew(made: Rig, now: list[float]) -> int:
    made.backend._crew._now = made.backend.legacy._now = lambda: now[0]
    made.backend.reap()
    return len(made.backend._crew)


async def test_a_subscription_keeps_its_process_for_an_hour() -> None:
    now = [1000.0]
    async with rig(stdio(*BOTH, idleSeconds=60, maxProcesses=1)) as made, made.raw() as raw:
        await made.ready()
        crew(made, now)
        headers = {"mcp-session-id": await open_session(raw)}
        await raw.legacy("resources/subscribe", uri="memo:one", headers=headers)
        now[0] += 61
        kept = crew(made, now)
        refused = await raw.modern("tools/call", name="pid")
        now[0] += SUBSCRIBED_SECONDS

        assert kept == 1
        assert refused.status_code == 503
        assert crew(made, now) == 0


async def test_a_stream_keeps_its_process() -> None:
    now = [1000.0]
    async with rig(stdio(*BOTH, idleSeconds=60)) as made, made.raw() as raw:
        await made.ready()
        crew(made, now)
        session = await open_session(raw)
        async with raw.http.stream("GET", made.url, headers={"mcp-session-id": session}):
            await call(raw, "pid", session)
            now[0] += 61
            kept = crew(made, now)
        await until(lambda: not made.proxy.backends._by_path["/mcp"].open)

        assert kept == 1
        assert crew(made, now) == 0


async def test_a_call_that_everybody_left_does_not_keep_its_process_for_good() -> None:
    now = [1000.0]
    async with rig(stdio(*BOTH, idleSeconds=60)) as made, made.raw() as raw, made.raw() as leaver:
        await made.ready()
        crew(made, now)
        session = await open_session(raw)
        await call(raw, "pid", session)
        headers = {"mcp-session-id": session}
        async with asyncio.TaskGroup() as group:
            wait = leaver.legacy("tools/call", 5, name="wait", headers=headers)
            task = group.create_task(wait)
            await until(lambda: made.proxy.backends.in_flight)
            task.cancel()
        await until(lambda: not made.proxy.backends.in_flight)
        now[0] += 61
        kept = crew(made, now)
        now[0] += LEFT_SECONDS

        assert kept == 1
        assert crew(made, now) == 0


@pytest.mark.parametrize(("most", "share"), [(1, 1), (2, 1), (3, 2), (4, 3), (16, 12), (1000, 750)])
def test_a_quarter_of_the_processes_is_left_to_others(most: int, share: int) -> None:
    assert share_of(most) == share


async def test_one_caller_cannot_take_every_process() -> None:
    """With other capabilities each request of one principal has a process of its own."""
    backend = stdio(*BOTH, maxProcesses=4)
    async with rig(backend) as made, made.raw() as greedy, made.raw(OTHER) as other:
        await made.ready()
        async with asyncio.TaskGroup() as group:
            waits = [
                group.create_task(
                    greedy.modern("tools/call", name="wait", _meta={CAPABILITIES: {"x": {"n": n}}})
                )
                for n in range(3)
            ]
            await until(lambda: len(made.backend._crew) == 3)
            refused = await greedy.modern(
                "tools/call", name="pid", _meta={CAPABILITIES: {"x": {"n": 3}}}
            )
            served = await other.modern("tools/call", name="pid")
            for task in waits:
                task.cancel()

    assert refused.status_code == 503
    assert "All 3 of your processes" in refused.json()["error"]["message"]
    assert refused.headers["retry-after"] == "5"
    assert "result" in served.json()


async def test_at_its_share_a_callers_own_idlest_process_makes_room() -> None:
    backend = stdio(*BOTH, maxProcesses=2)
    async with rig(backend) as made, made.raw() as one, made.raw(OTHER) as other:
        await made.ready()
        first = await other.modern("tools/call", name="pid")
        pids = [
            (
                await one.modern("tools/call", name="pid", _meta={CAPABILITIES: {"x": {"n": n}}})
            ).json()
            for n in range(4)
        ]
        again = await other.modern("tools/call", name="pid")

    assert len({str(it["result"]) for it in pids}) == 4
    assert first.json()["result"] == again.json()["result"]


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_over_the_bridge_too_one_caller_has_its_share(era: str) -> None:
    """Its idle ones make room for it, and never those of others."""
    peer = (*BOTH, "legacy") if era == "modern" else (*BOTH, "modern")
    async with rig(stdio(*peer, maxProcesses=2)) as made, made.raw() as one, made.raw(OTHER) as two:
        await made.ready()
        theirs = await pid(two, era)
        mine = [await pid(one, era, n) for n in range(3)]
        again = await pid(two, era)

    assert len(set(mine)) == 3
    if era == "modern":
        assert theirs == again


async def pid(raw: Raw, era: str, number: int = 0) -> str:
    if era == "modern":
        meta = {CAPABILITIES: {"x": {"n": number}}}
        answer = await raw.modern("tools/call", name="pid", _meta=meta)
    else:
        headers = {"mcp-session-id": await open_session(raw)}
        answer = await raw.legacy("tools/call", name="pid", headers=headers)
    return str(answer.json()["result"]["pid"])
