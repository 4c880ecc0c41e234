"""All reconcilers with everything behind them, over the small API server and one proxy's port."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.operator.build import (
    ENV,
    STDIO,
    group_manifest,
    policy,
    policy_manifest,
    rule,
    server,
    server_manifest,
)
from tests.operator.cluster_state import NOW, pod, report
from tests.operator.fake_api import FakeApi, serving
from tests.operator.hand_clock import HandClock
from tests.operator.test_reports import ADDRESS, Proxy, listening
from tests.operator.trusting import trusting
from tests.proxy.conditions import until

from ostiary_operator.apply import Children
from ostiary_operator.cache import Cache
from ostiary_operator.cluster import Cluster
from ostiary_operator.controller import Key
from ostiary_operator.exposures import Exposures
from ostiary_operator.fleet import Fleet
from ostiary_operator.group import Groups
from ostiary_operator.keeper import Office
from ostiary_operator.live_settings import LiveSettings
from ostiary_operator.masters import Masters
from ostiary_operator.metrics import Metrics
from ostiary_operator.models import Models
from ostiary_operator.nudge import Nudger
from ostiary_operator.observe import Observer
from ostiary_operator.plans import GroupPlans, ServerPlans, Sources
from ostiary_operator.policy import Policies
from ostiary_operator.produce import Producer, Workshop
from ostiary_operator.publish import Publisher
from ostiary_operator.render import names
from ostiary_operator.reports import Reports
from ostiary_operator.resources import (
    CONFIG_MAPS,
    GROUPS,
    NAMESPACES,
    PODS,
    POLICIES,
    SERVERS,
    Manifest,
    Resource,
)
from ostiary_operator.rollout import Rollout
from ostiary_operator.rolls import Rolls
from ostiary_operator.server import Servers
from ostiary_operator.settings import SETTINGS_KEY
from ostiary_operator.status import Enforcement
from ostiary_operator.tokens import Books, Tokens
from ostiary_proxy.config import ObservedReport, StatusReport

TIME = Key(SERVERS, "tools", "time")
EVERYDAY = Key(GROUPS, "agents", "everyday")
CALLERS = Key(POLICIES, "tools", "callers")
POD = "uid-time-1"
SETTINGS = {
    "metadata": {"name": ENV.settingsConfigMap, "namespace": ENV.namespace},
    "data": {SETTINGS_KEY: "proxyImage: registry.example/ostiary-proxy:1"},
}


class Bench:
    """One operator's reconcilers, as a new process has them."""

    def __init__(
        self, *, api: FakeApi, cluster: Cluster, cache: Cache, proxy: Proxy, port: int, token: Path
    ) -> None:
        self.api, self.cluster, self.cache, self.proxy = api, cluster, cache, proxy
        self.told: list[str] = []
        """Namespaces whose policies were told of news."""
        self.has_routes = False
        clock, self._models = HandClock(), Models(cache)
        self.metrics = metrics = Metrics()
        self.books = Books(self._models, lambda: None)
        self.reports = Reports(
            token_file=token, metrics=metrics, clock=clock, changed=_nobody, port=port
        )
        self.settings = LiveSettings(
            cache=cache, namespace=ENV.namespace, name=ENV.settingsConfigMap
        )
        self.trust = trusting(cluster, self.settings, clock)
        observer = Observer(cluster=cluster, cache=cache, reports=self.reports)
        publisher = Publisher(
            cluster=cluster, cache=cache, metrics=metrics, reporter="operator-1", now=lambda: NOW
        )
        writer = Children(cluster=cluster, cache=cache, metrics=metrics)
        workshop = Workshop(
            cache=cache,
            settings=self.settings,
            writer=writer,
            masters=Masters(
                cluster=cluster, cache=cache, children=writer, clock=clock, now=lambda: NOW
            ),
            observer=observer,
            rollout=Rollout(clock=clock),
            now=lambda: NOW,
        )
        sources = Sources(
            models=self._models,
            settings=self.settings,
            env=ENV,
            trust=self.trust,
            observer=observer,
            rolls=Rolls(self._models, observer.namespaces),
            exposures=Exposures(self._models, has_routes=lambda: self.has_routes),
            tokens=lambda: self.books.current.accepted,
        )
        nudger = Nudger(cluster=cluster, clock=clock)
        office = Office(
            cache=cache,
            fleet=Fleet(observer=observer, reports=self.reports, nudger=nudger),
            observer=observer,
            publisher=publisher,
            now=lambda: NOW,
            enforcement_changed=self.told.append,
        )
        self.servers = Servers(
            models=self._models,
            producer=Producer(plan=ServerPlans(sources), workshop=workshop),
            office=office,
        )
        self.groups = Groups(
            models=self._models,
            producer=Producer(plan=GroupPlans(sources), workshop=workshop),
            office=office,
        )
        self.policies = Policies(
            cache=cache,
            models=self._models,
            servers=self.servers,
            groups=self.groups,
            observer=observer,
            publisher=publisher,
            settings=self.settings,
            trust=self.trust,
            now=lambda: NOW,
        )
        self.tokens = Tokens(
            cache=cache,
            models=self._models,
            servers=self.servers,
            groups=self.groups,
            rolls=sources.rolls,
            observer=observer,
            publisher=publisher,
            books=self.books,
            now=lambda: NOW,
        )

    def see(self, resource: Resource, manifest: Manifest) -> Manifest:
        """Somebody wrote it, and the watch told of it."""
        made = self.api.put(resource, manifest)
        self.cache.see(resource, made)
        return made

    def edit(self, key: Key, spec: dict[str, Any] | None = None, **metadata: Any) -> Manifest:
        found = self.cache.get(key.resource, key.namespace, key.name)
        assert found is not None
        edited = {**found, "metadata": found["metadata"] | metadata}
        return self.see(key.resource, edited if spec is None else {**edited, "spec": spec})

    def lose(self, key: Key) -> None:
        gone = self.api.take(key.resource, key.namespace, key.name)
        self.cache.lose(key.resource, gone)

    async def look(self) -> float | None:
        return await self.servers.reconcile(TIME)

    async def look_at_group(self) -> float | None:
        return await self.groups.reconcile(EVERYDAY)

    async def judge(self) -> None:
        await self.policies.reconcile(CALLERS)

    def set(self, *lines: str) -> None:
        """More of the settings."""
        text = "\n".join((SETTINGS["data"][SETTINGS_KEY], *lines))
        self.see(CONFIG_MAPS, SETTINGS | {"data": {SETTINGS_KEY: text}})

    async def tell(self, uid: str, said: StatusReport) -> None:
        """A pod's proxy says something, and the operator has heard it."""
        self.proxy.say(said)
        await until(lambda: self.reports.of(uid) == said)

    async def answer(
        self, generation: int, *, etag: str = "e", observed: tuple[ObservedReport, ...] = ()
    ) -> None:
        """The pod's proxy says what it enforces, and the operator has heard it."""
        said = report(generation=generation, podUid=POD).model_copy(update={"etag": etag})
        counted = tuple(it.model_copy(update={"observed": observed}) for it in said.servers)
        said = said.model_copy(update={"servers": counted})
        await self.tell(POD, said)

    def enforced(self, **metadata: Any) -> Enforcement | None:
        """Of the policy `callers`; `metadata`: of the server."""
        return self.servers.enforced(server(**metadata), policy(rule()))

    @property
    def document(self) -> dict[str, Any]:
        """As it was written."""
        found = self.api.find(CONFIG_MAPS, "tools", names.config("time"))
        assert found is not None
        return dict(json.loads(found["data"]["config.json"]))

    @property
    def generation(self) -> int:
        return int(self.document["generation"])

    def status(self, key: Key) -> dict[str, Any]:
        found = self.api.find(key.resource, key.namespace, key.name)
        assert found is not None
        return dict(found.get("status", {}))

    def condition(self, key: Key, kind: str) -> tuple[str, str]:
        conditions = self.status(key).get("conditions", ())
        found = next((it for it in conditions if it["type"] == kind), {})
        return found.get("status", ""), found.get("reason", "")

    @property
    def written(self) -> list[str]:
        """What was written beside Events, without the way to its namespace."""
        return [
            f"{line.partition(' ')[0]} {line.partition('/tools/')[2]}"
            for line in self.api.writes
            if not line.endswith("/events")
        ]


