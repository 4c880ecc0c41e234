"""The gates before a group's own service: how much may be open, and what ends it."""

import asyncio
import time

from tests.proxy import grouped, rig, signing
from tests.proxy.conditions import until
from tests.proxy.grouped import group_rig

from ostiary_proxy import config


def servers(**more: object) -> tuple[config.Server, ...]:
    one = grouped.of("clock", rig.stdio())
    return one, grouped.group([grouped.member(one)], **more)


async def test_a_group_sheds_what_is_too_much_for_it() -> None:
    limits = config.Limits(concurrency=1)
    async with group_rig(*servers(limits=limits)) as made:
        await made.ready()
        async with (
            made.client("2026-07-28") as client,
            made.raw() as raw,
            asyncio.TaskGroup() as tasks,
        ):
            waiting = tasks.create_task(client.call_tool("clock_wait", {"name": "x"}))
            await until(lambda: made.proxy.backends.in_flight >= 2)
            refused = await raw.modern("tools/list")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            waiting.cancel()


async def test_a_stream_ends_with_its_callers_token() -> None:
    async with group_rig(*servers()) as made:
        await made.ready()
        bearer = signing.sign(
            signing.claims(rig.PLANNER, aud=grouped.AUDIENCE, exp=int(time.time()) + 2)
        )
        async with made.raw() as raw:
            raw.http.headers["authorization"] = f"Bearer {bearer}"
            answer = await raw.modern(
                "subscriptions/listen", notifications={"toolsListChanged": True}
            )
            assert answer.text.count("data:") >= 2
            assert '"resultType":"complete"' in answer.text
