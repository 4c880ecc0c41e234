"""A new proxy image, set by the cluster's admin: a few servers at a time, or none before its turn.

The controller manager is stopped: who is up is said here, by hand.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.installed import NAMESPACE, Launcher, leads
from tests.operator_api.manifests import server

NAMES = ("a", "b", "c")
SETTINGS = "ostiary-settings"
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def quiet_plane(
    control_plane: ControlPlane, launcher: Launcher, namespace: str
) -> Iterator[ControlPlane]:
    control_plane.stop_controllers()
    yield control_plane
    control_plane.start_controllers()


@pytest.fixture
def admin_settings(kubectl: Kubectl) -> Iterator[dict[str, Any]]:
    """The settings ConfigMap, to be changed and put back."""
    found = kubectl.get("configmap", SETTINGS, NAMESPACE)
    assert found
    yield found
    write(kubectl, found["data"]["settings.yaml"])


def write(kubectl: Kubectl, text: str) -> None:
    body = json.dumps({"data": {"settings.yaml": text}})
    kubectl("-n", NAMESPACE, "patch", "configmap", SETTINGS, "--type=merge", "-p", body)


def images(kubectl: Kubectl, namespace: str) -> list[str]:
    listed = kubectl.json("-n", namespace, "get", "deployments")["items"]
    old = [it for it in listed if it["metadata"]["name"] in NAMES]
    pods = [it["spec"]["template"]["spec"] for it in old]
    return [c["image"] for it in pods for c in it["initContainers"] if c["name"] == "proxy"]


def say_up(kubectl: Kubectl, namespace: str) -> None:
    """Every Deployment has all its pods, of the newest template."""
    for it in kubectl.json("-n", namespace, "get", "deployments")["items"]:
        counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        status = {"observedGeneration": it["metadata"]["generation"]} | dict.fromkeys(counts, 1)
        body = json.dumps({"status": status})
        name = it["metadata"]["name"]
        arguments = ["patch", "deployment", name, "--subresource=status", "--type=merge"]
        kubectl("-n", namespace, *arguments, "-p", body)


def count(kubectl: Kubectl, namespace: str, image: str) -> int:
    return sum(found == image for found in images(kubectl, namespace))


def ready(kubectl: Kubectl, namespace: str) -> None:
    eventually(lambda: len(images(kubectl, namespace)) == len(NAMES), what="every Deployment")
    say_up(kubectl, namespace)


def test_a_new_image_goes_out_one_by_one(
    launcher: Launcher,
    quiet_plane: ControlPlane,
    kubectl: Kubectl,
    namespace: str,
    admin_settings: dict[str, Any],
) -> None:
    kubectl.apply(*[server(namespace, name) for name in NAMES])
    with launcher.running() as running:
        leads(running)
        ready(kubectl, namespace)

        text = admin_settings["data"]["settings.yaml"]
        before = images(kubectl, namespace)[0]
        write(kubectl, text.replace(before, "example/proxy:new"))

        for done in range(1, len(NAMES) + 1):
            eventually(
                lambda n=done: count(kubectl, namespace, "example/proxy:new") == n,
                seconds=60,
                what=f"{done} with the new image",
            )
            kubectl.apply(server(namespace, f"later-{done}"))
            eventually(
                lambda n=done: kubectl.get("deployment", f"later-{n}", namespace),
                what="the operator's other work",
            )
            assert count(kubectl, namespace, "example/proxy:new") == done
            say_up(kubectl, namespace)


def test_an_owners_edit_takes_the_new_image_along(
    launcher: Launcher,
    quiet_plane: ControlPlane,
    kubectl: Kubectl,
    namespace: str,
    admin_settings: dict[str, Any],
) -> None:
    kubectl.apply(*[server(namespace, name) for name in NAMES])
    with launcher.running() as running:
        leads(running)
        ready(kubectl, namespace)

        text = admin_settings["data"]["settings.yaml"]
        before = images(kubectl, namespace)[0]
        text = text.replace("proxyRollout: Batched", "proxyRollout: OnNextChange")
        write(kubectl, text.replace(before, "example/proxy:new"))
        kubectl.apply(server(namespace, "b", limits={"concurrency": 5}))

        eventually(
            lambda: count(kubectl, namespace, "example/proxy:new") == 1, what="the edited server"
        )
        assert count(kubectl, namespace, before) == len(NAMES) - 1
