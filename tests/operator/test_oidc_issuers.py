"""The issuers that the settings name, as they change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.operator.hand_clock import HandClock
from tests.operator.identity_provider import patient as patient
from tests.operator.identity_provider import provider
from tests.proxy.conditions import until

from ostiary_operator.oidc_issuers import OidcIssuers, Wanted


@asynccontextmanager
async def running(issuers: OidcIssuers, changes: list[int]) -> AsyncIterator[None]:
    async def settled() -> None:
        return None

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(issuers.run(lambda: changes.append(1), settled))
        try:
            yield
        finally:
            task.cancel()


def held(issuers: OidcIssuers) -> dict[str, int]:
    return {it.name: len(it.keys) for it in issuers.issuers}


async def test_each_issuer_is_followed_on_its_own() -> None:
    async with provider() as good, provider() as bad:
        bad.documents = {}
        wanted = Wanted((good.settings(), bad.settings(name="other")), loopback=True)
        issuers, changes = OidcIssuers(wanted=lambda: wanted, clock=HandClock()), list[int]()
        async with running(issuers, changes):
            await until(lambda: held(issuers) == {"team": 1, "other": 0})
            await until(lambda: list(issuers.troubles) == ["other"])
            await until(lambda: bool(changes))
            assert list(issuers.silent) == [bad.url]
            assert issuers.silent[bad.url].endswith("nobody of it is let in until it does")


async def test_what_was_good_is_good_until_it_is_known_better() -> None:
    async with provider() as found:
        said = found.settings()
        known = OidcIssuers(wanted=lambda: Wanted((said,), loopback=True), clock=HandClock())
        async with running(known, []):
            await until(lambda: held(known) == {"team": 1})
        found.documents = {}
        fresh = OidcIssuers(wanted=lambda: Wanted((said,), loopback=True), clock=HandClock())
        fresh.remember(known.issuers)

        assert held(fresh) == {"team": 1}


async def test_who_comes_and_goes_is_told_of() -> None:
    async with provider() as found:
        said, gone = [found.settings()], list[str]()
        issuers = OidcIssuers(
            wanted=lambda: Wanted(tuple(said), loopback=True),
            clock=HandClock(),
            on_gone=gone.append,
        )
        assert held(issuers) == {"team": 0}

        said.clear()

        assert held(issuers) == {}
    assert gone == ["team"]


async def test_an_issuer_outside_may_not_be_reached_at_home() -> None:
    """Security row 14: only `ostiary up` reaches its own machine."""
    async with provider() as found:
        wanted = Wanted((found.settings(private=True),))
        issuers = OidcIssuers(wanted=lambda: wanted, clock=HandClock())
        async with running(issuers, []):
            await until(lambda: issuers.troubles)

    assert "a loopback address" in issuers.troubles["team"]
    assert found.asked == []