def running_pod(**metadata: Any) -> dict[str, Any]:
    """One that answers on the bench's port."""
    found = pod()
    found["metadata"] |= {"creationTimestamp": "2026-07-01T11:00:00Z"} | metadata
    found["status"]["podIP"] = ADDRESS
    return found | {"spec": {"nodeName": "n-1"}}


async def running(bench: Bench, *rules: dict[str, Any]) -> Bench:
    """A server with its children, and a pod whose proxy was not asked yet."""
    bench.see(SERVERS, server_manifest())
    if rules:
        bench.see(POLICIES, policy_manifest(*rules))
    await bench.look()
    bench.see(PODS, running_pod())
    return bench


async def answering(bench: Bench, *rules: dict[str, Any]) -> Bench:
    """The same, and its proxy enforces the newest document."""
    await running(bench, *rules)
    await bench.look()
    await bench.answer(bench.generation)
    await bench.look()
    return bench


async def grouped(bench: Bench, *rules: dict[str, Any], **spec: Any) -> Bench:
    """A group with its children, of one server that agrees to it."""
    bench.see(NAMESPACES, {"metadata": {"name": "agents"}})
    exposed = {"exposeTo": {"namespaces": {"from": "All"}}}
    bench.see(SERVERS, server_manifest(STDIO | exposed))
    if rules:
        bench.see(POLICIES, policy_manifest(*rules))
    members = [{"server": {"name": "time", "namespace": "tools"}}]
    bench.see(GROUPS, group_manifest({"members": members, **spec}))
    await bench.look_at_group()
    return bench


def _nobody(owner: object, told: object) -> None:
    """Tests look for themselves."""


@asynccontextmanager
async def furnished(folder: Path) -> AsyncIterator[Bench]:
    """With a namespace, and nothing in it."""
    api, cache, proxy = FakeApi(now=lambda: NOW), Cache(), Proxy()
    api.documents["/.well-known/openid-configuration"] = {"issuer": "https://cluster.example"}
    api.documents["/openid/v1/jwks"] = {"keys": [{"kid": "k-1", "kty": "RSA"}]}
    api.put(CONFIG_MAPS, SETTINGS)
    token = folder / "token"
    await asyncio.to_thread(token.write_text, "secret")
    async with serving(api) as cluster, listening(proxy) as port:
        bench = Bench(api=api, cluster=cluster, cache=cache, proxy=proxy, port=port, token=token)
        await bench.settings.load(cluster)
        await bench.trust.start()
        bench.see(NAMESPACES, {"metadata": {"name": "tools"}})
        api.forget_requests()
        async with bench.reports:
            yield bench
