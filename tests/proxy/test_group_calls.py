"""Calls on to members, and all that goes with them: questions, progress, cancelling."""

import asyncio

import orjson
import pytest
from tests.proxy.conditions import until, until_asked
from tests.proxy.test_group_service import ERAS, MODES, asked, both, said

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


@pytest.mark.parametrize("mode", MODES)
async def test_questions_of_all_members_come_to_the_right_client(mode: str) -> None:
    async with both() as made:
        async with (
            asked(made, mode, "blue", []) as one,
            asked(made, mode, "green", []) as other,
        ):
            for alias in ERAS:
                # Over stdio a server that asks for the first time keeps its calls apart from then.
                await one.call_tool(f"{alias}_ask")
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(client.call_tool(f"{alias}_ask"))
                    for client in (one, other)
                    for alias in (*ERAS, *ERAS)
                ]
        answers = [said(task.result()) for task in running]
    assert answers == ["blue"] * 4 + ["green"] * 4


@pytest.mark.parametrize("mode", MODES)
async def test_progress_and_logs_come_with_their_call(mode: str) -> None:
    steps: list[float] = []

    async def step(done: float, total: float | None, message: str | None) -> None:
        steps.append(done)

    async with both() as made, made.client(mode) as client:
        for alias in ERAS:
            assert said(await client.call_tool(f"{alias}_count", progress_callback=step))
        await until(lambda: steps == [1, 2, 3, 1, 2, 3])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("alias", ERAS)
async def test_what_a_client_cancels_ends_at_its_member(mode: str, alias: str) -> None:
    async with (
        both() as made,
        made.client(mode) as client,
        asyncio.TaskGroup() as tasks,
    ):

        async def notes() -> dict[str, list[str]]:
            told = await client.call_tool(f"{alias}_notes")
            found: dict[str, list[str]] = orjson.loads(said(told))
            return found

        task = tasks.create_task(client.call_tool(f"{alias}_wait", {"name": "mine"}))

        async def began() -> bool:
            return "wait" in (await notes())["calls"]

        async def ended() -> bool:
            return "mine" in (await notes())["cancelled"]

        await until_asked(began)
        task.cancel()
        await until_asked(ended)
