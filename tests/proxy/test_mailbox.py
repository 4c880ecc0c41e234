"""Letters from a child to one waiting request."""

import asyncio

from tests.proxy.conditions import PATIENCE

from ostiary_proxy import mailbox
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Letter, Mailbox, one


async def test_letters_come_in_order_also_after_the_end() -> None:
    box = Mailbox()
    for data in (b"1", b"2"):
        box.put(Letter(data))
    box.end(Exit("CommandExited", "gone"))

    letters = [await box.get(PATIENCE) for _ in range(3)]

    assert letters == [Letter(b"1"), Letter(b"2"), None]
    assert box.ended is not None


async def test_a_reader_is_woken_by_a_letter() -> None:
    box = Mailbox()
    asyncio.get_running_loop().call_soon(box.put, Letter(b"1", last=True))

    assert await box.get(PATIENCE) == Letter(b"1", last=True)


async def test_a_reader_is_woken_without_a_letter() -> None:
    box = Mailbox()
    asyncio.get_running_loop().call_soon(box.wake)

    assert await box.get(PATIENCE) is None


async def test_patience_ends() -> None:
    assert await Mailbox().get(0.0) is None


async def test_what_nobody_reads_is_bounded() -> None:
    """Security row 22."""
    box = Mailbox()
    letter = Letter(b"x" * (mailbox.LARGEST // 2))

    for _ in range(3):
        box.put(letter)

    assert box.overflowed
    assert len(box._letters) == 2


async def test_a_closed_box_takes_nothing() -> None:
    box = Mailbox()
    box.close()

    box.put(Letter(b"1"))

    assert await box.get(0.0) is None


async def test_one_letter_is_waited_for_whatever_wakes_the_reader() -> None:
    box = Mailbox()
    loop = asyncio.get_running_loop()
    loop.call_later(0.01, box.wake)
    loop.call_later(0.02, box.put, Letter(b"1"))

    assert await one(box, PATIENCE) == Letter(b"1")


async def test_nobody_waits_for_a_letter_that_will_not_come() -> None:
    ended, stopped = Mailbox(), Mailbox()
    ended.end(Exit("CommandExited", "gone"))
    over: list[int] = []
    asyncio.get_running_loop().call_later(0.01, lambda: (over.append(1), stopped.wake()))

    assert await one(ended, PATIENCE) is None
    assert await one(stopped, PATIENCE, lambda: bool(over)) is None
    assert await one(Mailbox(), 0.01) is None
