"""Every manifest of the cookbook on a real API server, beside a real operator.

Two things are not in the page: the settings' issuer, and the namespace that may hold ceilings.  So
a policy that needs either says that it is missing; each other one is accepted whole."""

from collections.abc import Iterator
from typing import Any

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from tests.cli.access.cookbook import RECIPES, Recipe
from tests.operator_api.installed import Running, ostiary
from tests.operator_api.manifests import condition

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


def accepted(found: Any, reason: str) -> bool:
    """It says so of the object as it was written."""
    said = condition(found, "Accepted")
    return (said.get("reason"), said.get("observedGeneration")) == (reason, 1)


@pytest.mark.parametrize("applied", RECIPES, ids=lambda it: it.title, indirect=True)
def test_its_manifests_are_taken_and_mean_something(
    control_plane: ControlPlane, kubectl: Kubectl, operator: Running, applied: Recipe
) -> None:
    for command in applied.commands:
        done = ostiary(control_plane.admin_kubeconfig, *command)
        assert done.returncode == 0, done.stderr
    for it in applied.documents:
        name, namespace = it["metadata"]["name"], it["metadata"].get("namespace", "")
        if it["kind"] == "MCPAccessPolicy":
            wanted = expected(it)
            kubectl.eventually(
                POLICIES,
                name,
                lambda found, wanted=wanted: accepted(found, wanted),
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
            lambda found: accepted(found, "Accepted"),
            namespace=command[4],
        )
