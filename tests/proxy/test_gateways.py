"""Which addresses are a gateway's: what its name holds now, and for how long that is believed."""

import socket

import pytest
from tests.proxy.groups import LINK, PODS

from ostiary_proxy.addresses import SOONEST_SECONDS
from ostiary_proxy.config import GroupLink
from ostiary_proxy.gateways import HOLD_SECONDS, MOST, REFRESH_SECONDS, Gateways

HERE, NEW, OTHER = "10.0.0.1", "10.0.0.2", "10.0.0.9"
LINKS = (LINK,)


class Dns:
    def __init__(self, **names: frozenset[str] | Exception) -> None:
        self.names: dict[str, frozenset[str] | Exception] = {PODS: frozenset({HERE}), **names}
        self.asked: list[str] = []
        self.now = 1000.0

    def gateways(self) -> Gateways:
        return Gateways(resolve=self.resolve, clock=lambda: self.now)

    async def resolve(self, name: str) -> frozenset[str]:
        self.asked.append(name)
        found = self.names.get(name, OSError("cannot tell"))
        if isinstance(found, Exception):
            raise found
        return found


async def test_an_address_is_a_gateways_while_its_name_holds_it() -> None:
    dns = Dns()
    gateways = dns.gateways()

    assert await gateways.at(LINKS, HERE) == LINKS
    assert await gateways.at(LINKS, OTHER) == ()
    assert await gateways.at(LINKS, f"::ffff:{HERE}") == ()  # one spelling: the caller's business
    dns.names[PODS] = frozenset({NEW})
    dns.now += REFRESH_SECONDS + 0.1
    assert await gateways.at(LINKS, HERE) == ()
    assert await gateways.at(LINKS, NEW) == LINKS


async def test_a_new_address_is_looked_up_at_once_and_a_stranger_not_too_often() -> None:
    dns = Dns()
    gateways = dns.gateways()
    await gateways.at(LINKS, HERE)
    dns.names[PODS] = frozenset({HERE, NEW})
    dns.now += SOONEST_SECONDS

    assert await gateways.at(LINKS, NEW) == LINKS
    for _ in range(100):
        await gateways.at(LINKS, OTHER)
    assert dns.asked == [PODS, PODS]


async def test_what_nobody_can_renew_is_believed_for_a_moment_only() -> None:
    dns = Dns()
    gateways = dns.gateways()
    await gateways.at(LINKS, HERE)
    dns.names[PODS] = OSError("cannot tell")
    dns.now += HOLD_SECONDS

    assert await gateways.at(LINKS, HERE) == LINKS
    assert gateways.known(LINKS, HERE) == ()
    dns.now += 0.1
    assert await gateways.at(LINKS, HERE) is None


@pytest.mark.parametrize(
    "answer", [socket.gaierror(socket.EAI_NONAME, "no name"), frozenset[str]()]
)
async def test_a_name_that_is_gone_holds_nothing_at_once(
    answer: Exception | frozenset[str],
) -> None:
    dns = Dns()
    gateways = dns.gateways()
    await gateways.at(LINKS, HERE)
    dns.names[PODS] = answer
    dns.now += REFRESH_SECONDS + 0.1

    assert await gateways.at(LINKS, HERE) == ()


async def test_a_resolver_that_fails_is_no_answer() -> None:
    dns = Dns(**{PODS: socket.gaierror(socket.EAI_AGAIN, "try again")})

    assert await dns.gateways().at(LINKS, HERE) is None


async def test_of_several_groups_each_has_its_own() -> None:
    other = LINK.model_copy(update={"uid": "g-2", "pods": "other-pods"})
    dns = Dns(**{"other-pods": frozenset({OTHER})})
    gateways = dns.gateways()

    assert await gateways.at((LINK, other), OTHER) == (other,)
    assert await gateways.at((LINK, other), HERE) == LINKS
    assert await gateways.at((LINK, other), NEW) == ()
    dns.names["other-pods"] = OSError("cannot tell")
    dns.now += HOLD_SECONDS + 0.1
    assert await gateways.at((LINK, other), HERE) == LINKS
    assert await gateways.at((LINK, other), NEW) is None


async def test_a_group_without_a_name_has_no_address() -> None:
    dns = Dns()
    nameless = LINK.model_copy(update={"pods": ""})

    assert await dns.gateways().at((nameless,), HERE) == ()
    assert dns.asked == []


async def test_without_asking_only_what_was_just_told_is_known() -> None:
    dns = Dns()
    gateways = dns.gateways()

    assert gateways.known(LINKS, HERE) == ()
    await gateways.at(LINKS, HERE)
    assert gateways.known(LINKS, HERE) == LINKS
    dns.now += REFRESH_SECONDS + 0.1
    assert gateways.known(LINKS, HERE) == ()
    assert dns.asked == [PODS]


async def test_names_come_and_go() -> None:
    dns = Dns()
    gateways = dns.gateways()
    for number in range(MOST + 1):
        links = (GroupLink(**{**LINK.model_dump(), "pods": f"pods-{number}"}),)
        await gateways.at(links, HERE)

    assert len(gateways._of) <= MOST
    assert await gateways.at(LINKS, HERE) == LINKS
