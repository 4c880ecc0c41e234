"""Every manifest of the cookbook on a real API server, beside a real operator.

Two things are not in the page: the settings' issuer, and the namespace that may hold ceilings.  So
a policy that needs either says that it is missing; each other one is accepted whole."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from tests.cli.access.cookbook import RECIPES, Recipe
from tests.operator_api.installed import Running

POLICIES, TOKENS = "mcpaccesspolicies.ostiary.dev", "mcpaccesstokens.ostiary.dev"


@pytest.fixture
def applied(kubectl: Kubectl, request: pytest.FixtureRequest) -> Iterator[Recipe]:
    """A recipe in force; its namespaces go again, without waiting for that."""
    recipe: Recipe = request.param
    kubectl.apply(recipe.yaml)
    yield recipe
    names = [it["metadata"]["name"] for it in recipe.documents if it["kind"] == "Namespace"]
    kubectl("delete", "namespace", *names, "--wait=false")


def expected(policy: dict[str, Any]) -> str:
    if policy["spec"].get("scope") == "Cluster":
        return "NeedsClusterScope"
    entries = [it for rule in policy["spec"].get("rules", ()) for it in rule["from"]]
    return "IssuerNotConfigured" if any("oidc" in it for it in entries) else "Accepted"


def of(found: Any, kind: str, generation: Any) -> str:
    conditions = ((found or {}).get("status") or {}).get("conditions", [])
    return next(
        (
            it["reason"]
            for it in conditions
            if it["type"] == kind and it.get("observedGeneration") == generation
        ),
        "",
    )


@pytest.mark.parametrize("applied", RECIPES, ids=lambda it: it.title, indirect=True)
def test_its_manifests_are_taken_and_mean_something(
    control_plane: ControlPlane, kubectl: Kubectl, operator: Running, applied: Recipe
) -> None:
    for command in applied.commands:
        ostiary(control_plane.admin_kubeconfig, *command)
    for it in applied.documents:
        name, namespace = it["metadata"]["name"], it["metadata"].get("namespace", "")
        if it["kind"] == "MCPAccessPolicy":
            wanted = expected(it)
            kubectl.eventually(
                POLICIES,
                name,
                lambda found, wanted=wanted: of(found, "Accepted", 1) == wanted,
                namespace=namespace,
            )
        elif it["kind"] == "MCPServer":
            document = kubectl.eventually(
                "configmap", f"{name}-proxy", lambda found: found is not None, namespace=namespace
            )
            assert f'"name":"{name}"' in document["data"]["config.json"]
    for command in applied.commands:
        # ostiary token create NAME -n NAMESPACE ...
        kubectl.eventually(
            TOKENS,
            command[2],
            lambda found: of(found, "Accepted", 1) == "Accepted",
            namespace=command[4],
        )


def ostiary(kubeconfig: Path, *words: str) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": path}
    command = [sys.executable, "-m", "ostiary_cli", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
