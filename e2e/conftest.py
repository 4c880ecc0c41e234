"""The cluster of the end-to-end tests, and the operator in it.

Without `KUBECONFIG`: the real node of e2e/cluster, brought up for the session
and taken away after it, unless it was up already or `OSTIARY_KEEP=1`.  With
`KUBECONFIG`: that cluster, which must have the images (`python -m
e2e.cluster.images OUT.tar`) and enforce NetworkPolicies."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from e2e.cluster import gateway_api
from e2e.cluster.images.recipes import CLIENT, OPERATOR, PROXY, RECIPES
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.node import Node, held
from e2e.cluster.paths import ROOT
from e2e.cluster.plugin import prepare
from e2e.cluster.programs import program
from e2e.world import GRANTED, World

HERE: Final = Path(__file__).resolve().parent
SYSTEM: Final = "ostiary-system"
TEST_SECONDS: Final = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's time is its own: bringing up the cluster for the first of them is bounded apart."""
    for item in items:
        if HERE not in item.path.parents:
            continue
        marked = item.get_closest_marker("timeout")
        seconds = marked.args[0] if marked and marked.args else TEST_SECONDS
        item.add_marker(pytest.mark.timeout(seconds, func_only=True), append=False)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds and images first: they take minutes when the cache is cold."""
    if session.config.option.collectonly:
        return
    if not os.environ.get("KUBECONFIG"):
        prepare(session, "cluster", Node)
        prepare(session, "cluster", lambda: [RECIPES[name]() for name in ("node", "servers")])
        prepare(session, "operator_installed", RECIPES["product"])
    prepare(session, "operator_installed", lambda: program("helm"))
    prepare(session, "http_routes", gateway_api.http_routes)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Node | None]:
    """The node if it is ours; None with a cluster of somebody else."""
    if os.environ.get("KUBECONFIG"):
        yield None
        return
    node = Node()
    with held():
        fresh = node.up()
        yield node
        if fresh and os.environ.get("OSTIARY_KEEP") != "1":
            node.down()


@pytest.fixture(scope="session")
def kubectl(cluster: Node | None) -> Kubectl:
    return Kubectl(cluster.kubeconfig if cluster else Path(os.environ["KUBECONFIG"]))


@pytest.fixture(scope="session")
def operator_installed(cluster: Node | None, kubectl: Kubectl) -> str:
    """The charts, as a user installs them, with the test images; gives the namespace."""
    changed = cluster.load("product") if cluster else []
    was_there = kubectl.get("deployment", "ostiary-operator", SYSTEM) is not None
    release(kubectl, "ostiary-crds")
    images = _image("operator", OPERATOR) | _image("proxy", PROXY)
    granted = {f"identityGrants.{GRANTED}.kubernetesToken": "true"}
    release(kubectl, "ostiary", **images, **granted)
    if was_there and OPERATOR in changed:  # a kept cluster runs an older image of the same tag
        kubectl("-n", SYSTEM, "rollout", "restart", "deployment/ostiary-operator")
        status = ("rollout", "status", "deployment/ostiary-operator", "--timeout=60s")
        kubectl("-n", SYSTEM, *status, seconds=70)
    return SYSTEM


@pytest.fixture(scope="session")
def world(kubectl: Kubectl, operator_installed: str) -> World:
    return World(kubectl=kubectl, client_image=CLIENT)


def release(kubectl: Kubectl, chart: str, **values: str) -> None:
    # what a helm that was killed left on a kept cluster: it would refuse to go on
    pending = f"owner=helm,name={chart},status in (pending-install,pending-upgrade)"
    kubectl("-n", SYSTEM, "delete", "secret", "-l", pending)
    settings = [f"--set={key}={value}" for key, value in values.items()]
    done = subprocess.run(
        [
            *(program("helm"), "--kubeconfig", kubectl.kubeconfig, "upgrade", "--install"),
            *(chart, ROOT / "charts" / chart, "--namespace", SYSTEM, "--create-namespace"),
            *("--wait", "--timeout=60s", *settings),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr}\n{_what_runs(kubectl)}"


def _image(half: str, reference: str) -> dict[str, str]:
    repository, _, tag = reference.rpartition(":")
    return {f"{half}.image.repository": repository, f"{half}.image.tag": tag}


def _what_runs(kubectl: Kubectl) -> str:
    pods = kubectl.run("-n", SYSTEM, "get", "pods,events").stdout
    logs = kubectl.run("-n", SYSTEM, "logs", "--tail=40", "-l", "app.kubernetes.io/name=ostiary")
    return f"{pods}\n{logs.stdout}{logs.stderr}"
