import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.operator.build import ENV, STDIO, policy_manifest, rule, server_manifest
from tests.operator.cluster_state import report
from tests.operator.fake_api import FakeApi, Refusal, Seen, serving
from tests.operator.hand_clock import HandClock
from tests.operator.trusting import trusting

from ostiary_operator.api import MCPServer, Reason, parse_server
from ostiary_operator.apply import Children
from ostiary_operator.cache import Cache
from ostiary_operator.cluster import Cluster, NamespaceEnding, Unreachable
from ostiary_operator.exposures import Exposures
from ostiary_operator.live_settings import LiveSettings
from ostiary_operator.masters import Masters
from ostiary_operator.metrics import Metrics
from ostiary_operator.models import Models
from ostiary_operator.nudge import Target
from ostiary_operator.observe import Observer
from ostiary_operator.plans import ServerPlans, Sources
from ostiary_operator.produce import CONFLICT_SECONDS, Producer, Product, Workshop
from ostiary_operator.render import ServerView, names
from ostiary_operator.reports import Reports
from ostiary_operator.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    NETWORK_POLICIES,
    POLICIES,
    SECRETS,
    SERVERS,
    SERVICES,
)
from ostiary_operator.rollout import Rollout
from ostiary_operator.rolls import Rolls
from ostiary_operator.settings import SETTINGS_KEY

NOW = datetime.now(UTC) + timedelta(hours=1)
"""The small API server dates what it makes by the real clock."""
SETTINGS = {
    "metadata": {"name": ENV.settingsConfigMap, "namespace": ENV.namespace},
    "data": {SETTINGS_KEY: "proxyImage: registry.example/ostiary-proxy:1"},
}


@dataclass
class Bench:
    """A producer with everything behind it, over the small API server."""

    api: FakeApi
    cluster: Cluster
    cache: Cache = field(default_factory=Cache)
    target: Target | None = None

    async def start(self) -> None:
        """As a new process would: what it knows is what stands in the cluster."""
        metrics, clock, models = Metrics(), HandClock(), Models(self.cache)
        settings = LiveSettings(
            cache=self.cache, namespace=ENV.namespace, name=ENV.settingsConfigMap
        )
        await settings.load(self.cluster)
        self.trust = trusting(self.cluster, settings, clock)
        await self.trust.start()
        reports = Reports(
            token_file=Path("token"),
            metrics=metrics,
            clock=clock,
            changed=lambda owner, told: None,
        )
        writer = Children(cluster=self.cluster, cache=self.cache, metrics=metrics)
        observer = Observer(cluster=self.cluster, cache=self.cache, reports=reports)
        workshop = Workshop(
            cache=self.cache,
            settings=settings,
            writer=writer,
            masters=Masters(
                cluster=self.cluster,
                cache=self.cache,
                children=writer,
                clock=clock,
                now=lambda: NOW,
            ),
            observer=observer,
            rollout=Rollout(clock=clock),
            now=lambda: NOW,
        )
        sources = Sources(
            models=models,
            settings=settings,
            env=ENV,
            trust=self.trust,
            observer=observer,
            rolls=Rolls(models, observer.namespaces),
            exposures=Exposures(models, has_routes=lambda: False),
            tokens=models.tokens,
        )
        self.producer = Producer(plan=ServerPlans(sources), workshop=workshop)
        self.api.forget_requests()

    async def produce(
        self, spec: dict[str, Any] | None = None, **reports: Any
    ) -> Product[ServerView]:
        manifest = server_manifest(spec)
        self.cache.see(SERVERS, manifest)
        server = parse_server(manifest)
        assert isinstance(server, MCPServer)
        product = await self.producer.produce(server, self.target, reports)
        self.target = product.target
        return product

    def allow(self, *tools: str, version: int = 1) -> None:
        manifest = policy_manifest(rule(allow={"tools": list(tools)}))
        manifest["metadata"] |= {"generation": version, "resourceVersion": str(version)}
        self.cache.see(POLICIES, manifest)

    def document(self) -> Any:
        found = self.api.find(CONFIG_MAPS, "tools", names.config("time"))
        assert found is not None
        return json.loads(found["data"]["config.json"])


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    api = FakeApi()
    api.documents["/.well-known/openid-configuration"] = {"issuer": "https://cluster.example"}
    api.documents["/openid/v1/jwks"] = {"keys": [{"kid": "k-1", "kty": "RSA"}]}
    api.put(CONFIG_MAPS, SETTINGS)
    async with serving(api) as cluster:
        found = Bench(api, cluster)
        found.cache.see(NAMESPACES, {"metadata": {"name": "tools", "uid": "n-1"}})
        await found.start()
        yield found


async def test_a_new_server_gets_its_key_then_its_walls_and_its_deployment_last(
    bench: Bench,
) -> None:
    product = await bench.produce()

    posts = [write.rpartition("/")[2] for write in bench.api.writes]
    assert posts[:2] == ["configmaps", "secrets"]
    assert posts[-1] == "deployments"
    assert posts.index("networkpolicies") < posts.index("deployments")
    assert (product.conflicts, product.failures, product.error) == ((), (), None)


async def test_the_target_is_the_document_that_was_written(bench: Bench) -> None:
    product = await bench.produce()

    assert product.target is not None
    assert product.target.generation == bench.document()["generation"] == 1
    assert product.target.keys == (0,)
    assert product.target.written == NOW
    assert bench.document()["issuers"][0]["issuer"] == "https://cluster.example"


