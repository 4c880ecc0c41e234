"""Session masters: made in two steps, never read back, never taken from others."""

import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from tests.operator.build import stdio
from tests.operator.fake_api import FakeApi, Seen, serving
from tests.operator.hand_clock import HandClock

from ostiary_operator.apply import Children
from ostiary_operator.cache import Cache
from ostiary_operator.cluster import Cluster, QuotaExceeded, Unreachable
from ostiary_operator.masters import MISSING_SECONDS, SETTLED, Held, Masters
from ostiary_operator.metrics import Metrics
from ostiary_operator.nudge import Target
from ostiary_operator.resources import CONFIG_MAPS, SECRETS
from ostiary_operator.status.observed import Conflict
from ostiary_proxy.config import StatusReport

QUOTA = {"message": "exceeded quota: secrets"}


def named(number: int, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "tools", "name": f"time-key-{number}", **metadata}}


def report(*keys: int, generation: int = 1) -> StatusReport:
    return StatusReport(etag="e", version="1", generation=generation, keys=keys)


def target(*keys: int) -> Target:
    return Target(generation=1, digest="sha256:x", keys=keys, written=None)


def numbers(held: Held) -> list[int]:
    return [key.number for key in held.keys]


def refusing(method: str, plural: str, status: int, **answer: Any) -> Callable[[Seen], Any]:
    def refuse(seen: Seen) -> web.Response | None:
        if seen.method == method and f"/{plural}" in seen.path:
            return web.json_response(answer, status=status)
        return None

    return refuse


@dataclass
class Rig:
    api: FakeApi
    cluster: Cluster
    clock: HandClock = field(default_factory=HandClock)
    cache: Cache = field(default_factory=Cache)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.draws = 0
        self.api.now = lambda: self.now
        self.restart()

    def random(self, size: int) -> bytes:
        self.draws += 1
        return bytes([self.draws]) * size

    def restart(self) -> None:
        """All memory is lost; the cluster stays."""
        self.masters = Masters(
            cluster=self.cluster,
            cache=self.cache,
            children=Children(cluster=self.cluster, cache=self.cache, metrics=Metrics()),
            clock=self.clock,
            now=lambda: self.now,
            random=self.random,
        )

    async def ensure(self, told: Target | None = None, *reports: StatusReport) -> Held:
        self.api.forget_requests()
        return await self.masters.ensure(stdio(), told, reports)

    def exists(self, number: int) -> tuple[bool, bool]:
        """Whether there is a hash, and whether there is a master."""
        name = f"time-key-{number}"
        found = (self.api.find(kind, "tools", name) for kind in (CONFIG_MAPS, SECRETS))
        hash_, master = (it is not None for it in found)
        return hash_, master


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    api = FakeApi()
    async with serving(api) as cluster:
        yield Rig(api, cluster)


async def test_the_first_master_is_a_hash_and_then_a_secret_that_it_owns() -> None:
    async with rig() as it:
        held = await it.ensure()

        master = b"\x01" * 32
        config = it.api.find(CONFIG_MAPS, "tools", "time-key-0")
        secret = it.api.find(SECRETS, "tools", "time-key-0")
        assert config
        assert secret
        assert [line.rpartition("/")[2] for line in it.api.writes] == ["configmaps", "secrets"]
        assert config["data"] == {"sha256": hashlib.sha256(master).hexdigest()}
        assert base64.b64decode(secret["data"]["master"]) == master
        assert secret["metadata"]["ownerReferences"][0]["uid"] == config["metadata"]["uid"]
        assert [(key.number, key.sha256) for key in held.keys] == [(0, config["data"]["sha256"])]


async def test_a_master_that_stands_is_kept_after_a_restart_too() -> None:
    async with rig() as it:
        first = await it.ensure()
        it.restart()

        second = await it.ensure()

        assert second == first
        assert it.api.requests == []
        assert it.masters.standing(stdio()) == first.keys


async def test_no_secret_is_ever_read() -> None:
    async with rig() as it:
        await it.ensure()
        it.api.put(SECRETS, named(1))
        it.now += timedelta(days=31)
        await it.ensure()

        assert not [s for s in it.api.requests if s.method == "GET" and "/secrets" in s.path]


async def test_an_old_master_gets_a_successor_and_goes_when_its_sessions_have_ended() -> None:
    async with rig() as it:
        await it.ensure()
        it.now += timedelta(days=31)
        both = await it.ensure()
        assert sorted(numbers(both)) == [0, 1]

        it.now += timedelta(days=9)
        held = await it.ensure()

        assert numbers(held) == [1]
        assert it.exists(0)[0] is False


async def test_a_new_master_seals_once_every_pod_holds_it() -> None:
    async with rig() as it:
        await it.ensure()
        it.now += timedelta(days=31)
        await it.ensure()
        some = await it.ensure(target(1, 0), report(1, 0), report(0))
        behind = await it.ensure(target(1, 0), report(1, 0), report(1, 0, generation=9))
        every = await it.ensure(target(1, 0), report(1, 0), report(0, 1))
        later = await it.ensure(target(1, 0), report(1, 0), report(0))
        it.restart()
        forgotten = await it.ensure()
        it.now += SETTLED + timedelta(seconds=1)
        settled = await it.ensure()

    assert [sealing(held) for held in (some, behind, every, later, forgotten, settled)] == [
        [0],
        [0],
        [1, 0],
        [1, 0],
        [0],
        [1, 0],
    ]
    assert {tuple(numbers(held)) for held in (some, every, settled)} == {(1, 0)}


