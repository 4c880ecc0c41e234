"""Servers that are elsewhere, on the real API server: made, switched, protected, taken down."""

import json
from typing import Any

import pytest
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.manifests import API, Manifest, condition, says

pytestmark = pytest.mark.usefixtures("operator")

IMAGE = {"image": "example/time:1", "command": ["mcp-server-time"]}
REMOTE = {
    "remote": {"url": "https://mcp.example.com/mcp"},
    "upstream": {
        "headers": [{"name": "Authorization", "secretKeyRef": {"name": "saas", "key": "token"}}]
    },
}


def server(namespace: str, **spec: Any) -> Manifest:
    metadata = {"namespace": namespace, "name": "front"}
    return {"apiVersion": API, "kind": "MCPServer", "metadata": metadata, "spec": spec}


def service(namespace: str, **spec: Any) -> Manifest:
    given = {"selector": {"app": "legacy"}, "ports": [{"port": 80, "targetPort": 8000}], **spec}
    metadata = {"namespace": namespace, "name": "legacy-mcp"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": given}


def standing(protect: bool = True) -> dict[str, Any]:
    return {"service": {"name": "legacy-mcp", "port": 80, "protect": protect}}


class Cluster:
    """One namespace, asked."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self.kubectl, self.namespace = kubectl, namespace

    def root(self) -> Manifest | None:
        return self.kubectl.get("mcpserver", "front", self.namespace)

    def until_said(self, kind: str, reason: str) -> Manifest:
        eventually(lambda: says(self.root(), kind, reason), seconds=30, what=f"{kind} {reason}")
        return condition(self.root(), kind)

    def backend(self) -> dict[str, Any]:
        found = self.kubectl.get("configmap", "front-proxy", self.namespace)
        return json.loads(found["data"]["config.json"])["servers"][0]["backend"] if found else {}

    def source(self) -> str:
        backend = self.backend()
        return (backend.get("outside") or {}).get("source") or backend.get("kind", "")

    def pod_spec(self) -> dict[str, Any]:
        found = self.kubectl.get("deployment", "front", self.namespace)
        return found["spec"]["template"]["spec"] if found else {}

    def containers(self) -> tuple[list[str], list[str]]:
        spec = self.pod_spec()
        named = [[it["name"] for it in spec.get(kind, ())] for kind in KINDS]
        return named[0], named[1]

    def egress(self) -> list[dict[str, Any]]:
        """What the server's own wall lets out to, beside DNS and siblings."""
        found = self.kubectl.get("networkpolicy", "front", self.namespace)
        return found["spec"]["egress"][2:] if found else []

    def protection(self) -> Manifest | None:
        return self.kubectl.get("networkpolicy", "front-proxy", self.namespace)


KINDS = ("initContainers", "containers")


@pytest.fixture
def cluster(kubectl: Kubectl, namespace: str) -> Cluster:
    return Cluster(kubectl, namespace)


def test_a_remote_is_the_proxy_alone_and_says_what_is_so(cluster: Cluster) -> None:
    cluster.kubectl.apply(server(cluster.namespace, **REMOTE))
    eventually(lambda: cluster.containers() == ([], ["proxy"]), seconds=30, what="the proxy alone")

    assert cluster.backend()["host"] == "mcp.example.com"
    assert cluster.backend()["outside"]["headers"][0]["name"] == "authorization"
    (egress,) = cluster.egress()
    assert egress["ports"] == [{"protocol": "TCP", "port": 443}]
    assert "10.0.0.0/8" in egress["to"][0]["ipBlock"]["except"]
    assert "not part of this cluster" in cluster.until_said("BackendPrivate", "Remote")["message"]
    assert cluster.protection() is None


def test_an_edit_of_the_url_moves_the_wall_with_it(cluster: Cluster) -> None:
    cluster.kubectl.apply(server(cluster.namespace, **REMOTE))
    eventually(cluster.egress, seconds=30, what="an egress rule")

    edited = {**REMOTE, "remote": {"url": "https://1.1.1.1:8443/mcp"}}
    cluster.kubectl.apply(server(cluster.namespace, **edited))

    eventually(lambda: cluster.backend().get("port") == 8443, seconds=30, what="the new port")
    (egress,) = eventually(
        lambda: [it for it in cluster.egress() if it["ports"][0]["port"] == 8443],
        seconds=30,
        what="the new wall",
    )
    assert egress["to"] == [{"ipBlock": {"cidr": "1.1.1.1/32"}}]


def test_a_server_may_move_from_an_image_to_a_remote_to_a_service_and_back(
    cluster: Cluster,
) -> None:
    cluster.kubectl.apply(service(cluster.namespace))
    both = (["shim", "proxy"], ["server"])
    for spec, containers, kind in (
        (IMAGE, both, "stdio"),
        (REMOTE, ([], ["proxy"]), "remote"),
        (standing(), ([], ["proxy"]), "service"),
        (IMAGE, both, "stdio"),
    ):
        manifest = json.dumps(server(cluster.namespace, **spec))
        verb = "replace" if cluster.root() else "create"
        cluster.kubectl(verb, "-f", "-", stdin=manifest)
        eventually(
            lambda expected=containers: cluster.containers() == expected,
            seconds=30,
            what=f"the pod of {kind}",
        )
        eventually(
            lambda expected=kind: cluster.source() == expected,
            seconds=30,
            what=f"the document of {kind}",
        )
    eventually(lambda: cluster.protection() is None, seconds=30, what="no protection any more")
    mounted = [it["name"] for it in cluster.pod_spec()["volumes"]]
    assert "ostiary-upstream" not in mounted


def test_a_service_that_is_missing_is_waited_for(cluster: Cluster) -> None:
    cluster.kubectl.apply(server(cluster.namespace, **standing()))

    said = cluster.until_said("ResolvedRefs", "ServiceNotFound")
    assert said["status"] == "False"
    assert f"Service {cluster.namespace}/legacy-mcp not found" in said["message"]
    assert cluster.egress() == []
    assert cluster.protection() is None

    cluster.kubectl.apply(service(cluster.namespace))

    cluster.until_said("ResolvedRefs", "ResolvedRefs")
    cluster.until_said("BackendPrivate", "PolicyApplied")
    (egress,) = eventually(cluster.egress, seconds=30, what="a way to the pods")
    assert egress["to"] == [{"podSelector": {"matchLabels": {"app": "legacy"}}}]
    assert egress["ports"] == [{"protocol": "TCP", "port": 8000}]


def test_a_service_without_a_selector_is_refused_with_a_reason(cluster: Cluster) -> None:
    external = {"type": "ExternalName", "externalName": "metadata.internal", "selector": None}
    cluster.kubectl.apply(service(cluster.namespace, **external))
    cluster.kubectl.apply(server(cluster.namespace, **standing()))

    said = cluster.until_said("ResolvedRefs", "ServiceUnusable")

    assert "selects no pods" in said["message"]
    assert cluster.backend()["host"] == "unusable.invalid"
    assert cluster.egress() == []


def test_protection_comes_follows_the_service_and_goes(cluster: Cluster) -> None:
    cluster.kubectl.apply(service(cluster.namespace))
    cluster.kubectl.apply(server(cluster.namespace, **standing()))
    wall = eventually(cluster.protection, seconds=30, what="the protection")
    assert wall["spec"]["podSelector"] == {"matchLabels": {"app": "legacy"}}
    assert wall["metadata"]["ownerReferences"][0]["kind"] == "MCPServer"
    cluster.until_said("BackendPrivate", "PolicyApplied")

    other = {"selector": {"app": "newer"}, "ports": [{"port": 80, "targetPort": 9000}]}
    cluster.kubectl.apply(service(cluster.namespace, **other))
    eventually(
        lambda: (
            (cluster.protection() or {}).get("spec", {}).get("podSelector")
            == {"matchLabels": {"app": "newer"}}
        ),
        seconds=30,
        what="the protection of the newer pods",
    )

    cluster.kubectl.apply(server(cluster.namespace, **standing(protect=False)))
    eventually(lambda: cluster.protection() is None, seconds=30, what="no protection")
    assert cluster.until_said("BackendPrivate", "Exposed")["status"] == "False"


def test_a_protection_deleted_by_hand_comes_back_and_one_that_widens_it_is_named(
    cluster: Cluster,
) -> None:
    cluster.kubectl.apply(service(cluster.namespace))
    cluster.kubectl.apply(server(cluster.namespace, **standing()))
    first = eventually(cluster.protection, seconds=30, what="the protection")

    cluster.kubectl("-n", cluster.namespace, "delete", "networkpolicy", "front-proxy")
    eventually(
        lambda: (
            (found := cluster.protection()) is not None
            and found["metadata"]["uid"] != first["metadata"]["uid"]
        ),
        seconds=30,
        what="the protection again",
    )
    cluster.kubectl.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"namespace": cluster.namespace, "name": "open-all"},
            "spec": {"podSelector": {}, "ingress": [{}]},
        }
    )

    assert "open-all" in cluster.until_said("BackendPrivate", "WidenedBy")["message"]


def test_what_was_made_goes_with_the_server_and_the_workload_stays(cluster: Cluster) -> None:
    cluster.kubectl.apply(service(cluster.namespace))
    cluster.kubectl.apply(server(cluster.namespace, **standing()))
    eventually(cluster.protection, seconds=30, what="the protection")

    cluster.kubectl("-n", cluster.namespace, "delete", "mcpserver", "front", "--wait=true")

    eventually(lambda: cluster.protection() is None, seconds=60, what="no protection")
    eventually(lambda: cluster.pod_spec() == {}, seconds=60, what="no Deployment")
    assert cluster.kubectl.get("service", "legacy-mcp", cluster.namespace)
