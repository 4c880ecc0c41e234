"""Waiting in tests: for a condition, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

PATIENCE: Final = 60.0
"""Seconds after which a condition is taken for one that never comes."""


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 -- the condition belongs to code that has no event
            await asyncio.sleep(0.005)


async def until_asked(question: Callable[[], Awaitable[bool]], seconds: float = PATIENCE) -> None:
    """The same for what has to be asked over a wire."""
    async with asyncio.timeout(seconds):
        while not await question():  # noqa: ASYNC110 -- the answer is in another process
            await asyncio.sleep(0.01)


async def turns_during(work: Coroutine[Any, Any, Any]) -> int:
    """How often others had their turn of the loop while it ran."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(others())
        await work
        task.cancel()
    return turns
