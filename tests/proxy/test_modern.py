"""Modern requests, which have no session: which process they meet."""

import asyncio

from tests.proxy.conditions import until
from tests.proxy.rig import rig, stdio, stdio_rig
from tests.proxy.test_stdio import BOTH, alive, call


async def test_each_request_may_have_a_process_to_itself() -> None:
    async with stdio_rig(*BOTH, sessionAffinity="Request") as made, made.raw() as raw:
        first, second = (await call(raw, "pid"))["pid"], (await call(raw, "pid"))["pid"]
        listed = await raw.modern("tools/list")
        await until(lambda: not alive(first) and not alive(second))

    assert first != second
    assert listed.status_code == 200


async def test_many_first_calls_of_one_caller_start_one_process() -> None:
    async with rig(stdio(*BOTH, maxProcesses=1)) as made, made.raw() as raw:
        await made.ready()
        answers = await asyncio.gather(*(call(raw, "pid") for _ in range(10)))

    assert len({answer["pid"] for answer in answers}) == 1
