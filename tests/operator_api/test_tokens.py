"""Access tokens on a real API server: made by the command line, shipped, revoked."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.installed import Running
from tests.operator_api.manifests import policy, says, server


def ostiary(kubeconfig: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": path}
    command = [sys.executable, "-m", "ostiary_cli", "token", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def hashes(kubectl: Kubectl, namespace: str, name: str) -> list[str]:
    found = kubectl.get("configmap", f"{name}-proxy", namespace)
    document = json.loads(found["data"]["config.json"]) if found else {"servers": [{"tokens": []}]}
    return [it["sha256"] for it in document["servers"][0].get("tokens", ())]


def naming(namespace: str, name: str, **entry: Any) -> dict[str, Any]:
    rule = {"name": "r", "from": [entry], "allow": {"tools": ["*"]}}
    return policy(namespace, name, rules=[rule])


def test_a_token_is_shipped_where_it_opens_and_taken_back(
    control_plane: ControlPlane, kubectl: Kubectl, operator: Running, namespace: str
) -> None:
    admin = control_plane.admin_kubeconfig
    kubectl.apply(
        server(namespace, "time"),
        server(namespace, "notes"),
        naming(namespace, "ci", tokens={"names": ["ci"]}),
    )

    done = ostiary(admin, "create", "ci", "--for", "time", "-n", namespace, "--expires", "1d")

    assert done.returncode == 0, done.stderr
    secret = done.stdout.strip()
    digest = sha256(secret.encode()).hexdigest()
    eventually(lambda: hashes(kubectl, namespace, "time") == [digest], what="the hash")
    assert hashes(kubectl, namespace, "notes") == []
    kubectl.eventually(
        "mcpaccesstoken", "ci", lambda it: says(it, "Accepted", "Accepted"), namespace=namespace
    )
    listing = ostiary(admin, "list", "-n", namespace)
    assert listing.stdout.splitlines()[1].split()[:4] == [namespace, "ci", "-", f"{namespace}/time"]

    done = ostiary(admin, "revoke", "ci", "-n", namespace)

    assert done.returncode == 0, done.stderr
    eventually(lambda: hashes(kubectl, namespace, "time") == [], what="nothing any more")
    # Hash-only storage: in no object of the namespace, and in no word of the operator.
    everything = kubectl(
        "-n", namespace, "get", "all,cm,events,mcpservers,mcpaccesstokens", "-o", "json"
    )
    assert secret not in everything
    assert secret not in operator.logged()
    assert digest not in operator.logged()


def test_of_two_with_one_hash_the_older_keeps_it_and_the_other_follows(
    kubectl: Kubectl, operator: Running, namespace: str
) -> None:
    def twin(name: str, target: str) -> dict[str, Any]:
        return {
            "apiVersion": "ostiary.dev/v1alpha1",
            "kind": "MCPAccessToken",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "sha256": "c" * 64,
                "expirationTime": "2027-01-01T00:00:00Z",
                "restrictTo": [{"kind": "MCPServer", "namespace": namespace, "name": target}],
            },
        }

    kubectl.apply(
        server(namespace, "time"),
        server(namespace, "notes"),
        naming(namespace, "all", tokens={"names": ["*"]}),
        twin("a", "time"),
    )
    eventually(lambda: hashes(kubectl, namespace, "time") == ["c" * 64], what="the first")
    kubectl.apply(twin("b", "notes"))
    kubectl.eventually(
        "mcpaccesstoken",
        "b",
        lambda it: says(it, "Accepted", "DuplicateToken"),
        namespace=namespace,
    )
    assert hashes(kubectl, namespace, "notes") == []

    kubectl("-n", namespace, "delete", "mcpaccesstoken", "a")

    eventually(lambda: hashes(kubectl, namespace, "notes") == ["c" * 64], what="the second")
    assert hashes(kubectl, namespace, "time") == []


def user(control_plane: ControlPlane, kubectl: Kubectl, namespace: str, name: str) -> Path:
    """Somebody who may write tokens in a namespace."""
    api = "rbac.authorization.k8s.io"
    metadata = {"name": name.partition("@")[0], "namespace": namespace}
    rules = [{"apiGroups": ["ostiary.dev"], "resources": ["mcpaccesstokens"], "verbs": ["*"]}]
    kubectl.apply(
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": api, "kind": "Role", "name": metadata["name"]},
            "subjects": [{"apiGroup": api, "kind": "User", "name": name}],
        },
    )
    return control_plane.kubeconfig(name, ["system:authenticated"])


@pytest.mark.usefixtures("operator")
def test_a_personal_token_is_made_by_its_user_alone(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    alice = user(control_plane, kubectl, namespace, "alice@example.com")
    mallory = user(control_plane, kubectl, namespace, "mallory@example.com")
    kubectl.apply(
        server(namespace, "time"),
        naming(namespace, "people", users={"names": ["alice@example.com"]}),
    )
    words = ("--for", "time", "-n", namespace)

    refused = ostiary(mallory, "create", "hers", "--user", "alice@example.com", *words)
    done = ostiary(alice, "create", "mine", "--personal", *words)

    assert refused.returncode == 3
    assert "may not make a personal token of alice@example.com" in refused.stderr
    assert refused.stdout == ""
    assert done.returncode == 0, done.stderr
    digest = sha256(done.stdout.strip().encode()).hexdigest()
    eventually(lambda: hashes(kubectl, namespace, "time") == [digest], what="her hash")
    found = kubectl.get("mcpaccesstoken", "mine", namespace)
    assert found
    assert found["spec"]["user"] == "alice@example.com"


@pytest.mark.usefixtures("operator")
def test_a_token_for_more_than_a_year_is_told_so(kubectl: Kubectl, namespace: str) -> None:
    kubectl.apply(
        {
            "apiVersion": "ostiary.dev/v1alpha1",
            "kind": "MCPAccessToken",
            "metadata": {"name": "long", "namespace": namespace},
            "spec": {
                "sha256": "d" * 64,
                "expirationTime": "2099-01-01T00:00:00Z",
                "restrictTo": [{"kind": "MCPServer", "namespace": namespace, "name": "*"}],
            },
        }
    )

    kubectl.eventually(
        "mcpaccesstoken", "long", lambda it: says(it, "Accepted", "Invalid"), namespace=namespace
    )
