"""What serves a whole module of tests, opened and closed by one task.

A fixture is set up and torn down in two tasks, which what is opened here (scopes of cancellation)
does not bear.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


@asynccontextmanager
async def standing(opened: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    ready: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def stand() -> None:
        async with opened as value:
            ready.set_result(value)
            await over.wait()

    task = asyncio.get_running_loop().create_task(stand())
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task  # raises what it could not open for
    yield ready.result()
    over.set()
    await task
