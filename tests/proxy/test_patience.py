"""Calls that wait for a child which does not read: none is given to it after its caller may not."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from tests.proxy.conditions import until
from tests.proxy.rig import Raw, Rig, policy, stdio_rig

from ostiary_proxy import config

LARGE = "x" * 400_000


@asynccontextmanager
async def deaf(rig: Rig, raw: Raw) -> AsyncIterator[None]:
    """The caller's child is stopped, and its pipe is full."""
    answer = await raw.modern("tools/call", name="pid", arguments={})
    pid = int(answer.json()["result"]["content"][0]["text"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def call(raw: Raw, ident: int) -> httpx2.Response:
    return await raw.modern("tools/call", ident, name="echo", arguments={"text": LARGE})


async def test_a_waiting_call_is_refused_when_its_caller_is_revoked() -> None:
    async with (
        stdio_rig() as rig,
        rig.raw() as raw,
        asyncio.TaskGroup() as group,
        deaf(rig, raw),
    ):
        calls = [group.create_task(call(raw, number)) for number in range(3)]
        await until(lambda: rig.proxy.backends.in_flight == 3)
        rig.apply(policies=(policy("other"),))
        async with asyncio.timeout(20):
            statuses = [(await one).status_code for one in calls]

    assert statuses == [403] * 3


async def test_a_waiting_call_has_an_end_and_its_place_is_free_again() -> None:
    async with (
        stdio_rig() as rig,
        rig.raw() as raw,
        asyncio.TaskGroup() as group,
        deaf(rig, raw),
    ):
        rig.apply(limits=config.Limits(callSeconds=1, concurrency=3))
        calls = [group.create_task(call(raw, number)) for number in range(3)]
        async with asyncio.timeout(20):
            statuses = {(await one).status_code for one in calls}
        assert statuses == {504}
        assert rig.proxy.backends.in_flight == 0
