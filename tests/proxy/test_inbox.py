"""What was said and not taken yet."""

import asyncio

from ostiary_proxy.inbox import MOST, Inbox
from ostiary_proxy.message import Rejection, parse

NO = Rejection(400, -32600, "no")


async def test_what_was_said_is_taken_in_its_order() -> None:
    inbox = Inbox()
    first = parse(b'{"jsonrpc":"2.0","method":"a"}')
    inbox.put(first)
    inbox.put(NO)

    assert [await inbox.get(9), await inbox.get(9), await inbox.get(0.01)] == [first, NO, None]


async def test_a_reader_is_woken() -> None:
    inbox = Inbox()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = group.create_task(inbox.get(60))
        await asyncio.sleep(0)
        inbox.wake()

    assert waiting.result() is None


def test_it_says_when_it_is_full() -> None:
    inbox = Inbox()
    for _ in range(MOST):
        assert not inbox.full
        inbox.put(NO)

    assert inbox.full
