"""What a gateway's real proxies enforce and report, and what the group's status says of it."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from e2e.cluster.kubectl import Kubectl
from tests.operator_api.installed import Running
from tests.operator_api.kubelet import Kubelet
from tests.operator_api.manifests import condition, group, policy, server
from tests.operator_api.test_children import document


@pytest.fixture(scope="module")
def kubelet(
    operator: Running, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubelet]:
    """A group of one server, whose gateway runs and whose member does not."""
    name = f"gateways-{uuid4().hex[:8]}"
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    kubectl("create", "namespace", name)
    kubectl.create(node)
    kubectl.eventually("sa", "default", bool, namespace=name)
    kubectl.apply(server(name, replicas=0), policy(name), group(name, {"selector": {}}, replicas=2))
    found = Kubelet(
        kubectl, name, tmp_path_factory.mktemp("pods"), node=name, prefix="everyday-group"
    )
    try:
        yield found
    finally:
        found.close()
        kubectl("delete", "ns", name, "--wait=false")
        kubectl("delete", "node", name)


def programmed(kubelet: Kubelet) -> Any:
    """The group, once its pods enforce the document that the ConfigMap holds now."""
    found = kubelet.kubectl.get("mcpgroup", "everyday", kubelet.namespace)
    number = document(kubelet.kubectl, kubelet.namespace, "everyday-group-proxy")["generation"]
    said = condition(found, "Programmed")
    done = said.get("message") == f"2 of 2 pods enforce generation {number}"
    return found if done and said["status"] == "True" else None


def test_a_gateways_pods_enforce_the_document_and_tell_of_its_members(kubelet: Kubelet) -> None:
    found = kubelet.until(lambda: programmed(kubelet), what="every pod programmed")

    assert {pod.role for pod in kubelet.pods.values()} == {"gateway"}
    assert found["status"]["proxyVersion"]

    def unhealthy() -> Any:
        group_ = kubelet.kubectl.get("mcpgroup", "everyday", kubelet.namespace)
        (member,) = group_["status"]["members"]
        return group_ if member["state"] == "Unhealthy" else None

    found = kubelet.until(unhealthy, what="a member that nobody reaches")
    assert found["status"]["servers"] == "0/1"
    assert found["status"]["members"][0]["message"]
    assert condition(found, "Ready")["reason"] == "BackendUnavailable"


def test_a_member_that_leaves_is_gone_from_every_gateway_pod(kubelet: Kubelet) -> None:
    kubelet.until(lambda: programmed(kubelet), what="every pod programmed")
    namespace = kubelet.namespace
    before = document(kubelet.kubectl, namespace, "everyday-group-proxy")["generation"]
    kubelet.kubectl("-n", namespace, "delete", "mcpserver", "time", "--wait=false")

    def newer() -> bool:
        found = document(kubelet.kubectl, namespace, "everyday-group-proxy")
        return found["generation"] > before and not found["servers"][0]["backend"].get("members")

    kubelet.until(newer, what="a document without the member")
    found = kubelet.until(lambda: programmed(kubelet), what="every pod programmed anew")
    assert found["status"]["members"] == []
    assert all(pod.heard for pod in kubelet.pods.values()), "they were nudged"
