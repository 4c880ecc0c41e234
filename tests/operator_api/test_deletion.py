"""Deletion in every way: all that was made goes, and nothing comes back."""

from collections.abc import Callable

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.etcd import vanish
from tests.operator_api.installed import USER
from tests.operator_api.manifests import policy, server

pytestmark = pytest.mark.usefixtures("operator")

KINDS = "deployments,services,serviceaccounts,configmaps,secrets,networkpolicies,replicasets"


def children(kubectl: Kubectl, namespace: str) -> list[str]:
    found = kubectl("-n", namespace, "get", KINDS, "-l", "ostiary.dev/server", "-o", "name")
    return found.split()


def made_since(plane: ControlPlane, mark: int, namespace: str) -> list[str]:
    return [
        f"{event.resource} {event.name}"
        for event in plane.audit.writes(since=mark, user=USER)
        if (event.namespace, event.verb) == (namespace, "create")
        and event.code < 300
        and event.resource != "events"
    ]


@pytest.fixture
def populated(kubectl: Kubectl, namespace: str) -> str:
    kubectl.apply(server(namespace, replicas=2), policy(namespace))
    eventually(lambda: kubectl.get("deployment", "time", namespace), what="the last child")
    kubectl.eventually(
        "mcpserver", "time", lambda it: it.get("status", {}).get("callers"), namespace=namespace
    )
    return namespace


@pytest.mark.parametrize("cascade", ["foreground", "background"])
def test_nothing_comes_back_after_a_deletion(
    control_plane: ControlPlane, kubectl: Kubectl, populated: str, cascade: str
) -> None:
    mark = control_plane.audit.mark()

    kubectl("-n", populated, "delete", "mcpserver", "time", f"--cascade={cascade}")

    eventually(lambda: not children(kubectl, populated), seconds=60, what="no child")
    assert made_since(control_plane, mark, populated) == []


def test_nothing_hinders_the_deletion_of_a_namespace(
    control_plane: ControlPlane, kubectl: Kubectl, populated: str
) -> None:
    mark = control_plane.audit.mark()

    kubectl("delete", "namespace", populated, "--timeout=60s", seconds=70)

    assert made_since(control_plane, mark, populated) == []


def test_a_server_made_anew_under_its_old_name_gets_children_of_its_own(
    kubectl: Kubectl, populated: str
) -> None:
    old = kubectl.get("service", "time", populated)
    assert old

    kubectl("-n", populated, "delete", "mcpserver", "time", "--wait=false")
    kubectl.apply(server(populated))

    root = kubectl.get("mcpserver", "time", populated)
    assert root
    for kind in ("service", "deployment", "networkpolicy"):
        kubectl.eventually(
            kind,
            "time",
            lambda it: (
                it and it["metadata"]["ownerReferences"][0]["uid"] == root["metadata"]["uid"]
            ),
            namespace=populated,
            seconds=60,
        )


def test_children_of_an_orphaning_deletion_are_left_alone(
    kubectl: Kubectl, populated: str, make_namespace: Callable[..., str]
) -> None:
    """`--cascade=orphan` gives them to whoever asked for it."""
    kubectl("-n", populated, "delete", "mcpserver", "time", "--cascade=orphan")

    found = kubectl.get("service", "time", populated)

    assert found
    assert not found["metadata"].get("ownerReferences")
    other = make_namespace()
    kubectl.apply(server(other))
    eventually(lambda: kubectl.get("service", "time", other), what="the operator's next work")
    assert kubectl.get("service", "time", populated) == found


def test_a_server_whose_namespace_is_gone_is_left_alone_until_it_is_there_again(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    populated: str,
    make_namespace: Callable[..., str],
) -> None:
    """Seen: an API server that has just started ends a namespace before it knows our kinds."""
    vanish(control_plane, f"/registry/namespaces/{populated}")
    eventually(lambda: not kubectl.get("namespace", populated), what="no such namespace")
    mark = control_plane.audit.mark()
    kubectl("-n", populated, "delete", "service", "time")

    other = make_namespace()
    kubectl.apply(server(other))
    eventually(lambda: kubectl.get("deployment", "time", other), what="the operator's next work")
    tried = control_plane.audit.writes(since=mark, user=USER)
    assert [event for event in tried if event.namespace == populated] == []

    kubectl("create", "namespace", populated)
    eventually(lambda: kubectl.get("service", "time", populated), what="the child again")
