"""A watch that must list anew (410 Gone) never tells what vanished meanwhile: we find it out."""

import json
from typing import Any

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.etcd import vanish
from tests.operator_api.installed import Launcher, leads
from tests.operator_api.manifests import policy, server


def granted(kubectl: Kubectl, namespace: str) -> Any:
    found = kubectl.get("configmap", "time-proxy", namespace)
    return found and json.loads(found["data"]["config.json"])["servers"][0].get("policies")


@pytest.mark.timeout(240)
def test_what_vanished_before_a_relist_is_noticed_long_before_the_resync(
    launcher: Launcher, kubectl: Kubectl, control_plane: ControlPlane, namespace: str
) -> None:
    kubectl.apply(server(namespace), policy(namespace))
    # Long enough for an outage on a slow machine.
    settings = {"OSTIARY_LEASE_SECONDS": "120", "OSTIARY_LOG_LEVEL": "DEBUG"}
    with launcher.running(**settings) as running:
        leads(running)
        eventually(lambda: kubectl.get("deployment", "time", namespace), what="the last child")
        before = kubectl.get("service", "time-pods", namespace)
        assert before
        eventually(lambda: granted(kubectl, namespace), what="the policy's rules")

        control_plane.kill_apiserver()
        vanish(control_plane, f"/registry/services/specs/{namespace}/time-pods")
        vanish(control_plane, f"/registry/ostiary.dev/mcpaccesspolicies/{namespace}/callers")
        control_plane.compact()
        control_plane.start_apiserver()

        found = eventually(
            lambda: kubectl.get("service", "time-pods", namespace),
            seconds=60,
            what="the vanished child",
        )
        assert found["metadata"]["uid"] != before["metadata"]["uid"]
        eventually(lambda: not granted(kubectl, namespace), seconds=60, what="the grant gone")
        assert "Restarting the watch-stream for services.v1" in running.logged()
