"""Policies: what they select, what is missing, and what an invalid one does not grant."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from e2e.cluster.kubectl import Kubectl, Refused
from e2e.cluster.waiting import eventually
from tests.operator_api.manifests import Manifest, condition, policy, says, server

pytestmark = pytest.mark.usefixtures("operator")

CRD = "mcpaccesspolicies.ostiary.dev"
ALLOW = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/rules/items/properties"


def granting(kubectl: Kubectl, namespace: str, name: str) -> list[str]:
    """Policies in the document of one server."""
    found = kubectl.get("configmap", f"{name}-proxy", namespace)
    if not found:
        return []
    document = json.loads(found["data"]["config.json"])
    return [it["name"] for it in document["servers"][0].get("policies", ())]


def told(kubectl: Kubectl, namespace: str, name: str, kind: str, reason: str) -> Any:
    return kubectl.eventually(
        "mcpaccesspolicy", name, lambda it: says(it, kind, reason), namespace=namespace
    )


def naming(namespace: str, name: str, *servers: str) -> Manifest:
    refs = [{"kind": "MCPServer", "name": it} for it in servers]
    made = policy(namespace, name, targetRefs=refs)
    del made["spec"]["selector"]
    return made


def labelled(namespace: str, name: str, **labels: str) -> Manifest:
    made = server(namespace, name)
    made["metadata"]["labels"] = labels
    return made


def test_a_policy_reaches_the_servers_that_it_selects_and_no_other(
    kubectl: Kubectl, namespace: str
) -> None:
    kubectl.apply(
        policy(namespace, "by-label", selector={"matchLabels": {"tier": "internal"}}),
        naming(namespace, "by-name", "two"),
        labelled(namespace, "one", tier="internal"),
        labelled(namespace, "two", tier="public"),
    )

    eventually(lambda: granting(kubectl, namespace, "one") == ["by-label"], what="by label")
    eventually(lambda: granting(kubectl, namespace, "two") == ["by-name"], what="by name")
    assert [it["ref"] for it in targets(kubectl, namespace, "by-label")] == ["MCPServer/one"]

    kubectl("-n", namespace, "label", "mcpserver", "two", "tier=internal", "--overwrite")
    kubectl("-n", namespace, "label", "mcpserver", "one", "tier-")

    eventually(lambda: granting(kubectl, namespace, "two") == ["by-label", "by-name"], what="both")
    eventually(lambda: granting(kubectl, namespace, "one") == [], what="none any more")
    eventually(
        lambda: [it["ref"] for it in targets(kubectl, namespace, "by-label")] == ["MCPServer/two"],
        what="the targets in the status",
    )


def targets(kubectl: Kubectl, namespace: str, name: str) -> list[Any]:
    found = kubectl.get("mcpaccesspolicy", name, namespace)
    return list((found or {}).get("status", {}).get("targets", ()))


def test_a_missing_target_is_said_and_the_others_are_covered(
    kubectl: Kubectl, namespace: str
) -> None:
    kubectl.apply(server(namespace, "here"), naming(namespace, "some", "here", "gone"))

    found = told(kubectl, namespace, "some", "Accepted", "TargetNotFound")
    assert "MCPServer gone" in condition(found, "Accepted")["message"]
    assert says(found, "Ready", "RefsNotResolved")
    eventually(lambda: granting(kubectl, namespace, "here") == ["some"], what="the other covered")

    kubectl.apply(server(namespace, "gone"))
    told(kubectl, namespace, "some", "Accepted", "Accepted")

    kubectl("-n", namespace, "delete", "mcpserver", "here")
    found = told(kubectl, namespace, "some", "Accepted", "TargetNotFound")
    assert "MCPServer here" in condition(found, "Accepted")["message"]


@pytest.fixture
def older_rules(kubectl: Kubectl, crds: None) -> Iterator[None]:
    """The CRD as it was before it knew a rule: objects of that time may still be there."""
    before = kubectl.json("get", "crd", CRD)
    path = f"{ALLOW}/allow/x-kubernetes-validations"
    without = json.dumps([{"op": "remove", "path": path}])
    kubectl("patch", "crd", CRD, "--type=json", "-p", without)
    yield
    restored = {"spec": before["spec"]}
    kubectl("patch", "crd", CRD, "--type=merge", "-p", json.dumps(restored))


def accepted(kubectl: Kubectl, manifest: Manifest) -> bool:
    """The API server takes a new schema into use a moment after it was written."""
    try:
        kubectl.apply(manifest)
    except Refused:
        return False
    return True


def test_an_invalid_rule_grants_nothing_while_the_others_and_every_deny_stand(
    kubectl: Kubectl, namespace: str, older_rules: None
) -> None:
    who = [{"serviceAccounts": {"names": ["planner"]}}]
    rules = [
        {"name": "broken", "from": who, "allow": {}},
        {"name": "good", "from": who, "allow": {"tools": ["get_*"]}},
    ]
    half = policy(namespace, "half", rules=rules, deny=[{"tools": ["drop_*"]}])
    whole = policy(namespace, "whole", rules=rules[:1])
    kubectl.apply(server(namespace))
    eventually(lambda: accepted(kubectl, half), what="an object of that time")
    eventually(lambda: accepted(kubectl, whole), what="another")

    for name in ("half", "whole"):
        found = told(kubectl, namespace, name, "Accepted", "Invalid")
        message = condition(found, "Accepted")["message"]
        assert "spec.rules[0].allow" in message
        assert "say what is allowed" in message
        assert says(found, "Stalled", "InvalidSpec")

    eventually(lambda: granting(kubectl, namespace, "time") == ["half"], what="what stands")
    text = kubectl.json("-n", namespace, "get", "configmap", "time-proxy")["data"]["config.json"]
    (compiled,) = json.loads(text)["servers"][0]["policies"]
    assert [it["name"] for it in compiled["rules"]] == ["good"]
    assert [it["tools"] for it in compiled["deny"]] == [["drop_*"]]
    kubectl.eventually(
        "mcpserver", "time", lambda it: it["status"].get("callers") == 1, namespace=namespace
    )


def test_what_only_the_operator_can_see_is_wrong_is_a_condition(
    kubectl: Kubectl, namespace: str
) -> None:
    who = [{"serviceAccounts": {"names": ["planner"]}}]
    every = {"tools": ["*"]}
    good = {"name": "good", "from": who, "allow": every, "when": "args.n < 3"}
    bad = {"name": "bad", "from": who, "allow": every, "when": "args.n < nothing"}
    people = {"name": "people", "from": [{"oidc": {"issuer": "https://id.example"}}]}
    top = policy(namespace, "top", scope="Cluster", namespaces={"from": "All"})
    del top["spec"]["selector"]
    kubectl.apply(
        server(namespace),
        policy(namespace, "expression", rules=[good, bad]),
        policy(namespace, "issuer", rules=[people | {"allow": every}]),
        top,
    )

    found = told(kubectl, namespace, "expression", "Accepted", "Invalid")
    assert "spec.rules[1].when: character 10" in condition(found, "Accepted")["message"]
    told(kubectl, namespace, "issuer", "Accepted", "IssuerNotConfigured")
    told(kubectl, namespace, "top", "Accepted", "NeedsClusterScope")
    eventually(
        lambda: granting(kubectl, namespace, "time") == ["expression", "issuer"], what="the others"
    )
    text = kubectl.json("-n", namespace, "get", "configmap", "time-proxy")["data"]["config.json"]
    compiled = json.loads(text)["servers"][0]["policies"][0]["rules"]
    assert [it["when"] for it in compiled] == ["args.n < 3"]
