"""The rendered children on the real API server: taken as they are, and restricted."""

import json
from typing import Any

import pytest
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.plugin import NamespaceFactory
from tests.operator.build import ENV, HTTP, STDIO, accounts, policy, rule, server

from ostiary_operator.api import MCPServer
from ostiary_operator.render import ServerView, children, keys
from ostiary_operator.settings import ClusterSettings, Monitoring

EVERYTHING: dict[str, Any] = {
    "args": ["--local-timezone", "Europe/Berlin"],
    "workingDir": "/srv",
    "replicas": 3,
    "env": [
        {"name": "HOME", "value": "/data"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "saas", "key": "token"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
    ],
    "envFrom": [{"configMapRef": {"name": "conf"}, "prefix": "C_"}],
    "resources": {"limits": {"memory": "64Mi", "cpu": 1}},
    "volumes": [
        {"name": "notes", "mountPath": "/data", "persistentVolumeClaim": {"claimName": "notes"}},
        {"name": "conf", "mountPath": "/conf/", "readOnly": True, "configMap": {"name": "conf"}},
        {"name": "cred", "mountPath": "/cred", "subPath": "a", "secret": {"secretName": "cred"}},
        {"name": "scratch", "mountPath": "/tmp", "emptyDir": {"sizeLimit": "2Gi"}},
    ],
    "security": {"runAsUser": 1000, "readOnlyRootFilesystem": False},
    "identity": {"serviceAccountName": "robot", "kubernetesToken": True, "cloudMetadata": True},
    "scheduling": {
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 5,
                        "podAffinityTerm": {
                            "topologyKey": "kubernetes.io/hostname",
                            "labelSelector": {"matchLabels": {"a": "b"}},
                        },
                    }
                ]
            }
        },
        "priorityClassName": "system-cluster-critical",
    },
    "imagePullSecrets": [{"name": "registry"}],
    "imagePullPolicy": "Always",
    "startupSeconds": 900,
    "terminationGracePeriodSeconds": 90,
    "podMetadata": {"labels": {"team": "shop"}, "annotations": {"example.com/a": "b"}},
    "network": {
        "egress": {
            "mode": "Custom",
            "to": [
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}},
                {"ipBlock": {"cidr": "::/0"}, "ports": [{"port": 443}]},
                {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "db"}}},
            ],
        }
    },
}
UNRESTRICTED = {"network": {"egress": {"mode": "Unrestricted"}}}
SPECS = {
    "the minimum": STDIO,
    "http": HTTP,
    "everything, stdio": STDIO | EVERYTHING,
    "everything, http": HTTP | EVERYTHING,
    "unrestricted": HTTP | UNRESTRICTED,
    "no egress": HTTP | {"network": {"egress": {"mode": "None"}}},
    "zero": STDIO | {"replicas": 0},
}
SETTINGS = ClusterSettings(
    proxyImage="registry.example/ostiary-proxy:1",
    clusterCIDRs=("203.0.113.0/24", "10.1.0.0/16", "2001:db8::/32"),
    monitoring=Monitoring(namespace="monitoring"),
)


def view() -> ServerView:
    everybody = policy(
        rule(
            {"anonymous": {}},
            accounts("a", to="All"),
            accounts("b", selector={"matchLabels": {"team": "agents"}}),
            accounts("c"),
        )
    )
    return ServerView(policies=(everybody,), namespaces={"tools": {}}, generation=1)


def rendered(kubectl: Kubectl, namespace: str, spec: dict[str, Any]) -> list[dict[str, Any]]:
    kubectl.create(
        {
            "apiVersion": "ostiary.dev/v1alpha1",
            "kind": "MCPServer",
            "metadata": {"name": "time", "namespace": namespace},
            "spec": spec,
        }
    )
    uid = kubectl.get("mcpserver", "time", namespace)["metadata"]["uid"]
    return children(owner(namespace, uid, spec), view(), SETTINGS, ENV)


def owner(namespace: str, uid: str, spec: dict[str, Any]) -> MCPServer:
    return server(spec, namespace=namespace, uid=uid)


@pytest.fixture
def restricted(crds: None, make_namespace: NamespaceFactory) -> str:
    return make_namespace(
        "children",
        labels={f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")},
    )


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_children_are_taken_without_a_warning(
    spec: dict[str, Any], kubectl: Kubectl, restricted: str
) -> None:
    manifests = rendered(kubectl, restricted, spec)

    for manifest in manifests:
        done = kubectl.run("create", "--validate=strict", "-f", "-", stdin=json.dumps(manifest))
        assert (done.returncode, done.stderr) == (0, ""), manifest["kind"]


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_pods_pass_restricted_pod_security(
    spec: dict[str, Any], kubectl: Kubectl, restricted: str
) -> None:
    deployment = rendered(kubectl, restricted, spec)[-1]
    kubectl("-n", restricted, "create", "serviceaccount", "robot")
    kubectl("-n", restricted, "create", "serviceaccount", "time-mcp")
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {**template["metadata"], "name": "time", "namespace": restricted}

    done = kubectl.run(
        "create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(pod)
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_second_apply_of_the_same_children_changes_nothing(
    kubectl: Kubectl, restricted: str
) -> None:
    manifests = rendered(kubectl, restricted, STDIO | EVERYTHING)
    apply = ("apply", "--server-side", "--field-manager=ostiary", "-o", "json", "-f", "-")

    first = [json.loads(kubectl(*apply, stdin=json.dumps(it))) for it in manifests]
    second = [json.loads(kubectl(*apply, stdin=json.dumps(it))) for it in manifests]

    # The Deployment's own controller may write its status in between.
    assert [it["metadata"].get("generation") for it in first] == [
        it["metadata"].get("generation") for it in second
    ]
    assert [it.get("spec") for it in first] == [it.get("spec") for it in second]


def test_key_objects_are_taken(kubectl: Kubectl, restricted: str) -> None:
    rendered(kubectl, restricted, STDIO)
    uid = kubectl.get("mcpserver", "time", restricted)["metadata"]["uid"]
    parent = owner(restricted, uid, STDIO)

    kubectl.create(keys.render_key_config(parent, 0, b"m" * 32))
    made = kubectl.get("configmap", "time-key-0", restricted)
    secret = keys.render_key_secret(parent, 0, b"m" * 32, config_uid=made["metadata"]["uid"])
    kubectl.create(secret)

    assert made["data"]["sha256"] == keys.hash_of(b"m" * 32)
    assert kubectl.get("secret", "time-key-0", restricted)["data"] == secret["data"]
