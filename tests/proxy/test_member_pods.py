"""Which pod of a member a request goes to."""

import pytest

from ostiary_proxy.addresses import DOWN_SECONDS
from ostiary_proxy.member_pods import REFRESH_SECONDS, MemberPods
from ostiary_proxy.upstream import UnreachableError

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


class Dns:
    """What the headless Service holds."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = frozenset(addresses)
        self.asked = 0
        self.now = 50.0
        self.down = False

    async def resolve(self, name: str) -> frozenset[str]:
        assert name == "clock-pods.tools.svc"
        self.asked += 1
        if self.down:
            raise OSError("no answer")
        return self.addresses

    def clock(self) -> float:
        return self.now


def pods(dns: Dns) -> MemberPods:
    return MemberPods("clock-pods.tools.svc", lambda: 8080, resolve=dns.resolve, clock=dns.clock)


async def test_a_session_comes_to_one_pod_and_the_rest_goes_round() -> None:
    found = pods(Dns(A, B, C))
    keys = [bytes([number]) for number in range(60)]
    first = [await found.choose(key) for key in keys]
    assert first == [await found.choose(key) for key in keys]
    assert set(first) == {A, B, C}
    assert sorted([await found.choose(b"") for _ in range(6)]) == [A, A, B, B, C, C]


async def test_any_gateway_finds_the_same_pod_and_few_sessions_move() -> None:
    dns = Dns(A, B, C)
    one, other = pods(dns), pods(Dns(C, B, A))
    keys = [bytes([number]) for number in range(60)]
    before = {key: await one.choose(key) for key in keys}
    assert before == {key: await other.choose(key) for key in keys}
    dns.addresses = frozenset({A, B})
    dns.now += REFRESH_SECONDS + 1
    after = {key: await one.choose(key) for key in keys}
    assert all(after[key] == before[key] for key in keys if before[key] != C)


async def test_an_unreachable_pod_is_passed_over_for_a_moment_and_looked_up_anew() -> None:
    dns = Dns(A, B)
    found = pods(dns)
    assert {await found.choose(b"") for _ in range(4)} == {A, B}
    found.lost(A)
    asked = dns.asked
    dns.now += 1
    assert {await found.choose(b"") for _ in range(4)} == {B}
    assert dns.asked == asked + 1
    dns.now += DOWN_SECONDS
    assert {await found.choose(b"") for _ in range(4)} == {A, B}


async def test_the_last_pod_is_tried_although_it_was_lost() -> None:
    found = pods(Dns(A))
    assert await found.choose(b"k") == A
    found.lost(A)
    assert await found.choose(b"k") == A
    with pytest.raises(UnreachableError):
        await found.choose(b"k", but={A})


async def test_a_name_that_nobody_answers_for_keeps_what_was_known() -> None:
    dns = Dns(A)
    found = pods(dns)
    assert await found.choose(b"") == A
    dns.down, dns.now = True, dns.now + 100
    assert await found.choose(b"") == A
    empty = Dns()
    with pytest.raises(UnreachableError):
        await pods(empty).choose(b"")


async def test_what_this_process_serves_itself_is_never_resolved() -> None:
    dns = Dns(A)
    found = MemberPods("", lambda: 4000, resolve=dns.resolve, clock=dns.clock)
    assert await found.choose(b"k") == "127.0.0.1"
    assert dns.asked == 0
