"""Operators and API servers that are killed: what was begun is finished, and by one leader."""

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.installed import Launcher, leads
from tests.operator_api.manifests import server

NAMES = [f"s{number}" for number in range(8)]
LOST_LEASE = 2


def listed(kubectl: Kubectl, namespace: str, kind: str) -> list[str]:
    found = kubectl("-n", namespace, "get", kind, "-o", "jsonpath={.items[*].metadata.name}")
    return found.split()


@pytest.mark.timeout(200)
def test_what_a_killed_operator_began_is_finished(
    launcher: Launcher, kubectl: Kubectl, namespace: str
) -> None:
    kubectl.apply(*[server(namespace, name) for name in NAMES])
    with launcher.running() as first:
        eventually(
            lambda: [it for it in listed(kubectl, namespace, "sa") if it.endswith("-mcp")],
            every=0.01,
            what="the first child",
        )
        first.kill()
    assert len(listed(kubectl, namespace, "deployments")) < len(NAMES)

    with launcher.running() as second:
        leads(second)
        eventually(
            lambda: set(listed(kubectl, namespace, "deployments")) == set(NAMES),
            seconds=60,
            what="every last child",
        )

    # A hash that was made just before the end has no master: its proxies will ask for the next
    # number (test_enforcement).  Never is a master there that no hash speaks of.
    hashes = {it for it in listed(kubectl, namespace, "configmaps") if "-key-" in it}
    assert hashes == {f"{name}-key-0" for name in NAMES}
    assert {it for it in listed(kubectl, namespace, "secrets") if "-key-" in it} <= hashes
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
    # Long enough for an outage on a slow machine.
    with launcher.running(OSTIARY_LEASE_SECONDS="120") as running:
        leads(running)
        eventually(lambda: kubectl.get("deployment", "time", namespace), what="the last child")

        control_plane.kill_apiserver()
        control_plane.start_apiserver()
        kubectl("-n", namespace, "delete", "service", "time")
        kubectl.apply(server(namespace, "later"))

        eventually(lambda: kubectl.get("service", "time", namespace), what="the child again")
        eventually(lambda: kubectl.get("deployment", "later", namespace), what="the new one")
        assert running.process.poll() is None


@pytest.mark.timeout(200)
def test_a_leader_that_cannot_renew_ends(
    launcher: Launcher, kubectl: Kubectl, control_plane: ControlPlane, namespace: str
) -> None:
    """Another may lead soon, and a write may still be in flight."""
    kubectl.apply(server(namespace))
    with launcher.running(OSTIARY_LEASE_SECONDS="6") as running:
        leads(running)
        eventually(lambda: kubectl.get("deployment", "time", namespace), what="its work")
        kubectl("-n", namespace, "delete", "service", "time")
        eventually(lambda: kubectl.get("service", "time", namespace), what="that it watches")

        control_plane.kill_apiserver()
        try:
            code = running.process.wait(60)
        finally:
            control_plane.start_apiserver()

    assert code == LOST_LEASE
    assert "the lease could not be renewed in time" in running.logged().splitlines()[-1]


@pytest.mark.timeout(200)
def test_the_other_replica_takes_over_from_a_killed_leader(
    launcher: Launcher, kubectl: Kubectl, namespace: str
) -> None:
    kubectl.apply(server(namespace))
    with launcher.running("one", OSTIARY_LEASE_SECONDS="6") as one:
        leads(one)
        with launcher.running("two", OSTIARY_LEASE_SECONDS="6") as two:
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
