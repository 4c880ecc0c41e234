from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.operator.build import LEGACY, server, service, stdio
from tests.operator.cluster_state import pod
from tests.operator.fake_api import FakeApi, Refusal, Seen, serving

from ostiary_operator.api import MCPServer
from ostiary_operator.cache import Cache
from ostiary_operator.cluster import Cluster
from ostiary_operator.metrics import Metrics
from ostiary_operator.observe import LATEST_LOOK, SOONEST_LOOK, Observer
from ostiary_operator.render import names
from ostiary_operator.render.network import render_protection
from ostiary_operator.render.workload import Unusable, Workload
from ostiary_operator.reports import Reports
from ostiary_operator.resources import (
    DEPLOYMENTS,
    EVENTS,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    SERVICES,
)

CREATED = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)


def observer(cluster: Cluster, cache: Cache) -> Observer:
    reports = Reports(
        token_file=Path("token"),
        metrics=Metrics(),
        clock=lambda: 0.0,
        changed=lambda owner, report: None,
    )
    return Observer(cluster=cluster, cache=cache, reports=reports)


def owned(name: str, by: str = "u-1", **spec: Any) -> dict[str, Any]:
    owner = {"kind": "MCPServer", "name": "time", "uid": by, "controller": True}
    metadata = {"name": name, "namespace": "tools", "uid": f"c-{name}", "ownerReferences": [owner]}
    return {"metadata": metadata, "spec": spec}


def waiting_pod(**more: Any) -> dict[str, Any]:
    found = pod(
        phase="Pending",
        server={"state": {"waiting": {"reason": "ContainerCreating"}}},
        proxy={"state": {"waiting": {"reason": "ContainerCreating"}}},
    )
    found["status"]["initContainerStatuses"][0]["state"] = {"waiting": {}}
    found["metadata"]["creationTimestamp"] = "2026-07-01T12:00:00Z"
    return found | {"spec": {"nodeName": "n-1"} | more}


async def test_the_pods_of_a_server_are_found_by_its_label() -> None:
    async with serving(FakeApi()) as cluster:
        cache = Cache()
        other = pod("other")
        other["metadata"]["labels"] = {"ostiary.dev/server": "notes"}
        cache.see(PODS, pod("time-2"))
        cache.see(PODS, pod("time-1"))
        cache.see(PODS, other)

        found = observer(cluster, cache).pods(stdio())

    assert [it["metadata"]["name"] for it in found] == ["time-1", "time-2"]


async def test_only_pods_that_stay_and_have_an_address_are_asked() -> None:
    async with serving(FakeApi()) as cluster:
        pods = [pod("a"), pod("b"), pod("c", leaving=True), pod("d", phase="Succeeded")]
        for it in (pods[0], *pods[2:]):
            it["status"]["podIP"] = f"10.0.0.{len(it['metadata']['name'])}"

        found = observer(cluster, Cache()).addresses(tuple(pods))

    assert found == {"uid-a": "10.0.0.1"}


async def test_a_proxy_that_was_not_asked_yet_has_no_answer() -> None:
    async with serving(FakeApi()) as cluster:
        assert observer(cluster, Cache()).answers((pod(),)) == {}


async def test_the_namespaces_come_with_their_labels() -> None:
    async with serving(FakeApi()) as cluster:
        cache = Cache()
        cache.see(NAMESPACES, {"metadata": {"name": "tools", "uid": "n-1"}})
        cache.see(NAMESPACES, {"metadata": {"name": "a", "uid": "n-2", "labels": {"team": "a"}}})

        assert observer(cluster, cache).namespaces() == {"tools": {}, "a": {"team": "a"}}


async def test_a_namesake_of_a_child_is_not_taken_for_the_child() -> None:
    async with serving(FakeApi()) as cluster:
        cache = Cache()
        wanted: MCPServer = stdio()
        ours, wall = names.deployment("time"), names.network_policy("time")
        cache.see(DEPLOYMENTS, owned(ours))
        cache.see(NETWORK_POLICIES, owned(wall, by="somebody"))
        watcher = observer(cluster, cache)

        assert watcher.deployment(wanted) == owned(ours)
        assert watcher.network_policy(wanted) is None
        assert watcher.deployment(server(uid="u-2")) is None


async def test_somebody_elses_network_policy_that_opens_more_is_named() -> None:
    async with serving(FakeApi()) as cluster:
        cache = Cache()
        wall = owned("time", podSelector={"matchLabels": {"a": "b"}}, ingress=[])
        wide = {
            "metadata": {"name": "open", "namespace": "tools", "uid": "w"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]},
        }
        cache.see(NETWORK_POLICIES, wall)
        cache.see(NETWORK_POLICIES, wide)

        assert observer(cluster, cache).widening(stdio(), {"a": "b"}, wall) == ("open",)


