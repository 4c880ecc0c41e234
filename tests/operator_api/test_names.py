"""Names that somebody else holds: left alone, to the byte, and said."""

import base64
import json
from typing import Any

import pytest
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.manifests import Manifest, condition, says, server

pytestmark = pytest.mark.usefixtures("operator")

POD = {"containers": [{"name": "web", "image": "example/web:1"}]}
FOREIGN: list[tuple[str, str, dict[str, Any]]] = [
    ("Service", "time", {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}),
    ("ServiceAccount", "time-mcp", {"automountServiceAccountToken": True}),
    (
        "Deployment",
        "time",
        {
            "apiVersion": "apps/v1",
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": POD},
            },
        },
    ),
    ("ConfigMap", "time-proxy", {"data": {"mine": "yes"}}),
    (
        "NetworkPolicy",
        "time",
        {
            "apiVersion": "networking.k8s.io/v1",
            "spec": {"podSelector": {"matchLabels": {"a": "b"}}},
        },
    ),
]


def foreign(namespace: str, kind: str, name: str, body: dict[str, Any]) -> Manifest:
    metadata = {"namespace": namespace, "name": name, "labels": {"app": "web"}}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **body}


def standing(kubectl: Kubectl, kind: str, name: str, namespace: str) -> Any:
    """Every byte of it, but what its own controller goes on writing: a Deployment's status."""
    found = kubectl("-n", namespace, "get", kind, name, "-o", "json", "--show-managed-fields")
    if kind != "Deployment":
        return found
    deployment = json.loads(found)
    del deployment["status"], deployment["metadata"]["resourceVersion"]
    deployment["metadata"]["managedFields"] = [
        it for it in deployment["metadata"]["managedFields"] if it.get("subresource") != "status"
    ]
    return deployment


@pytest.mark.parametrize(("kind", "name", "body"), FOREIGN, ids=[it[0] for it in FOREIGN])
def test_somebody_elses_object_stays_as_it_is(
    kubectl: Kubectl, namespace: str, kind: str, name: str, body: dict[str, Any]
) -> None:
    kubectl.create(foreign(namespace, kind, name, body))
    if kind == "Deployment":
        kubectl.eventually(
            kind,
            name,
            lambda it: it["metadata"].get("annotations") and it.get("status", {}).get("conditions"),
            namespace=namespace,
        )  # its controller has written to it outside of the status too
    before = standing(kubectl, kind, name, namespace)

    kubectl.apply(server(namespace))
    found = kubectl.eventually(
        "mcpserver", "time", lambda it: says(it, "Ready", "NameTaken"), namespace=namespace
    )

    assert f"{kind} {namespace}/{name}" in condition(found, "Ready")["message"]
    if kind != "Deployment":
        assert not kubectl.get("deployment", "time", namespace)
    assert standing(kubectl, kind, name, namespace) == before

    kubectl("-n", namespace, "delete", "mcpserver", "time")
    eventually(
        lambda: not kubectl.get("configmap", "time-key-0", namespace),
        seconds=90,  # the garbage collector looks for new kinds every half minute
        what="its children gone",
    )
    assert standing(kubectl, kind, name, namespace) == before


def test_a_name_that_becomes_free_is_taken(kubectl: Kubectl, namespace: str) -> None:
    kubectl.create(foreign(namespace, *FOREIGN[0]))
    kubectl.apply(server(namespace))
    kubectl.eventually(
        "mcpserver", "time", lambda it: says(it, "Ready", "NameTaken"), namespace=namespace
    )

    kubectl("-n", namespace, "delete", "service", "time")

    kubectl.eventually(
        "deployment", "time", lambda it: it is not None, namespace=namespace, seconds=40
    )


def secret(namespace: str, number: int) -> Manifest:
    data = {"data": {"master": base64.b64encode(b"theirs").decode()}}
    return foreign(namespace, "Secret", f"time-key-{number}", data)


def test_a_foreign_secret_makes_the_next_number_the_key(kubectl: Kubectl, namespace: str) -> None:
    kubectl.create(secret(namespace, 0))
    before = standing(kubectl, "secret", "time-key-0", namespace)

    kubectl.apply(server(namespace))

    eventually(lambda: kubectl.get("secret", "time-key-1", namespace), what="the next key")
    kubectl.eventually("deployment", "time", lambda it: it is not None, namespace=namespace)
    assert not kubectl.get("configmap", "time-key-0", namespace)
    assert standing(kubectl, "secret", "time-key-0", namespace) == before


def test_four_foreign_secrets_leave_no_name_for_a_key(kubectl: Kubectl, namespace: str) -> None:
    for number in range(4):
        kubectl.create(secret(namespace, number))

    kubectl.apply(server(namespace))

    found = kubectl.eventually(
        "mcpserver", "time", lambda it: says(it, "Ready", "NameTaken"), namespace=namespace
    )
    assert "time-key-3" in condition(found, "Ready")["message"]
    assert not kubectl.get("deployment", "time", namespace)
