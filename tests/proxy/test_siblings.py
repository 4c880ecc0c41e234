"""Which pods there are, and which of them owns what."""

import pytest

from ostiary_proxy.addresses import DOWN_SECONDS, SOONEST_SECONDS, by_dns
from ostiary_proxy.siblings import Siblings, chosen, plain

PODS = frozenset({"10.0.0.1", "10.0.0.2", "10.0.0.3"})


class Dns:
    """What a name resolves to just now."""

    def __init__(self, *answers: frozenset[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.now = 100.0

    async def resolve(self, name: str) -> frozenset[str]:
        self.asked.append(name)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if not answer:
            raise OSError("cannot tell")
        return answer

    def siblings(self) -> Siblings:
        return Siblings("pods", "10.0.0.1", resolve=self.resolve, clock=lambda: self.now)


async def test_the_named_owner_is_it_while_the_name_holds_it() -> None:
    dns = Dns(PODS)
    siblings = dns.siblings()

    assert await siblings.owner(b"k", "10.0.0.2", ()) == "10.0.0.2"
    assert await siblings.owner(b"k", "10.0.0.1", ()) == "10.0.0.1"
    assert await siblings.owner(b"k", "203.0.113.7", ()) in PODS


async def test_whoever_asks_finds_the_same_heir() -> None:
    dns = Dns(PODS)
    heirs = set()
    for own in sorted(PODS):
        siblings = Siblings("pods", own, resolve=dns.resolve, clock=lambda: dns.now)
        await siblings.refresh()
        heirs.add(await siblings.owner(b"k", "10.0.0.9", ()))

    assert len(heirs) == 1


async def test_an_unreachable_pod_is_passed_over_for_a_moment() -> None:
    dns = Dns(PODS)
    siblings = dns.siblings()
    await siblings.refresh()
    await siblings.lost("10.0.0.2")

    assert "10.0.0.2" not in siblings.living()
    assert await siblings.owner(b"k", "10.0.0.2", ()) != "10.0.0.2"
    dns.now += DOWN_SECONDS
    assert await siblings.owner(b"k", "10.0.0.2", ()) == "10.0.0.2"


async def test_what_is_not_known_is_looked_up_at_once_and_not_more_often() -> None:
    dns = Dns(PODS - {"10.0.0.3"}, PODS)
    siblings = dns.siblings()
    await siblings.refresh()

    assert not await siblings.holds("10.0.0.3")
    dns.now += SOONEST_SECONDS
    assert await siblings.holds("10.0.0.3")
    for _ in range(100):
        assert not await siblings.holds("203.0.113.7")
    assert len(dns.asked) == 2


async def test_when_nobody_can_tell_what_was_known_goes_on() -> None:
    dns = Dns(PODS, frozenset())
    siblings = dns.siblings()
    await siblings.refresh()
    dns.now += SOONEST_SECONDS
    await siblings.refresh()

    assert set(siblings.living()) == PODS


async def test_before_anybody_told_a_pod_is_alone_and_knows_it() -> None:
    siblings = Dns(frozenset()).siblings()
    await siblings.refresh()

    assert not siblings.known
    assert siblings.living() == ["10.0.0.1"]


def test_few_keys_move_when_a_pod_comes() -> None:
    keys = [str(number).encode() for number in range(1000)]
    before = {key: chosen(key, sorted(PODS)) for key in keys}
    after = {key: chosen(key, [*sorted(PODS), "10.0.0.4"]) for key in keys}
    moved = [key for key in keys if before[key] != after[key]]

    assert {after[key] for key in moved} == {"10.0.0.4"}
    assert 150 < len(moved) < 350
    assert all(list(before.values()).count(pod) > 250 for pod in PODS)


@pytest.mark.parametrize(
    ("spelt", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("FD00::0001", "fd00::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
    ],
)
def test_an_address_has_one_spelling(spelt: str, address: str) -> None:
    assert plain(spelt) == address


async def test_a_name_is_resolved_by_the_system() -> None:
    assert await by_dns("localhost") & {"127.0.0.1", "::1"}
