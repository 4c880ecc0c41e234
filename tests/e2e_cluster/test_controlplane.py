"""The test control plane itself: what the other tests rely on, seen to hold."""

import json
import ssl
from pathlib import Path
from urllib.request import urlopen

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl, Refused
from e2e.cluster.plugin import NamespaceFactory
from e2e.cluster.waiting import eventually


def config_map(name: str, **metadata: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def test_a_user_without_rights_is_refused_and_one_with_a_role_is_not(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    bob = Kubectl(control_plane.kubeconfig("bob", ["devs"]))
    with pytest.raises(Refused, match="forbidden"):
        bob("-n", namespace, "get", "pods")

    grant = ["create", "rolebinding", "devs", "--clusterrole=view", "--group=devs"]
    kubectl("-n", namespace, *grant)

    eventually(lambda: bob.run("-n", namespace, "get", "pods").returncode == 0, seconds=10)
    with pytest.raises(Refused, match="forbidden"):
        bob("-n", namespace, "get", "secrets")


def test_the_audit_log_names_who_wrote_what(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    mark = control_plane.audit.mark()

    kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(config_map("seen")))

    def writes() -> list[tuple[str, str, str, int]]:
        return [
            (event.verb, event.resource, event.name, event.code)
            for event in control_plane.audit.writes(since=mark, user_agent="kubectl/")
            if event.namespace == namespace
        ]

    assert eventually(writes, seconds=5) == [("create", "configmaps", "seen", 201)]


def test_a_killed_api_server_comes_back_with_everything(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("-n", namespace, "create", "configmap", "kept")
    url = control_plane.url

    control_plane.kill_apiserver()
    assert kubectl.run("get", "ns").returncode != 0
    control_plane.start_apiserver()

    assert control_plane.url == url
    assert kubectl.get("configmap", "kept", namespace) is not None


def test_what_an_owner_held_is_collected(kubectl: Kubectl, namespace: str) -> None:
    kubectl("-n", namespace, "create", "configmap", "owner")
    owner = kubectl.get("configmap", "owner", namespace)
    assert owner is not None
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
    }
    owned = config_map("owned", namespace=namespace, ownerReferences=[reference])
    kubectl.create(owned)

    kubectl("-n", namespace, "delete", "configmap", "owner")

    kubectl.eventually("configmap", "owned", lambda found: found is None, namespace=namespace)


def test_a_deleted_namespace_goes_away(kubectl: Kubectl, make_namespace: NamespaceFactory) -> None:
    name = make_namespace("gone")
    kubectl("-n", name, "create", "configmap", "inside")

    kubectl("delete", "ns", name, "--wait=false")

    kubectl.eventually("ns", name, lambda found: found is None, seconds=60)


def test_tokens_are_signed_by_keys_that_the_cluster_publishes(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    token = kubectl("-n", namespace, "create", "token", "default", "--audience=somebody")
    keys = kubectl.run("get", "--raw", "/openid/v1/jwks").stdout

    assert token.count(".") == 2
    assert [key["alg"] for key in json.loads(keys)["keys"]] == ["RS256"]


def test_a_watch_from_before_a_compaction_is_answered_with_gone(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    old = kubectl.json("-n", namespace, "get", "configmaps")["metadata"]["resourceVersion"] or "1"
    kubectl("-n", namespace, "create", "configmap", "later")

    control_plane.kill_apiserver()
    control_plane.compact()
    control_plane.start_apiserver()

    path = f"/api/v1/namespaces/{namespace}/configmaps?watch=1&resourceVersion={old}"
    line = first_line(control_plane, path)
    assert json.loads(line)["object"]["code"] == 410


def first_line(control_plane: ControlPlane, path: str) -> bytes:
    pki: Path = control_plane.ca.parent
    context = ssl.create_default_context(cafile=str(control_plane.ca))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    with urlopen(control_plane.url + path, context=context, timeout=20) as answer:
        return bytes(answer.readline())
