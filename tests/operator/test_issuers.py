"""The cluster's token keys: what is shipped to proxies, and when a key goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from tests.operator.fake_api import FakeApi, serving
from tests.operator.hand_clock import HandClock

from ostiary_operator.cluster import Unreachable
from ostiary_operator.issuers import SOONEST_SECONDS, ClusterIssuer
from ostiary_operator.token_keys import DROP_AFTER_SECONDS
from ostiary_proxy.config import Issuer

NAME = "https://kubernetes.default.svc"


@dataclass
class Rig:
    api: FakeApi
    clock: HandClock
    issuer: ClusterIssuer
    changes: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def kids(self) -> list[Any]:
        return [key["kid"] for key in self.issuer.issuers[0].keys]

    def publish(self, *kids: str) -> None:
        self.api.documents = {
            "/.well-known/openid-configuration": {"issuer": NAME},
            "/openid/v1/jwks": {"keys": [{"kid": kid, "kty": "RSA", "n": "x"} for kid in kids]},
        }

    def fetches(self) -> int:
        return sum(seen.path == "/openid/v1/jwks" for seen in self.api.requests)


@asynccontextmanager
async def rig(*kids: str) -> AsyncIterator[Rig]:
    api, clock = FakeApi(), HandClock()
    async with serving(api) as cluster:
        changes: list[tuple[str, ...]] = []
        issuer = ClusterIssuer(cluster=cluster, clock=clock, changed=lambda: changes.append(()))
        found = Rig(api, clock, issuer, changes)
        found.publish(*kids)
        await issuer.fetch()
        yield found


async def test_the_issuer_and_its_keys_are_shipped_in_order() -> None:
    async with rig("b", "a") as it:
        (found,) = it.issuer.issuers

        assert (found.kind, found.issuer) == ("kubernetes", NAME)
        assert it.kids == ["a", "b"]
        assert len(it.changes) == 1


async def test_private_members_of_a_key_are_never_shipped() -> None:
    async with rig() as it:
        private = dict.fromkeys(("d", "p", "q", "dp", "dq", "qi", "oth", "k"), "secret")
        it.api.documents["/openid/v1/jwks"] = {"keys": [{"kid": "a", "kty": "RSA", **private}]}

        await it.issuer.fetch()

        assert it.issuer.issuers[0].keys == ({"kid": "a", "kty": "RSA"},)


async def test_a_key_without_an_id_is_left_out() -> None:
    async with rig() as it:
        it.api.documents["/openid/v1/jwks"] = {"keys": [{"kty": "RSA"}]}

        await it.issuer.fetch()

        assert it.kids == []


async def test_the_same_keys_again_are_no_change() -> None:
    async with rig("a") as it:
        await it.issuer.fetch()

        assert len(it.changes) == 1


async def test_a_new_key_is_a_change() -> None:
    async with rig("a") as it:
        it.publish("a", "b")

        await it.issuer.fetch()

        assert it.kids == ["a", "b"]
        assert len(it.changes) == 2


async def test_a_key_goes_only_after_ten_minutes_of_good_fetches_without_it() -> None:
    async with rig("a", "b") as it:
        it.publish("b")
        await it.issuer.fetch()
        it.clock.pass_by(DROP_AFTER_SECONDS - 1)
        await it.issuer.fetch()
        assert it.kids == ["a", "b"]

        it.clock.pass_by(1)
        await it.issuer.fetch()

        assert it.kids == ["b"]
        assert len(it.changes) == 2


async def test_a_key_that_shows_itself_meanwhile_begins_anew() -> None:
    async with rig("a", "b") as it:
        for kids in (("b",), ("a", "b"), ("b",)):
            it.publish(*kids)
            await it.issuer.fetch()
            it.clock.pass_by(DROP_AFTER_SECONDS - 1)

        await it.issuer.fetch()

        assert it.kids == ["a", "b"]


async def test_failed_fetches_drop_nothing() -> None:
    async with rig("a") as it:
        it.api.before = lambda seen: web.Response(status=503)
        for _ in range(3):
            it.clock.pass_by(DROP_AFTER_SECONDS)
            with pytest.raises(Unreachable):
                await it.issuer.fetch()

        assert it.kids == ["a"]


async def test_the_time_before_the_first_good_fetch_without_a_key_does_not_count() -> None:
    async with rig("a", "b") as it:
        it.publish("b")
        it.clock.pass_by(DROP_AFTER_SECONDS * 5)

        await it.issuer.fetch()

        assert it.kids == ["a", "b"]


async def test_keys_that_proxies_were_told_of_before_are_kept() -> None:
    async with rig("b") as it:
        told = Issuer(kind="kubernetes", issuer=NAME, keys=({"kid": "a"}, {"kid": "b", "n": "old"}))
        other = Issuer(kind="kubernetes", issuer="https://other", keys=({"kid": "c"},))

        it.issuer.remember([told, other])

        assert it.kids == ["a", "b"]
        assert it.issuer.issuers[0].keys[1] == {"kid": "b", "kty": "RSA", "n": "x"}


async def test_an_unknown_key_id_brings_a_fetch_before_its_time() -> None:
    async with rig("a") as it:
        it.clock.pass_by(SOONEST_SECONDS)
        it.publish("a", "b")
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(it.issuer.run())
            while it.kids != ["a", "b"]:
                it.issuer.look_again(["b"])
                await asyncio.sleep(0)
            running.cancel()

        assert it.fetches() == 2


async def test_a_known_key_id_brings_no_fetch() -> None:
    async with rig("a") as it:
        it.clock.pass_by(SOONEST_SECONDS)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(it.issuer.run())
            for _ in range(50):
                it.issuer.look_again(["a"])
                await asyncio.sleep(0)
            running.cancel()

        assert it.fetches() == 1


async def test_unknown_key_ids_never_fetch_more_often_than_each_half_minute() -> None:
    async with rig("a") as it:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(it.issuer.run())
            for _ in range(50):
                it.issuer.look_again(["made-up"])
                await asyncio.sleep(0)
            running.cancel()

        assert it.fetches() == 1


async def test_a_failed_fetch_does_not_end_the_fetching() -> None:
    async with rig("a") as it:
        it.clock.pass_by(SOONEST_SECONDS)
        it.publish("a", "b")
        failures = iter([web.Response(status=503)])
        it.api.before = lambda seen: next(failures, None)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(it.issuer.run())
            while it.kids != ["a", "b"]:
                it.issuer.look_again(["b"])
                await asyncio.sleep(0)
            running.cancel()

        assert it.kids == ["a", "b"]
