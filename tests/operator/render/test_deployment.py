"""The Deployment."""

from typing import Any

import pytest
from tests.operator.build import ENV, SETTINGS, STDIO, http, policy, rule, server, stdio

from ostiary_operator.render import ServerView, children
from ostiary_operator.render.deployment import pod_labels, render_deployment
from ostiary_operator.settings import ClusterSettings


def pod_of(parent: Any, settings: ClusterSettings = SETTINGS) -> dict[str, Any]:
    spec: dict[str, Any] = render_deployment(parent, settings)["spec"]["template"]["spec"]
    return spec


def test_a_policy_edit_never_replaces_a_pod() -> None:
    before = children(stdio(), ServerView(generation=1), SETTINGS, ENV)[-1]
    view = ServerView(policies=(policy(rule()),), generation=2)
    after = children(stdio(), view, SETTINGS, ENV)[-1]

    assert before == after


@pytest.mark.parametrize(
    "edit",
    [
        {"transport": {"stdio": {"maxProcesses": 200, "idleSeconds": 5}}},
        {"limits": {"concurrency": 1}},
        {"tools": {"deny": ["*"]}},
        {"network": {"egress": {"mode": "None"}}},
    ],
    ids=str,
)
def test_an_edit_of_the_door_never_replaces_a_pod(edit: dict[str, Any]) -> None:
    assert pod_of(stdio(**edit)) == pod_of(stdio())


def test_one_pod_by_default_and_a_rollout_without_a_gap() -> None:
    spec = render_deployment(stdio(), SETTINGS)["spec"]

    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }


@pytest.mark.parametrize(
    ("read_only", "strategy"), [(None, "Recreate"), (False, "Recreate"), (True, "RollingUpdate")]
)
def test_a_claim_that_is_written_to_has_one_pod_at_a_time(
    read_only: bool | None, strategy: str
) -> None:
    volume: dict[str, Any] = {
        "name": "n",
        "mountPath": "/n",
        "persistentVolumeClaim": {"claimName": "n"},
    }
    if read_only is not None:
        volume["readOnly"] = read_only

    spec = render_deployment(stdio(volumes=[volume]), SETTINGS)["spec"]

    assert spec["strategy"]["type"] == strategy


@pytest.mark.parametrize(("given", "grace"), [({}, 40), (5, 40), (90, 90)])
def test_the_grace_period_covers_the_drain(given: Any, grace: int) -> None:
    spec = {"terminationGracePeriodSeconds": given} if given else {}

    assert pod_of(stdio(**spec))["terminationGracePeriodSeconds"] == grace


def test_the_grace_period_follows_the_settings() -> None:
    settings = ClusterSettings(proxyImage="p", drainSeconds=100)

    assert pod_of(stdio(), settings)["terminationGracePeriodSeconds"] == 110


def test_the_pod_is_that_of_the_restricted_standard() -> None:
    assert pod_of(http())["securityContext"] == {
        "runAsNonRoot": True,
        "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_no_kubernetes_token_and_no_service_links() -> None:
    pod = pod_of(stdio(identity={"kubernetesToken": True}))

    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


def test_containers_start_in_order_shim_proxy_server() -> None:
    pod = pod_of(stdio())

    assert [it["name"] for it in pod["initContainers"]] == ["shim", "proxy"]
    assert [it["name"] for it in pod["containers"]] == ["server"]


def test_our_labels_cannot_be_replaced_and_the_users_are_added() -> None:
    labels = pod_labels(stdio(podMetadata={"labels": {"team": "shop"}}))

    assert labels["team"] == "shop"
    assert labels["ostiary.dev/server"] == "time"


def test_the_objects_own_labels_are_not_on_the_pod() -> None:
    template = render_deployment(server(STDIO, labels={"tier": "internal"}), SETTINGS)["spec"][
        "template"
    ]

    assert "tier" not in template["metadata"]["labels"]


def test_several_pods_are_spread_over_nodes() -> None:
    assert "topologySpreadConstraints" not in pod_of(stdio())
    assert pod_of(stdio(replicas=2))["topologySpreadConstraints"][0]["whenUnsatisfiable"] == (
        "ScheduleAnyway"
    )


def test_a_slow_start_is_no_failed_rollout() -> None:
    spec = render_deployment(stdio(startupSeconds=3600), SETTINGS)["spec"]

    assert spec["progressDeadlineSeconds"] == 3660


def test_scheduling_and_pull_secrets_reach_the_pod() -> None:
    pod = pod_of(
        stdio(
            scheduling={"nodeSelector": {"disk": "ssd"}, "priorityClassName": "high"},
            imagePullSecrets=[{"name": "registry"}],
        )
    )

    assert pod["nodeSelector"] == {"disk": "ssd"}
    assert pod["priorityClassName"] == "high"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
