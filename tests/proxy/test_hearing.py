"""A GET stream whose subscriptions end is fed again."""

import asyncio

import pytest
from tests.proxy.test_partner import partner

from ostiary_proxy import hearing
from ostiary_proxy.exchange import Refused, failed
from ostiary_proxy.hearing import Hearing
from ostiary_proxy.lines import Exit
from ostiary_proxy.mailbox import Letter
from ostiary_proxy.partner import Partner


class Feeder:
    """Fails as often as it is told to."""

    def __init__(self, made: Partner, failures: int = 0) -> None:
        self.made, self.failures = made, failures
        self.fed = 0

    async def __call__(self) -> None:
        self.fed += 1
        self.made.deaf = False
        if self.fed <= self.failures:
            raise Refused(failed(503, "later", "Busy"))
        assert self.made.held is not None
        self.made.held.put(Letter(b"fed"))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(hearing, "LAST_WAIT", 0.02)


async def test_what_comes_is_passed_on_and_nothing_is_fed_unasked() -> None:
    made, _ = partner()
    assert made.held is not None
    feed = Feeder(made)
    heard = Hearing(made.held, made, feed)
    made.held.put(Letter(b"news"))

    assert await heard.get(5.0) == Letter(b"news")
    assert await heard.get(0.0) is None
    assert feed.fed == 0


@pytest.mark.parametrize("failures", [0, 2])
async def test_it_is_fed_again_until_that_works(failures: int) -> None:
    made, _ = partner()
    assert made.held is not None
    feed = Feeder(made, failures)
    made.deaf = True

    assert await Hearing(made.held, made, feed).get(20.0) == Letter(b"fed")
    assert feed.fed == failures + 1


async def test_it_ends_with_the_session() -> None:
    made, _ = partner()
    assert made.held is not None
    heard = Hearing(made.held, made, Feeder(made))
    made.held.end(Exit("Closed", "over"))

    assert await heard.get(5.0) is None
    assert heard.ended is not None


async def test_whoever_is_woken_may_look_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "FIRST_WAIT", 3600.0)
    monkeypatch.setattr(hearing, "LAST_WAIT", 3600.0)
    made, _ = partner()
    assert made.held is not None
    heard = Hearing(made.held, made, Feeder(made))
    made.deaf = True
    asyncio.get_running_loop().call_later(0.01, heard.wake)

    assert await heard.get(3600.0) is None
