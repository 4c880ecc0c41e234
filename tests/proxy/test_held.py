"""Calls that wait for an answer: bounded, and given up in time."""

import asyncio

from tests.proxy.pipes import piped
from tests.proxy.test_to_legacy import modern

from ostiary_proxy.handshaken import HandshakenChannel
from ostiary_proxy.held import MOST_EACH, Held, Holds
from ostiary_proxy.policy import Caller, Target
from ostiary_proxy.upstreams import Upstream


def held(name: str = "me") -> Held:
    channel = HandshakenChannel("s")
    piped(channel)
    call = channel.begin(modern("tools/call", name="a"))
    caller = Caller.service_account("agents", name)
    about = (Target("tool", "a"),)
    return Held(caller, about, call, Upstream(channel, 0.0, kept=True), "question", {}, 1)


async def test_a_call_is_taken_once() -> None:
    given_up: list[Held] = []
    holds, one = Holds(lambda held, why: given_up.append(held)), held()
    holds.put(one, 60.0)

    assert holds.take(one.ident) is one
    assert holds.take(one.ident) is None
    assert holds.take("another") is None
    assert (len(holds), given_up) == (0, [])


async def test_a_call_that_nobody_comes_back_for_is_given_up() -> None:
    """Obligation 52: a time to live."""
    over = asyncio.Event()
    holds, one = Holds(lambda held, why: over.set()), held()
    holds.put(one, 0.01)

    async with asyncio.timeout(10):
        await over.wait()

    assert holds.take(one.ident) is None


async def test_one_principal_cannot_hold_all() -> None:
    holds = Holds(lambda held, why: None)
    for _ in range(MOST_EACH):
        holds.put(held(), 60.0)

    me, you = held().caller.digest, held("you").caller.digest
    assert not holds.has_room(me)
    assert holds.has_room(you)
    holds.close()
    assert holds.has_room(me)


async def test_all_are_given_up_at_the_end() -> None:
    given_up: list[Held] = []
    holds, one = Holds(lambda held, why: given_up.append(held)), held()
    holds.put(one, 60.0)
    holds.close()

    assert given_up == [one]


async def test_one_whose_caller_may_no_longer_do_it_is_given_up_alone() -> None:
    given_up: list[tuple[Held, str]] = []
    holds, one, other = Holds(lambda *said: given_up.append(said)), held(), held()
    holds.put(one, 60.0)
    holds.put(other, 60.0)
    holds.revoke(one)

    assert given_up == [(one, "Access was revoked while the call was waiting.")]
    assert list(holds) == [other]
    holds.close()
