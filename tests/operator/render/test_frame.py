"""What every Deployment of ours has."""

import pytest
from tests.operator.build import SETTINGS, STDIO, group, server

from ostiary_operator.render import frame
from ostiary_operator.render.meta import Root

ROOTS = [server(STDIO | {"replicas": 2}), group({"members": [{"selector": {}}], "replicas": 2})]


@pytest.mark.parametrize("root", ROOTS, ids=["server", "group"])
def test_a_deployment_selects_and_spreads_the_pods_of_its_root_alone(root: Root) -> None:
    found = frame.deployment(root, template={})["spec"]
    (spread,) = frame.spread(root)["topologySpreadConstraints"]

    assert found["replicas"] == 2
    assert len(found["selector"]["matchLabels"]) == 1
    assert spread["labelSelector"] == found["selector"]


def test_one_pod_alone_is_not_spread() -> None:
    assert frame.spread(server()) == {}


def test_a_rollout_takes_no_pod_away_before_another_is_ready() -> None:
    assert frame.deployment(server(), template={})["spec"]["strategy"] == frame.rolling()
    assert frame.rolling()["rollingUpdate"]["maxUnavailable"] == 0


def test_the_deadline_is_never_shorter_than_kubernetes_own() -> None:
    short = frame.deployment(server(), template={}, progress_seconds=1)["spec"]
    long = frame.deployment(server(), template={}, progress_seconds=900)["spec"]

    assert [it["progressDeadlineSeconds"] for it in (short, long)] == [frame.PROGRESS_SECONDS, 900]


@pytest.mark.parametrize(("wanted", "given"), [(0, 40), (20, 40), (90, 90)])
def test_a_pod_has_its_time_to_drain_whatever_its_owner_says(wanted: int, given: int) -> None:
    found = frame.pod(account="a", settings=SETTINGS, grace_seconds=wanted)

    assert found["terminationGracePeriodSeconds"] == given


def test_a_pod_has_no_token_of_the_api_server_and_no_root() -> None:
    found = frame.pod(account="a", settings=SETTINGS)

    assert (found["serviceAccountName"], found["automountServiceAccountToken"]) == ("a", False)
    assert found["securityContext"]["runAsNonRoot"] is True
