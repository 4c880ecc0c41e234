"""Operators and API servers that are killed: what was begun is finished, and by one leader."""

from collections.abc import Callable

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.installed import Launcher, Running, leads
from tests.operator_api.manifests import server

NAMES = [f"s{number}" for number in range(8)]
LOST_LEASE = 2


def complete(kubectl: Kubectl, namespace: str) -> bool:
    made = kubectl("-n", namespace, "get", "deployments", "-o", "name").split()
    keys = kubectl("-n", namespace, "get", "secrets", "-o", "name").split()
    return len(made) == len(NAMES) and len(keys) >= len(NAMES)


@pytest.mark.timeout(200)
def test_what_a_killed_operator_began_is_finished(
    launcher: Launcher, kubectl: Kubectl, namespace: str
) -> None:
    kubectl.apply(*[server(namespace, name) for name in NAMES])
    with launcher.running() as first:
        eventually(
            lambda: kubectl("-n", namespace, "get", "serviceaccounts", "-o", "name").count("-mcp"),
            every=0.01,
            what="the first child",
        )
        first.kill()

    with launcher.running() as second:
        leads(second)
        eventually(lambda: complete(kubectl, namespace), seconds=60, what="every child")

    roots = {
        it["metadata"]["name"]: it["metadata"]["uid"]
        for it in kubectl.json("-n", namespace, "get", "mcpservers")["items"]
    }
    for deployment in kubectl.json("-n", namespace, "get", "deployments")["items"]:
        (owner,) = deployment["metadata"]["ownerReferences"]
        assert roots[owner["name"]] == owner["uid"]


@pytest.mark.timeout(200)
def test_an_api_server_that_was_killed_is_found_again(
    launcher: Launcher, kubectl: Kubectl, control_plane: ControlPlane, namespace: str
) -> None:
    kubectl.apply(server(namespace))
    with launcher.running() as running:
        leads(running)
        eventually(lambda: kubectl.get("deployment", "time", namespace), what="the last child")

        control_plane.kill_apiserver()
        control_plane.start_apiserver()
        with restarted(running, launcher):
            kubectl("-n", namespace, "delete", "service", "time")
            kubectl.apply(server(namespace, "later"))

            eventually(lambda: kubectl.get("service", "time", namespace), what="the child again")
            eventually(lambda: kubectl.get("deployment", "later", namespace), what="the new one")


@pytest.mark.timeout(200)
def test_the_other_replica_takes_over_from_a_killed_leader(
    launcher: Launcher, kubectl: Kubectl, namespace: str
) -> None:
    kubectl.apply(server(namespace))
    with launcher.running("one") as one:
        leads(one)
        with launcher.running("two") as two:
            eventually(lambda: "waiting for the lease" in two.logged(), what="a replica in waiting")
            eventually(lambda: kubectl.get("deployment", "time", namespace), what="its work")
            assert '"leading"' not in two.logged()

            one.kill()
            kubectl("-n", namespace, "delete", "service", "time")

            leads(two, seconds=40)
            eventually(lambda: kubectl.get("service", "time", namespace), what="the child again")


def test_a_leader_that_ends_gives_the_lease_away(
    launcher: Launcher, kubectl: Kubectl, namespace: str
) -> None:
    with launcher.running("one") as one:
        leads(one)

        assert one.stop() == 0

    lease = kubectl.get("lease", "ostiary-operator", "ostiary-system")
    assert lease
    assert not lease["spec"].get("holderIdentity")


def restarted(running: Running, launcher: Launcher) -> "Restarting":
    return Restarting(running, launcher)


class Restarting:
    """As the kubelet does: an operator that lost its lease over the outage is started anew."""

    def __init__(self, running: Running, launcher: Launcher) -> None:
        self._running = running
        self._launcher = launcher
        self._close: Callable[[], object] = lambda: None

    def __enter__(self) -> None:
        code = self._running.process.poll()
        if code is None:
            return
        assert code == LOST_LEASE, self._running.logged()
        context = self._launcher.running()
        leads(context.__enter__(), seconds=60)
        self._close = lambda: context.__exit__(None, None, None)

    def __exit__(self, *_: object) -> None:
        self._close()
