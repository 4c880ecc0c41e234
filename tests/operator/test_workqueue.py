"""The queue's contract, as client-go has it."""

import asyncio
from collections.abc import Callable

from tests.operator.hand_clock import HandClock

from ostiary_operator.workqueue import LAST_BACKOFF, Workqueue


def queue_of(clock: Callable[[], float] | None = None) -> Workqueue[str]:
    return Workqueue(clock=clock or HandClock())


async def soon(queue: Workqueue[str]) -> str | None:
    async with asyncio.timeout(10):
        return await queue.get()


async def test_a_key_added_twice_is_worked_once() -> None:
    queue = queue_of()
    queue.add("a")
    queue.add("a")

    first = await soon(queue)

    assert (first, queue.depth) == ("a", 0)


async def test_keys_come_in_the_order_they_were_added() -> None:
    queue = queue_of()
    for key in "cab":
        queue.add(key)

    assert [await soon(queue) for _ in range(3)] == ["c", "a", "b"]


async def test_a_held_key_is_handed_to_nobody_else() -> None:
    queue = queue_of()
    queue.add("a")
    await soon(queue)

    queue.add("a")
    queue.add("b")

    assert await soon(queue) == "b"
    assert queue.depth == 0


async def test_a_key_added_while_held_is_handed_out_again_after_done() -> None:
    queue = queue_of()
    queue.add("a")
    await soon(queue)
    queue.add("a")
    queue.add("a")

    queue.done("a")

    assert await soon(queue) == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_a_key_that_is_done_and_was_not_added_again_is_gone() -> None:
    queue = queue_of()
    queue.add("a")
    await soon(queue)
    assert len(queue) == 1

    queue.done("a")

    assert len(queue) == 0
    assert queue.depth == 0


async def test_a_waiting_worker_is_woken_by_a_key() -> None:
    queue = queue_of()

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(soon(queue))
        await asyncio.sleep(0)
        queue.add("a")

    assert waiting.result() == "a"


async def test_two_waiting_workers_get_two_keys() -> None:
    queue = queue_of()

    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(soon(queue)) for _ in range(2)]
        await asyncio.sleep(0)
        queue.add("a")
        queue.add("b")

    assert {task.result() for task in waiting} == {"a", "b"}


async def test_a_timer_holds_its_key_back_until_it_is_due() -> None:
    clock = HandClock()
    queue = queue_of(clock)
    queue.add_after("late", 5)
    queue.add("now")
    assert await soon(queue) == "now"
    assert queue.depth == 0

    clock.pass_by(5)

    assert await soon(queue) == "late"


async def test_the_earlier_timer_wins() -> None:
    clock = HandClock()
    queue = queue_of(clock)
    queue.add_after("a", 60)
    queue.add_after("a", 5)
    queue.add_after("a", 30)

    clock.pass_by(5)

    assert await soon(queue) == "a"
    queue.done("a")
    clock.pass_by(60)
    queue.add("last")
    assert await soon(queue) == "last"


async def test_a_timer_that_ripens_while_a_worker_waits_wakes_it() -> None:
    queue = queue_of(asyncio.get_running_loop().time)

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(soon(queue))
        await asyncio.sleep(0)
        queue.add_after("a", 0.01)

    assert waiting.result() == "a"


async def test_the_pause_before_a_retry_doubles_up_to_five_minutes() -> None:
    queue = queue_of()

    pauses = [queue.retry("a") for _ in range(40)]

    assert pauses[:4] == [0.05, 0.1, 0.2, 0.4]
    assert pauses[-1] == LAST_BACKOFF == max(pauses)
    assert queue.failures("a") == 40


async def test_the_failures_of_one_key_do_not_slow_another() -> None:
    queue = queue_of()
    for _ in range(5):
        queue.retry("a")

    assert queue.retry("b") == 0.05


async def test_after_a_success_the_pause_is_the_shortest_again() -> None:
    queue = queue_of()
    for _ in range(5):
        queue.retry("a")

    queue.forget("a")

    assert queue.failures("a") == 0
    assert queue.retry("a") == 0.05


async def test_a_retried_key_comes_back() -> None:
    clock = HandClock()
    queue = queue_of(clock)
    queue.add("a")
    await soon(queue)
    pause = queue.retry("a")
    queue.done("a")
    assert queue.depth == 0

    clock.pass_by(pause)

    assert await soon(queue) == "a"


async def test_a_closed_queue_gives_nothing_more() -> None:
    queue = queue_of()
    queue.add("a")

    queue.close()

    assert await soon(queue) is None


async def test_closing_wakes_every_worker() -> None:
    queue = queue_of()

    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(soon(queue)) for _ in range(3)]
        await asyncio.sleep(0)
        queue.close()

    assert [task.result() for task in waiting] == [None, None, None]
