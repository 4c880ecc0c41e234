"""What an operator does not write: nothing while nothing changes, and nothing of the user's."""

import json
from typing import Any

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from tests.operator_api.installed import Launcher, leads
from tests.operator_api.manifests import condition, group, policy, server
from tests.operator_api.silence import deletions_are_done, stays_silent

IDLE_SECONDS = 20
RESYNC_SECONDS = 2


@pytest.fixture
def settled(launcher: Launcher, kubectl: Kubectl, namespace: str) -> str:
    """Servers, their group and a policy whose operator has said all it had to say, and ended."""
    port = {"streamableHTTP": {"port": 8000}}
    kubectl.apply(
        server(namespace, "time"),
        server(
            namespace,
            "web",
            transport=port,
            replicas=2,
            resources={"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"cpu": 2}},
            env=[{"name": "A", "value": ""}, {"name": "B", "value": "1"}],
            scheduling={"nodeSelector": {"disk": "ssd"}},
            podMetadata={"labels": {"team": "a"}, "annotations": {"note": "x"}},
            network={"egress": {"mode": "Unrestricted"}},
            expose={
                "url": f"https://{namespace}.example.com/web",
                "allowFrom": [{"ipBlock": {"cidr": "192.0.2.0/24"}}],
                "via": {"ingress": {"annotations": {"example.com/a": "b"}}},
            },
            volumes=[
                {"name": "c", "mountPath": "/c", "configMap": {"name": "cfg"}},
                {"name": "e", "mountPath": "/e", "emptyDir": {"sizeLimit": "1Gi"}},
            ],
        ),
        policy(namespace),
        group(namespace, {"selector": {}}, replicas=2),
    )
    with launcher.running() as running:
        leads(running)
        for name in ("time", "web"):
            kubectl.eventually(
                "mcpserver",
                name,
                lambda it: it.get("status", {}).get("replicas"),
                namespace=namespace,
            )
        kubectl.eventually(
            "mcpaccesspolicy",
            "callers",
            lambda it: it.get("status", {}).get("targetCount") == 2,
            namespace=namespace,
        )
        kubectl.eventually(
            "mcpgroup",
            "everyday",
            lambda it: it.get("status", {}).get("replicas") == 2,
            namespace=namespace,
        )
    return namespace


@pytest.mark.timeout(200)
def test_a_restart_and_ten_resyncs_write_nothing(
    launcher: Launcher, kubectl: Kubectl, control_plane: ControlPlane, settled: str
) -> None:
    deletions_are_done(kubectl)
    mark = control_plane.audit.mark()

    with launcher.running(OSTIARY_RESYNC_SECONDS=str(RESYNC_SECONDS)) as running:
        leads(running)
        stays_silent(control_plane, running, IDLE_SECONDS, since=mark)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("mcpserver", "time"), ("mcpgroup", "everyday"), ("mcpaccesspolicy", "callers")],
)
def test_the_users_object_is_untouched_but_for_its_status(
    launcher: Launcher, kubectl: Kubectl, namespace: str, kind: str, name: str
) -> None:
    members = group(namespace, {"selector": {}})
    kubectl.apply(server(namespace), policy(namespace), members, server_side=True)
    before = manifest(kubectl, namespace, kind, name)

    with launcher.running() as running:
        leads(running)
        kubectl.eventually(kind, name, lambda it: condition(it, "Ready"), namespace=namespace)
        kubectl.eventually("deployment", "time", bool, namespace=namespace)
        kubectl.eventually("deployment", "everyday-group", bool, namespace=namespace)
        # The policy's status follows what becomes of the server.
        kubectl.eventually(
            "mcpaccesspolicy",
            "callers",
            lambda it: it.get("status", {}).get("enforced") == "0/1",
            namespace=namespace,
        )
    after = manifest(kubectl, namespace, kind, name)

    assert after["spec"] == before["spec"]
    volatile = ("managedFields", "resourceVersion")
    for key in {*before["metadata"], *after["metadata"]} - {*volatile}:
        assert after["metadata"].get(key) == before["metadata"].get(key)
    ours = [it for it in after["metadata"]["managedFields"] if it["manager"] != "kubectl"]
    theirs = [it for it in after["metadata"]["managedFields"] if it["manager"] == "kubectl"]
    assert theirs == before["metadata"]["managedFields"]
    (status,) = ours
    assert (status["manager"], status["subresource"]) == ("ostiary-status", "status")
    assert set(status["fieldsV1"]) == {"f:status"}


def manifest(kubectl: Kubectl, namespace: str, kind: str, name: str) -> Any:
    arguments = ["get", kind, name, "-o", "json", "--show-managed-fields"]
    return json.loads(kubectl("-n", namespace, *arguments))
