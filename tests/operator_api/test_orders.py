"""Apply and delete in any order: what is there in the end depends on what was written alone."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.plugin import NamespaceFactory
from e2e.cluster.waiting import eventually
from tests.operator_api.manifests import condition, policy, server
from tests.operator_api.test_children import document
from tests.operator_api.test_deletion import children, made_since

pytestmark = pytest.mark.usefixtures("operator")

STEPS = ("server", "policy", "label")


@dataclass(frozen=True, slots=True)
class Case:
    """A server, a policy that admits a namespace by its label, and the label."""

    kubectl: Kubectl
    namespace: str
    agents: str

    def apply(self, step: str) -> None:
        """And wait until the operator has said what it makes of it."""
        match step:
            case "server":
                self.kubectl.apply(server(self.namespace))
                self._is_told("mcpserver", "time")
            case "policy":
                self.kubectl.apply(self.policy)
                self._is_told("mcpaccesspolicy", "callers")
            case "label":
                self.kubectl("label", "namespace", self.agents, f"team={self.namespace}")

    @property
    def policy(self) -> dict[str, Any]:
        selector = {"matchLabels": {"team": self.namespace}}
        accounts = {"names": ["*"], "namespaces": {"from": "Selector", "selector": selector}}
        rule = {
            "name": "team",
            "from": [{"serviceAccounts": accounts}],
            "allow": {"tools": ["get_*"]},
        }
        return policy(self.namespace, rules=[rule])

    def _is_told(self, kind: str, name: str) -> None:
        self.kubectl.eventually(
            kind, name, lambda it: condition(it, "Accepted"), namespace=self.namespace
        )

    def outcome(self) -> Any:
        """Document, wall and statuses, less all names and numbers that are the case's own."""
        root = self.kubectl.get("mcpserver", "time", self.namespace) or {}
        rules = self.kubectl.get("mcpaccesspolicy", "callers", self.namespace) or {}
        wall = self.kubectl.get("networkpolicy", "time", self.namespace) or {}
        found = document(self.kubectl, self.namespace)
        for key in found.get("servers", [{}])[0].get("keys", ()):
            key["sha256"] = "a master's"
        found = {
            "document": {**found, "generation": 0},
            "wall": wall.get("spec"),
            "server": _meaning(root),
            "policy": _meaning(rules),
        }
        return json.loads(self._anonymous(json.dumps(found), root, rules))

    def _anonymous(self, text: str, *objects: Any) -> str:
        for manifest in objects:
            if manifest:
                text = text.replace(manifest["metadata"]["uid"], f"uid of {manifest['kind']}")
        return text.replace(self.agents, "AGENTS").replace(self.namespace, "TOOLS")


def _meaning(manifest: Any) -> Any:
    """A status, less when it changed and how often the document was written."""
    status = dict(manifest.get("status", {}))
    status["conditions"] = {
        it["type"]: (it["status"], it["reason"]) for it in status.get("conditions", ())
    }
    status["targets"] = [(it["ref"], it["enforced"]) for it in status.get("targets", ())]
    return status


@pytest.fixture
def case(kubectl: Kubectl, make_namespace: NamespaceFactory) -> Case:
    return Case(kubectl, make_namespace(), make_namespace("agents"))


@pytest.fixture(scope="module")
def ordinary(kubectl: Kubectl, module_namespaces: Callable[[str], str]) -> Any:
    """What comes of it when everything is there before the server is."""
    case = Case(kubectl, module_namespaces("t"), module_namespaces("agents"))
    kubectl("label", "namespace", case.agents, f"team={case.namespace}")
    kubectl.apply(case.policy, server(case.namespace))

    def settled() -> Any:
        found = case.outcome()
        return is_settled(found) and found

    return eventually(settled, what="a policy and its server")


def is_settled(found: Any) -> bool:
    """Its pods are made by others, and counted when they are there."""
    return bool(found["policy"].get("enforced") == "0/1" and found["server"].get("replicas") == 1)


@pytest.fixture(scope="module")
def module_namespaces(kubectl: Kubectl) -> Any:
    made: list[str] = []

    def make(prefix: str) -> str:
        made.append(f"{prefix}-ordinary")
        kubectl("create", "namespace", made[-1])
        return made[-1]

    yield make
    for name in made:
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("order", list(permutations(STEPS)), ids="-".join)
def test_the_order_of_what_is_applied_does_not_matter(
    case: Case, ordinary: Any, order: tuple[str, ...]
) -> None:
    for step in order:
        case.apply(step)

    def same() -> bool:
        found = case.outcome()
        for part in ordinary:
            assert found[part] == ordinary[part], part
        return True

    eventually(same, what="the same as ever")
    (compiled,) = case.outcome()["document"]["servers"][0]["policies"]
    assert compiled["rules"][0]["subjects"][0]["namespaces"] == ["AGENTS"]
    assert case.outcome()["server"]["callers"] == 1


@pytest.mark.parametrize("order", list(permutations(STEPS)), ids="-".join)
def test_nor_does_the_order_of_what_is_taken_away(
    case: Case, order: tuple[str, ...], kubectl: Kubectl, control_plane: ControlPlane
) -> None:
    for step in STEPS:
        case.apply(step)
    eventually(lambda: case.outcome()["server"].get("callers") == 1, what="a caller admitted")
    mark = control_plane.audit.mark()

    for step in order:
        match step:
            case "server":
                kubectl("-n", case.namespace, "delete", "mcpserver", "time")
            case "policy":
                kubectl("-n", case.namespace, "delete", "mcpaccesspolicy", "callers")
            case "label":
                kubectl("label", "namespace", case.agents, "team-")

    eventually(lambda: not children(kubectl, case.namespace), seconds=60, what="nothing of ours")
    assert made_since(control_plane, mark, case.namespace) == []
