"""Whom the proxies trust: the settings, live, and nothing that others could write."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.operator.fake_api import FakeApi, Refusal, serving
from tests.operator.hand_clock import HandClock
from tests.operator.identity_provider import Provider, provider
from tests.operator.identity_provider import patient as patient
from tests.proxy.conditions import until

from ostiary_operator import trust as module
from ostiary_operator.cluster import Cluster
from ostiary_operator.issuers import ClusterIssuer
from ostiary_operator.metrics import Metrics
from ostiary_operator.oidc import SOONEST_SECONDS
from ostiary_operator.resources import CONFIG_MAPS
from ostiary_operator.settings import ClusterSettings
from ostiary_operator.trust import CONFIG_MAP, KEY, Place, Trust
from ostiary_operator.trusted_issuers import TrustedIssuer

NAME = "https://kubernetes.default.svc"
HOME = "ostiary-system"


@dataclass
class Rig:
    api: FakeApi
    cluster: Cluster
    provider: Provider
    clock: HandClock = field(default_factory=HandClock)
    metrics: Metrics = field(default_factory=Metrics)
    changes: list[int] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    settings: ClusterSettings = field(default_factory=lambda: ClusterSettings(proxyImage="p"))

    def say(self, *issuers: TrustedIssuer) -> None:
        self.settings = ClusterSettings(proxyImage="p", issuers=issuers)

    async def trust(self) -> Trust:
        """As a fresh process has it."""
        made = Trust(
            cluster_issuer=ClusterIssuer(
                cluster=self.cluster, clock=self.clock, changed=lambda: None
            ),
            settings=lambda: self.settings,
            place=Place(self.cluster, HOME),
            clock=self.clock,
            metrics=self.metrics,
            changed=lambda: self.changes.append(1),
            told=lambda: self.told.append(1),
            loopback=True,
        )
        await made.start()
        return made

    def kept(self) -> Any:
        found = self.api.find(CONFIG_MAPS, HOME, CONFIG_MAP)
        return json.loads(found["data"][KEY]) if found else None


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    api = FakeApi()
    api.documents = {
        "/.well-known/openid-configuration": {"issuer": NAME},
        "/openid/v1/jwks": {"keys": [{"kid": "k", "kty": "RSA", "n": "x"}]},
    }
    async with serving(api) as cluster, provider() as found:
        it = Rig(api, cluster, found)
        it.say(found.settings())
        yield it


@asynccontextmanager
async def running(trust: Trust) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(trust.run())
        try:
            yield
        finally:
            task.cancel()


def keys(trust: Trust) -> dict[str, list[Any]]:
    return {it.issuer: [key["kid"] for key in it.keys] for it in trust.issuers}


async def test_the_cluster_comes_first_and_the_settings_issuers_follow() -> None:
    async with rig() as it:
        trust = await it.trust()
        async with running(trust):
            await until(lambda: it.kept() and len(it.kept()) == 2)

        assert [one.kind for one in trust.issuers] == ["kubernetes", "oidc"]
        assert keys(trust) == {NAME: ["k"], it.provider.url: ["a"]}
        assert it.changes


async def test_an_issuer_that_is_down_stops_nobody_from_starting() -> None:
    async with rig() as it:
        it.provider.documents = {}
        trust = await it.trust()
        async with running(trust):
            await until(lambda: it.provider.asked)

            assert keys(trust) == {NAME: ["k"], it.provider.url: []}
            await until(lambda: it.told == [1])
            assert list(trust.silent) == [it.provider.url]


async def test_an_issuer_that_is_taken_out_of_the_settings_is_trusted_no_more() -> None:
    async with rig() as it:
        trust = await it.trust()
        async with running(trust):
            await until(lambda: keys(trust).get(it.provider.url) == ["a"])

            it.say()

            assert keys(trust) == {NAME: ["k"]}
        assert (
            it.metrics.registry.get_sample_value("ostiary_issuer_keys", {"issuer": "team"}) is None
        )


async def test_an_issuer_that_is_added_is_asked_at_once() -> None:
    async with rig() as it:
        team, it.settings = it.settings, ClusterSettings(proxyImage="p")
        trust = await it.trust()
        async with running(trust):
            await until(it.kept)
            it.settings = team
            assert keys(trust)[it.provider.url] == []

            await until(lambda: keys(trust)[it.provider.url] == ["a"])


async def test_another_claim_costs_no_key() -> None:
    async with rig() as it:
        trust = await it.trust()
        async with running(trust):
            await until(lambda: keys(trust)[it.provider.url] == ["a"])
        it.provider.documents = {}

        it.say(it.provider.settings(usernameClaim="email"))

        assert trust.issuers[1].usernameClaim == "email"
        assert keys(trust)[it.provider.url] == ["a"]


async def test_another_url_under_the_same_name_inherits_nothing() -> None:
    async with rig() as it:
        trust = await it.trust()
        async with running(trust):
            await until(lambda: keys(trust)[it.provider.url] == ["a"])

        other = it.provider.origin + "/realms/other"
        it.say(it.provider.settings(url=other))

        assert keys(trust) == {NAME: ["k"], other: []}


async def test_a_restart_forgets_no_key_even_while_the_issuer_is_down() -> None:
    async with rig() as it:
        first = await it.trust()
        async with running(first):
            await until(lambda: it.kept() and len(it.kept()) == 2)
        it.provider.documents = {}
        it.api.documents["/openid/v1/jwks"] = {"keys": [{"kid": "k-2", "kty": "RSA", "n": "x"}]}

        second = await it.trust()

        assert keys(second) == {NAME: ["k", "k-2"], it.provider.url: ["a"]}


async def test_documents_in_the_namespaces_of_others_are_never_believed() -> None:
    """Whoever may write a ConfigMap beside a server could otherwise plant a key for everybody."""
    async with rig() as it:
        evil = [{"kind": "kubernetes", "issuer": NAME, "keys": [{"kid": "evil", "kty": "RSA"}]}]
        for name in (CONFIG_MAP, "time-proxy"):
            place = {"name": name, "namespace": "tools"}
            data = {KEY: json.dumps(evil), "config.json": json.dumps({"issuers": evil})}
            it.api.put(CONFIG_MAPS, {"metadata": place, "data": data})

        trust = await it.trust()

        assert keys(trust)[NAME] == ["k"]


async def test_a_kept_document_that_cannot_be_read_is_nothing() -> None:
    for text in ("", "{", "[7]", '[{"kind": "x"}]', "7"):
        async with rig() as it:
            place = {"name": CONFIG_MAP, "namespace": HOME}
            it.api.put(CONFIG_MAPS, {"metadata": place, "data": {KEY: text}})

            assert keys(await it.trust()) == {NAME: ["k"], it.provider.url: []}


async def test_the_settings_cannot_name_the_cluster_itself() -> None:
    async with rig() as it:
        it.say(it.provider.settings(url=NAME))
        trust = await it.trust()

        assert [one.kind for one in trust.issuers] == ["kubernetes"]


async def test_keys_of_one_issuer_are_not_remembered_for_the_cluster() -> None:
    async with rig() as it:
        said = [{"kind": "oidc", "issuer": NAME, "keys": [{"kid": "evil", "kty": "RSA"}]}]
        place = {"name": CONFIG_MAP, "namespace": HOME}
        it.api.put(CONFIG_MAPS, {"metadata": place, "data": {KEY: json.dumps(said)}})

        assert keys(await it.trust())[NAME] == ["k"]


async def test_an_unknown_key_is_looked_for_and_a_flood_of_them_costs_one_look() -> None:
    async with rig() as it:
        trust = await it.trust()
        async with running(trust):
            await until(lambda: keys(trust)[it.provider.url] == ["a"])
            asked = len(it.provider.asked)
            it.provider.publish("a", "b")
            for number in range(50):
                trust.look_again([f"made-up-{number}"])
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(it.provider.asked) == asked

            it.clock.pass_by(SOONEST_SECONDS)
            trust.look_again(["b"])
            trust._others.look_at_settings()

            await until(lambda: keys(trust)[it.provider.url] == ["a", "b"])


async def test_the_same_keys_are_kept_once() -> None:
    async with rig() as it:
        trust = await it.trust()
        async with running(trust):
            await until(lambda: it.kept() and len(it.kept()) == 2)
            writes = [seen for seen in it.api.requests if seen.method == "PATCH"]
            it.clock.pass_by(600)
            trust._others.look_at_settings()
            await until(lambda: len(it.provider.asked) >= 8)

        assert [seen for seen in it.api.requests if seen.method == "PATCH"] == writes


async def test_what_could_not_be_kept_is_kept_later(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    async with rig() as it:
        failures = iter(range(2))

        def before(seen: Any) -> None:
            if seen.method == "PATCH" and next(failures, None) is not None:
                raise Refusal(500, "InternalError", "not now")

        trust = await it.trust()
        it.api.before = before
        async with running(trust):
            await until(lambda: it.kept() and len(it.kept()) == 2)