async def test_the_kubelet_is_asked_why_a_pod_waits_for_its_volumes() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        complaint = {
            "metadata": {"name": "e-1", "namespace": "tools"},
            "involvedObject": {"kind": "Pod", "name": "time-1"},
            "reason": "FailedMount",
            "message": "no such claim",
        }
        api.put(EVENTS, complaint)

        found = await observer(cluster, Cache()).complaints(
            (waiting_pod(),), CREATED + timedelta(seconds=20)
        )

    assert [event["message"] for event in found.events] == ["no such claim"]
    assert api.requests[0].query["fieldSelector"] == (
        "involvedObject.kind=Pod,involvedObject.name=time-1,reason=FailedMount"
    )
    assert found.look_again == 5.0


async def test_a_pod_that_was_just_made_is_looked_at_later() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        found = await observer(cluster, Cache()).complaints((waiting_pod(),), CREATED)

    assert found.events == ()
    assert found.look_again == SOONEST_LOOK
    assert api.requests == []


async def test_a_pod_that_waits_long_is_looked_at_seldom() -> None:
    async with serving(FakeApi()) as cluster:
        found = await observer(cluster, Cache()).complaints(
            (waiting_pod(),), CREATED + timedelta(hours=1)
        )

    assert found.look_again == LATEST_LOOK


async def test_a_pod_that_waits_for_more_than_a_day_is_still_asked_after() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        found = await observer(cluster, Cache()).complaints(
            (waiting_pod(),), CREATED + timedelta(days=1, seconds=1)
        )

    assert found.look_again == LATEST_LOOK
    assert [request.path for request in api.requests] == ["/api/v1/namespaces/tools/events"]


async def test_a_pod_from_a_clock_ahead_of_ours_was_just_made() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        found = await observer(cluster, Cache()).complaints(
            (waiting_pod(),), CREATED - timedelta(seconds=5)
        )

    assert (found.look_again, api.requests) == (SOONEST_LOOK, [])


async def test_pods_that_run_or_are_not_scheduled_ask_for_nothing() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        runs = pod("runs") | {"spec": {"nodeName": "n-1"}}
        unscheduled = waiting_pod(nodeName="")

        found = await observer(cluster, Cache()).complaints((runs, unscheduled), CREATED)

    assert (found.events, found.look_again, api.requests) == ((), None, [])


async def test_events_that_may_not_be_read_explain_nothing_and_break_nothing() -> None:
    def refuse(request: Seen) -> None:
        raise Refusal(403, "Forbidden", "no events here")

    api = FakeApi()
    async with serving(api) as cluster:
        api.before = refuse

        found = await observer(cluster, Cache()).complaints(
            (waiting_pod(),), CREATED + timedelta(seconds=20)
        )

    assert found.events == ()
    assert found.look_again == 5.0


async def test_the_service_of_a_server_is_read_as_it_stands() -> None:
    async with serving(FakeApi()) as cluster:
        cache = Cache()
        before = observer(cluster, cache).workload(service())
        cache.see(SERVICES, LEGACY)
        after = observer(cluster, cache).workload(service())
        image = observer(cluster, cache).workload(stdio())

    assert isinstance(before, Unusable)
    assert after == Workload({"app": "legacy"}, "web", 80)
    assert image is None


def opening(name: str, selector: dict[str, str], **rule: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "tools", "uid": f"n-{name}"},
        "spec": {"podSelector": {"matchLabels": selector}, "ingress": [rule]},
    }


async def test_what_opens_a_protected_service_is_told_by_the_labels_of_its_pods() -> None:
    workload = Workload({"app": "legacy"}, "web", 80)
    protection = render_protection(service(), workload)
    assert protection is not None
    front = {"podSelector": {"matchLabels": {"ostiary.dev/server": "time"}}}
    async with serving(FakeApi()) as cluster:
        cache = Cache()
        for other in (
            protection | {"metadata": protection["metadata"] | {"uid": "n-own"}},
            opening("all-of-it", {"app": "legacy"}),
            opening("metrics", {"tier": "old"}, ports=[{"port": "metrics"}]),
            opening("the-same", {"app": "legacy"}, **{"from": [front], "ports": [{"port": "web"}]}),
            opening("another-app", {"app": "other"}),
            opening("of-no-pod-of-it", {"tier": "new"}),
        ):
            cache.see(NETWORK_POLICIES, other)
        none = await observer(cluster, cache).protection_widening(workload, protection)
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "legacy-1",
                "namespace": "tools",
                "labels": {"app": "legacy", "tier": "old"},
            },
        }
        await cluster.create(PODS, manifest, manager="test")
        some = await observer(cluster, cache).protection_widening(workload, protection)

    assert none == ("all-of-it",)
    assert some == ("all-of-it", "metrics")
