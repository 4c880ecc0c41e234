"""Children of an MCPServer on the real API server: made, kept, pruned."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.installed import Running
from tests.operator_api.manifests import condition, policy, says, server

pytestmark = pytest.mark.usefixtures("operator")

CHILDREN = [
    ("serviceaccount", "time-mcp"),
    ("configmap", "time-key-0"),
    ("secret", "time-key-0"),
    ("configmap", "time-proxy"),
    ("networkpolicy", "time"),
    ("service", "time"),
    ("service", "time-pods"),
    ("deployment", "time"),
]


def is_there(kubectl: Kubectl, namespace: str, kind: str, name: str) -> Any:
    return eventually(lambda: kubectl.get(kind, name, namespace), seconds=20, what=f"{kind} {name}")


def document(kubectl: Kubectl, namespace: str, name: str = "time-proxy") -> dict[str, Any]:
    found = kubectl.get("configmap", name, namespace)
    return json.loads(found["data"]["config.json"]) if found else {}


@pytest.fixture
def made(kubectl: Kubectl, namespace: str) -> str:
    """A namespace with the server `time` and all its children."""
    kubectl.apply(server(namespace))
    for kind, name in CHILDREN:
        is_there(kubectl, namespace, kind, name)
    return namespace


def test_everything_of_a_server_is_made_and_owned(kubectl: Kubectl, made: str) -> None:
    root = kubectl.get("mcpserver", "time", made)
    assert root

    for kind, name in CHILDREN:
        child = kubectl.get(kind, name, made)
        assert child
        (owner,) = child["metadata"]["ownerReferences"]
        assert owner["controller"]
        assert child["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "ostiary"
        if kind == "secret":
            assert (owner["kind"], owner["name"]) == ("ConfigMap", "time-key-0")
        else:
            assert owner["uid"] == root["metadata"]["uid"]


def test_the_master_matches_its_hash(kubectl: Kubectl, made: str) -> None:
    secret = kubectl.get("secret", "time-key-0", made)
    known = kubectl.get("configmap", "time-key-0", made)
    assert secret
    assert known

    master = base64.b64decode(secret["data"]["master"])

    assert len(master) == 32
    assert hashlib.sha256(master).hexdigest() == known["data"]["sha256"]
    (listed,) = document(kubectl, made)["servers"][0]["keys"]
    assert listed == {"number": 0, "sha256": known["data"]["sha256"]}


def test_the_cluster_and_its_keys_are_in_the_document(kubectl: Kubectl, made: str) -> None:
    (issuer,) = document(kubectl, made)["issuers"]

    assert issuer["issuer"] == "https://kubernetes.default.svc"
    assert [set(key) for key in issuer["keys"]] == [{"use", "kty", "kid", "alg", "n", "e"}]


def test_a_status_is_said_at_once(kubectl: Kubectl, made: str) -> None:
    found = kubectl.eventually(
        "mcpserver", "time", lambda it: says(it, "Accepted", "Accepted"), namespace=made
    )

    assert found["status"]["url"] == f"http://time.{made}.svc/mcp"
    assert found["status"]["observedGeneration"] == 1


@pytest.mark.parametrize(("kind", "name"), [CHILDREN[0], *CHILDREN[3:]], ids=lambda it: it)
def test_a_deleted_child_comes_back(kubectl: Kubectl, made: str, kind: str, name: str) -> None:
    before = is_there(kubectl, made, kind, name)

    kubectl("-n", made, "delete", kind, name)

    found = is_there(kubectl, made, kind, name)
    assert found["metadata"]["uid"] != before["metadata"]["uid"]


EDITS: list[tuple[str, str, str, Callable[[Any], Any]]] = [
    (
        "service",
        "time",
        '{"spec": {"selector": {"ostiary.dev/server": "other"}}}',
        lambda it: it["spec"]["selector"],
    ),
    ("networkpolicy", "time", '{"spec": {"ingress": [{}]}}', lambda it: it["spec"]["ingress"]),
    (
        "deployment",
        "time",
        '{"spec": {"replicas": 5}}',
        lambda it: it["spec"]["replicas"],
    ),
    (
        "deployment",
        "time",
        '{"spec": {"template": {"spec": {"serviceAccountName": "default"}}}}',
        lambda it: it["spec"]["template"]["spec"]["serviceAccountName"],
    ),
    (
        "serviceaccount",
        "time-mcp",
        '{"automountServiceAccountToken": true}',
        lambda it: it["automountServiceAccountToken"],
    ),
    (
        "configmap",
        "time-proxy",
        '{"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}}',
        lambda it: it["metadata"]["labels"].get("app.kubernetes.io/managed-by"),
    ),
    (
        "service",
        "time",
        '{"metadata": {"labels": {"ostiary.dev/server": null, '
        '"app.kubernetes.io/managed-by": null}}}',
        lambda it: it["metadata"]["labels"].get("ostiary.dev/server"),
    ),
]


@pytest.mark.parametrize(("kind", "name", "edit", "part"), EDITS)
def test_an_edited_child_is_put_right(
    kubectl: Kubectl, made: str, kind: str, name: str, edit: str, part: Callable[[Any], Any]
) -> None:
    before = part(is_there(kubectl, made, kind, name))

    changed = kubectl("-n", made, "patch", kind, name, "--type=merge", "-p", edit, "-o", "json")
    assert part(json.loads(changed)) != before

    kubectl.eventually(kind, name, lambda it: it and part(it) == before, namespace=made)


@pytest.mark.parametrize(
    "text", ["not json", '{"format": 1}', '{"generation": 4000}'], ids=["text", "empty", "number"]
)
def test_a_corrupted_document_is_written_again_under_a_higher_generation(
    kubectl: Kubectl, made: str, text: str
) -> None:
    before = document(kubectl, made)

    broken = json.dumps({"data": {"config.json": text}})
    kubectl("-n", made, "patch", "configmap", "time-proxy", "--type=merge", "-p", broken)

    def look() -> Any:
        found = kubectl.get("configmap", "time-proxy", made)
        text_now = found["data"]["config.json"] if found else ""
        return "servers" in text_now and json.loads(text_now)

    now = eventually(look, what="a document again")
    assert now["generation"] > before["generation"]
    assert {**now, "generation": 0} == {**before, "generation": 0}


def test_a_field_that_is_wanted_no_more_goes(kubectl: Kubectl, made: str) -> None:
    def environment(deployment: Any) -> list[str]:
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        return [it["name"] for it in container.get("env", ())]

    kubectl.apply(server(made, env=[{"name": "MODE", "value": "quiet"}]))
    kubectl.eventually("deployment", "time", lambda it: "MODE" in environment(it), namespace=made)

    kubectl.apply(server(made))

    kubectl.eventually(
        "deployment", "time", lambda it: "MODE" not in environment(it), namespace=made
    )


def test_a_field_of_the_first_write_goes_too(kubectl: Kubectl, namespace: str) -> None:
    kubectl.apply(server(namespace, env=[{"name": "MODE", "value": "quiet"}]))
    is_there(kubectl, namespace, "deployment", "time")

    kubectl.apply(server(namespace))

    kubectl.eventually(
        "deployment", "time", lambda it: "MODE" not in json.dumps(it["spec"]), namespace=namespace
    )


def test_what_is_wanted_no_more_is_deleted(kubectl: Kubectl, made: str) -> None:
    kubectl.apply(server(made, replicas=2))
    is_there(kubectl, made, "poddisruptionbudget", "time")

    kubectl.apply(server(made, replicas=1))

    eventually(lambda: not kubectl.get("pdb", "time", made), what="the budget gone")


def test_a_policy_before_its_server_waits_for_it(kubectl: Kubectl, namespace: str) -> None:
    ref = {"kind": "MCPServer", "name": "time"}
    early = policy(namespace, targetRefs=[ref])
    del early["spec"]["selector"]
    kubectl.apply(early)
    kubectl.eventually(
        "mcpaccesspolicy",
        "callers",
        lambda it: says(it, "Accepted", "TargetNotFound"),
        namespace=namespace,
    )

    kubectl.apply(server(namespace))

    kubectl.eventually(
        "mcpaccesspolicy",
        "callers",
        lambda it: says(it, "Accepted", "Accepted"),
        namespace=namespace,
    )
    eventually(
        lambda: document(kubectl, namespace)["servers"][0].get("policies"),
        what="the policy's rules",
    )
    kubectl.eventually(
        "mcpserver", "time", lambda it: it["status"].get("callers") == 1, namespace=namespace
    )


def test_a_policy_that_goes_takes_its_grant_along(kubectl: Kubectl, made: str) -> None:
    kubectl.apply(policy(made))
    eventually(lambda: document(kubectl, made)["servers"][0].get("policies"), what="the grant")
    before = document(kubectl, made)["generation"]

    kubectl("-n", made, "delete", "mcpaccesspolicy", "callers")

    eventually(lambda: not document(kubectl, made)["servers"][0].get("policies"), what="no grant")
    assert document(kubectl, made)["generation"] > before


def test_a_relabelled_namespace_changes_who_may_call(
    kubectl: Kubectl, made: str, make_namespace: Callable[..., str]
) -> None:
    callers = {"names": ["*"], "namespaces": {"from": "Selector"}}
    callers["namespaces"] |= {"selector": {"matchLabels": {"team": made}}}  # type: ignore[operator]
    rule = {"name": "team", "from": [{"serviceAccounts": callers}], "allow": {"tools": ["*"]}}
    kubectl.apply(policy(made, rules=[rule]))
    agents = make_namespace("agents")

    def admitted() -> list[str]:
        (found,) = document(kubectl, made)["servers"][0]["policies"]
        return list(found["rules"][0]["subjects"][0].get("namespaces", ()))

    eventually(lambda: document(kubectl, made)["servers"][0].get("policies"), what="the policy")
    assert admitted() == []

    kubectl("label", "namespace", agents, f"team={made}")
    eventually(lambda: admitted() == [agents], what="the namespace admitted")

    kubectl("label", "namespace", agents, "team-")
    eventually(lambda: admitted() == [], what="the namespace refused again")


def test_another_networkpolicy_that_widens_ours_is_named(kubectl: Kubectl, namespace: str) -> None:
    kubectl.apply(server(namespace, transport={"streamableHTTP": {"port": 8000}}))
    kubectl.eventually(
        "mcpserver",
        "time",
        lambda it: says(it, "BackendPrivate", "PolicyApplied"),
        namespace=namespace,
    )

    kubectl.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"namespace": namespace, "name": "open-all"},
            "spec": {"podSelector": {}, "ingress": [{}]},
        }
    )
    found = kubectl.eventually(
        "mcpserver", "time", lambda it: says(it, "BackendPrivate", "WidenedBy"), namespace=namespace
    )
    assert "open-all" in condition(found, "BackendPrivate")["message"]

    kubectl("-n", namespace, "delete", "networkpolicy", "open-all")
    kubectl.eventually(
        "mcpserver",
        "time",
        lambda it: says(it, "BackendPrivate", "PolicyApplied"),
        namespace=namespace,
    )


def test_the_operator_takes_part_in_no_secret(
    kubectl: Kubectl, operator: Running, made: str
) -> None:
    """What it wrote is nowhere in its log."""
    secret = kubectl.get("secret", "time-key-0", made)
    assert secret

    assert secret["data"]["master"] not in operator.logged()
