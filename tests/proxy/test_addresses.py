"""When a name is looked up again, and which of its addresses are passed over."""

import asyncio

import pytest

from ostiary_proxy.addresses import DOWN_SECONDS, SOONEST_SECONDS, Addresses, absolute

A, B = "10.0.0.1", "10.0.0.2"


class Dns:
    def __init__(self) -> None:
        self.asked, self.now, self.down = 0, 50.0, False

    async def resolve(self, name: str) -> frozenset[str]:
        assert name == "time-pods.tools.svc"
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise OSError("no answer")
        return frozenset({A, B})

    def clock(self) -> float:
        return self.now


def addresses(dns: Dns) -> Addresses:
    return Addresses("time-pods.tools.svc", resolve=dns.resolve, clock=dns.clock)


async def test_who_asks_at_once_shares_one_look() -> None:
    dns = Dns()
    found = addresses(dns)
    told = await asyncio.gather(*(found.look() for _ in range(5)))
    assert told.count(frozenset({A, B})) == 1
    assert told.count(None) == 4
    assert dns.asked == 1


async def test_it_is_looked_up_again_after_its_age_and_no_sooner() -> None:
    dns = Dns()
    found = addresses(dns)
    await found.look()
    dns.now += SOONEST_SECONDS
    assert await found.look(10) is None
    assert await found.look() == {A, B}
    dns.now += 10
    assert await found.look(10) == {A, B}


async def test_that_nobody_can_tell_is_not_that_nothing_is_there() -> None:
    dns = Dns()
    dns.down = True
    found = addresses(dns)
    assert await found.look() == frozenset()
    assert await found.look() is None, "and it is not asked without end"


def test_what_could_not_be_reached_is_passed_over_for_a_moment() -> None:
    dns = Dns()
    found = addresses(dns)
    assert found.is_up(A)
    found.lost(A)
    assert not found.is_up(A)
    assert found.is_up(B)
    dns.now += DOWN_SECONDS
    assert found.is_up(A)


@pytest.mark.parametrize(
    ("name", "search", "asked"),
    [
        (
            "time-pods.tools.svc",
            "search tools.svc.cluster.local svc.cluster.local cluster.local",
            "time-pods.tools.svc.cluster.local.",
        ),
        (
            "time-pods.tools.svc",
            "nameserver 10.0.0.10\nsearch tools.svc.example.org svc.example.org. example.org",
            "time-pods.tools.svc.example.org.",
        ),
        ("time-pods.tools.svc", "search home.example", "time-pods.tools.svc"),
        ("time-pods.tools.svc", "", "time-pods.tools.svc"),
        ("localhost", "search tools.svc.cluster.local svc.cluster.local", "localhost"),
    ],
)
def test_a_services_name_is_asked_for_in_full(name: str, search: str, asked: str) -> None:
    """Or a namespace called svc could answer in another one's place."""
    assert absolute(name, search) == asked