def sealing(held: Held) -> list[int]:
    return [key.number for key in held.keys if key.seals]


async def test_after_a_crash_between_the_two_posts_the_lost_master_gets_a_successor() -> None:
    async with rig() as it:
        it.api.before = refusing("POST", "secrets", 503)
        with pytest.raises(Unreachable):
            await it.ensure()
        it.api.before = lambda seen: None
        it.restart()
        assert it.exists(0) == (True, False)

        # The document lists it; the proxies were told, and hold nothing.
        first = await it.ensure(target(0), report())
        assert (numbers(first), first.delay) == ([0], MISSING_SECONDS)
        it.clock.pass_by(MISSING_SECONDS)
        second = await it.ensure(target(0), report())

        assert numbers(second) == [1]
        assert it.exists(0) == (False, False)
        assert it.exists(1) == (True, True)


async def test_an_unanswered_secret_is_tried_again_with_the_same_master() -> None:
    async with rig() as it:
        it.api.before = refusing("POST", "secrets", 503)
        with pytest.raises(Unreachable):
            await it.ensure()
        it.api.before = lambda seen: None

        held = await it.ensure()

        config = it.api.find(CONFIG_MAPS, "tools", "time-key-0")
        secret = it.api.find(SECRETS, "tools", "time-key-0")
        assert numbers(held) == [0]
        assert config
        assert secret
        master = base64.b64decode(secret["data"]["master"])
        assert config["data"]["sha256"] == hashlib.sha256(master).hexdigest()
        assert it.draws == 1


async def test_a_refused_secret_leaves_no_hash_behind() -> None:
    async with rig() as it:
        it.api.before = refusing("POST", "secrets", 403, **QUOTA)

        with pytest.raises(QuotaExceeded):
            await it.ensure()

        assert it.exists(0) == (False, False)
        it.api.before = lambda seen: None
        assert numbers(await it.ensure()) == [0]


async def test_the_name_of_a_foreign_secret_is_passed_over() -> None:
    async with rig() as it:
        theirs = it.api.put(SECRETS, named(0, labels={"app": "theirs"}))

        held = await it.ensure()

        assert numbers(held) == [1]
        assert it.exists(0) == (False, True)
        assert it.api.find(SECRETS, "tools", "time-key-0") == theirs


async def test_the_name_of_a_foreign_config_map_is_passed_over() -> None:
    async with rig() as it:
        theirs = it.api.put(CONFIG_MAPS, named(0) | {"data": {"sha256": "0" * 64}})

        held = await it.ensure()

        assert numbers(held) == [1]
        assert it.exists(0) == (True, False)
        assert it.api.find(CONFIG_MAPS, "tools", "time-key-0") == theirs


async def test_when_others_hold_every_name_it_is_said_and_tried_again() -> None:
    async with rig() as it:
        for number in range(4):
            it.api.put(SECRETS, named(number))

        held = await it.ensure()

        assert held.keys == ()
        assert held.taken == tuple(Conflict("Secret", f"time-key-{n}") for n in range(4))
        it.api.take(SECRETS, "tools", "time-key-2")
        again = await it.ensure()
        assert (numbers(again), again.taken) == ([2], ())


async def test_a_proxy_that_holds_the_master_ends_the_waiting() -> None:
    async with rig() as it:
        await it.ensure()
        await it.ensure(target(0), report())
        it.clock.pass_by(MISSING_SECONDS - 1)
        await it.ensure(target(0), report(), report(0))
        it.clock.pass_by(MISSING_SECONDS - 1)

        held = await it.ensure(target(0), report())

        assert (numbers(held), held.delay) == ([0], MISSING_SECONDS)


async def test_a_proxy_that_was_not_told_yet_is_no_witness() -> None:
    async with rig() as it:
        await it.ensure()
        for _ in range(3):
            held = await it.ensure(target(0), report(generation=0))
            it.clock.pass_by(MISSING_SECONDS * 2)

        assert (numbers(held), held.delay) == ([0], None)
        assert it.draws == 1


async def test_without_a_report_nothing_counts_as_lost() -> None:
    async with rig() as it:
        await it.ensure()
        for _ in range(3):
            held = await it.ensure(target(0))
            it.clock.pass_by(MISSING_SECONDS * 2)

        assert (numbers(held), held.delay) == ([0], None)


async def test_a_namesake_that_came_later_starts_with_nothing_remembered() -> None:
    async with rig() as it:
        for number in range(4):
            it.api.put(SECRETS, named(number))
        await it.ensure()
        it.masters.forget("u-1")
        it.api.take(SECRETS, "tools", "time-key-0")

        assert numbers(await it.ensure()) == [0]
