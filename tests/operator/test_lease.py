"""Leader election, with short durations and a clock of the test's own where time decides."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from tests.operator.fake_api import FakeApi, Seen, serving
from tests.operator.hand_clock import HandClock

from ostiary_operator.cluster import Cluster
from ostiary_operator.lease import Lease, LeaseLost
from ostiary_operator.resources import LEASES

PLACE = ("ostiary-system", "ostiary-operator")
NOW = datetime(2026, 7, 1, 12, 0, 0, 250_000, tzinfo=UTC)
QUICK: Any = 0.015
"""Every pause is a thousandth of what it is with the usual 15 seconds."""


def lease(
    cluster: Cluster,
    identity: str = "me",
    clock: Callable[[], float] | None = None,
    duration: int = 15,
) -> Lease:
    return Lease(
        cluster=cluster,
        namespace=PLACE[0],
        name=PLACE[1],
        identity=identity,
        clock=clock or asyncio.get_running_loop().time,
        now=lambda: NOW,
        duration=duration,
    )


def standing(holder: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"namespace": PLACE[0], "name": PLACE[1]},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, **spec},
    }


def holder(api: FakeApi) -> str:
    found = api.find(LEASES, *PLACE)
    assert found
    return str(found["spec"]["holderIdentity"])


def written(api: FakeApi, times: int) -> asyncio.Event:
    """Set by the last of so many writes from now on."""
    enough, before = asyncio.Event(), len(api.writes)

    def count(seen: Seen) -> None:
        if len(api.writes) - before >= times:
            enough.set()

    api.before = count
    return enough


async def acquired(lease: Lease) -> None:
    async with asyncio.timeout(10):
        await lease.acquire()


async def test_the_first_replica_makes_the_lease() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        await acquired(lease(cluster))

    found = api.find(LEASES, *PLACE)
    assert found
    assert found["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "renewTime": "2026-07-01T12:00:00.250000Z",
    }


async def test_a_released_lease_is_taken_at_once() -> None:
    api = FakeApi()
    api.put(LEASES, standing("", acquireTime="kept"))
    async with serving(api) as cluster:
        await acquired(lease(cluster))

    found = api.find(LEASES, *PLACE)
    assert found
    assert holder(api) == "me"
    assert found["spec"]["acquireTime"] == "kept"


async def test_a_live_holder_is_waited_for_until_our_own_clock_saw_no_renewal_for_long() -> None:
    api, clock = FakeApi(), HandClock()
    # A time long past: what another machine's clock says is never believed.
    api.put(LEASES, standing("other", renewTime="2001-01-01T00:00:00.000000Z"))
    looks = 0

    def look(seen: Seen) -> None:
        nonlocal looks
        looks += seen.method == "GET"
        clock.pass_by(6 if seen.method == "GET" else 0)

    api.before = look
    async with serving(api) as cluster:
        await acquired(lease(cluster, clock=clock, duration=QUICK))

    # Seen first, then 6, 12 and 18 seconds later: the fourth look is past the holder's 15.
    assert looks == 4
    assert holder(api) == "me"


async def test_a_holder_that_renews_is_never_robbed() -> None:
    api, clock = FakeApi(), HandClock()
    api.put(LEASES, standing("other"))
    enough = asyncio.Event()

    def renew(seen: Seen) -> None:
        clock.pass_by(14)
        api.put(LEASES, standing("other"))
        if len(api.requests) >= 5:
            enough.set()

    api.before = renew
    async with serving(api) as cluster, asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(lease(cluster, clock=clock, duration=QUICK).acquire())
        async with asyncio.timeout(10):
            await enough.wait()
        assert not waiting.done()
        waiting.cancel()

    assert holder(api) == "other"
    assert api.writes == []


async def test_of_two_replicas_one_leads_and_the_next_follows_its_release() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        first = lease(cluster, "first")
        await acquired(first)
        # Its clock stands: only a release lets it in.
        second = lease(cluster, "second", HandClock(), duration=QUICK)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(acquired(second))
            await first.release()
        assert holder(api) == "second"
        await first.release()

    assert holder(api) == "second"


async def test_an_api_server_in_trouble_is_asked_again() -> None:
    api = FakeApi()
    failures = iter([web.Response(status=503), web.Response(status=403)])
    api.before = lambda seen: next(failures, None)
    async with serving(api) as cluster:
        await acquired(lease(cluster, duration=QUICK))

    assert holder(api) == "me"


async def test_a_faster_replica_is_waited_for() -> None:
    api = FakeApi()
    faster = iter([True])

    def overtake(seen: Seen) -> None:
        if seen.method == "POST" and next(faster, False):
            api.put(LEASES, standing(""))

    api.before = overtake
    async with serving(api) as cluster:
        await acquired(lease(cluster, duration=QUICK))

    assert api.writes == [
        f"POST {LEASES.path(PLACE[0])}",
        f"PUT {LEASES.path(*PLACE)}",
    ]


async def test_the_holder_renews() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        mine = lease(cluster, duration=1)
        await acquired(mine)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            holding = tasks.create_task(mine.hold())
            await written(api, 2).wait()
            assert not holding.done()
            holding.cancel()

    assert set(api.writes[1:]) == {f"PUT {LEASES.path(*PLACE)}"}


async def test_a_lease_in_other_hands_is_lost() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        mine = lease(cluster, duration=1)
        await acquired(mine)
        api.put(LEASES, standing("other"))

        with pytest.raises(LeaseLost, match="another replica"):
            async with asyncio.timeout(10):
                await mine.hold()

        await mine.release()

    assert holder(api) == "other"


async def test_a_foreign_write_that_leaves_us_the_holder_costs_nothing() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        mine = lease(cluster, duration=1)
        await acquired(mine)
        api.put(LEASES, standing("me", touched="by a hand"))
        api.forget_requests()
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            holding = tasks.create_task(mine.hold())
            await written(api, 2).wait()
            assert not holding.done()
            holding.cancel()

    assert holder(api) == "me"


async def test_a_lease_that_cannot_be_renewed_in_time_is_lost() -> None:
    api, clock = FakeApi(), HandClock()

    def out(seen: Seen) -> web.Response:
        clock.pass_by(0.2)
        return web.Response(status=503)

    async with serving(api) as cluster:
        mine = lease(cluster, clock=clock, duration=1)
        await acquired(mine)
        api.before = out

        with pytest.raises(LeaseLost, match="in time"):
            async with asyncio.timeout(10):
                await mine.hold()

    assert len(api.writes) > 2


async def test_a_release_lets_the_next_start_at_once() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        mine = lease(cluster)
        await acquired(mine)

        await mine.release()

    assert holder(api) == ""


async def test_a_release_holds_after_a_renewal_that_was_cut_off() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        mine = lease(cluster)
        await acquired(mine)
        api.put(LEASES, standing("me"))

        await mine.release()

    assert holder(api) == ""


async def test_a_release_that_fails_is_no_error() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        mine = lease(cluster)
        await acquired(mine)
        api.before = lambda seen: web.Response(status=503)

        await mine.release()

    assert holder(api) == "me"


async def test_what_was_never_acquired_is_not_released() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        await lease(cluster).release()

    assert api.requests == []