async def test_a_second_look_writes_nothing(bench: Bench) -> None:
    first = await bench.produce()
    bench.api.forget_requests()

    second = await bench.produce()

    assert bench.api.writes == []
    assert second.target == first.target


async def test_a_restarted_operator_writes_nothing_and_keeps_the_generation(bench: Bench) -> None:
    first = await bench.produce()
    await bench.start()
    bench.target = None

    second = await bench.produce()

    assert bench.api.writes == []
    assert first.target is not None
    assert second.target == replace(first.target, written=None)


async def test_a_changed_policy_makes_the_next_generation_and_is_covered(bench: Bench) -> None:
    await bench.produce()
    bench.allow("now", version=1)
    first = await bench.produce()
    bench.allow("now", "later", version=2)

    second = await bench.produce()

    assert [first.covered, second.covered] == [{"p-1": 1}, {"p-1": 2}]
    assert bench.document()["generation"] == 3
    allowed = bench.document()["servers"][0]["policies"][0]["rules"][0]["allow"]["tools"]
    assert allowed == ["now", "later"]


async def test_a_generation_that_a_proxy_reported_is_never_given_twice(bench: Bench) -> None:
    product = await bench.produce(None, pod=report(generation=7))

    assert product.target is not None
    assert product.target.generation == 8


async def test_a_name_that_somebody_else_holds_is_a_conflict_and_stops_the_deployment(
    bench: Bench,
) -> None:
    theirs = {"metadata": {"name": names.service("time"), "namespace": "tools"}, "spec": {"a": 1}}
    bench.api.put(SERVICES, theirs)

    product = await bench.produce()

    found = bench.api.find(SERVICES, "tools", names.service("time"))
    assert [(it.kind, it.name) for it in product.conflicts] == [("Service", names.service("time"))]
    assert found is not None
    assert found["spec"] == {"a": 1}
    assert bench.api.find(DEPLOYMENTS, "tools", names.deployment("time")) is None
    assert product.delay == CONFLICT_SECONDS


async def test_a_name_that_was_let_go_is_taken_on_the_next_look(bench: Bench) -> None:
    theirs = {"metadata": {"name": names.service("time"), "namespace": "tools"}}
    bench.api.put(SERVICES, theirs)
    await bench.produce()
    bench.api.take(SERVICES, "tools", names.service("time"))

    product = await bench.produce()

    assert product.conflicts == ()
    assert bench.api.find(DEPLOYMENTS, "tools", names.deployment("time")) is not None


async def test_without_the_wall_there_is_no_deployment(bench: Bench) -> None:
    bench.api.before = refusing("/networkpolicies", 403, "Forbidden", "no walls here")

    product = await bench.produce()

    assert bench.api.find(DEPLOYMENTS, "tools", names.deployment("time")) is None
    assert [(it.reason, it.message) for it in product.failures] == [
        (Reason.FORBIDDEN, "no walls here")
    ]
    assert product.error is not None


async def test_a_quota_is_named_as_what_it_is(bench: Bench) -> None:
    bench.api.before = refusing("/deployments", 403, "Forbidden", "exceeded quota: small")

    product = await bench.produce()

    assert [it.reason for it in product.failures] == [Reason.QUOTA_EXCEEDED]


async def test_a_master_that_may_not_be_made_leaves_the_rest_to_be_tried(bench: Bench) -> None:
    bench.api.before = refusing("/secrets", 403, "Forbidden", "no secrets here")

    product = await bench.produce()

    assert [it.message for it in product.failures] == ["no secrets here"]
    assert bench.api.find(NETWORK_POLICIES, "tools", names.network_policy("time")) is not None
    assert bench.api.find(DEPLOYMENTS, "tools", names.deployment("time")) is None


async def test_passing_trouble_is_raised_to_be_tried_again(bench: Bench) -> None:
    bench.api.before = refusing("/services", 503, "ServiceUnavailable", "not now")

    with pytest.raises(Unreachable, match="not now"):
        await bench.produce()


async def test_a_namespace_that_ends_is_raised_and_not_called_a_missing_right(bench: Bench) -> None:
    bench.api.before = ending

    with pytest.raises(NamespaceEnding):
        await bench.produce()


async def test_a_child_that_is_wanted_no_more_is_deleted(bench: Bench) -> None:
    await bench.produce({**STDIO, "replicas": 2})
    budget = (
        f"/apis/policy/v1/namespaces/tools/poddisruptionbudgets/{names.disruption_budget('time')}"
    )
    assert budget in bench.api.objects

    await bench.produce({**STDIO, "replicas": 1})

    assert budget not in bench.api.objects
    assert bench.api.find(SECRETS, "tools", names.key("time", 0)) is not None


def refusing(path: str, status: int, reason: str, message: str) -> Any:
    def before(seen: Seen) -> None:
        if seen.method == "POST" and seen.path.endswith(path):
            raise Refusal(status, reason, message)

    return before


def ending(seen: Seen) -> Any:

    if seen.method == "GET":
        return None
    causes = [{"reason": "NamespaceTerminating"}]
    return web.json_response(
        {"reason": "Forbidden", "message": "it ends", "details": {"causes": causes}}, status=403
    )
