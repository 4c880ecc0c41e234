"""The admission policies on a real API server: what they refuse, and that they hinder no deletion.

Threat table, row 30: an operator as an escalation."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl, Refused
from e2e.cluster.plugin import NamespaceFactory
from e2e.cluster.waiting import eventually
from tests.charts.rendering import CHARTS, render

GRANTED: Final = "granted-to-tools"
ANNOTATION: Final = "ostiary.dev/config-generation"
SERVERS: Final = "mcpservers.ostiary.dev"
Patch = dict[str, Any]


@pytest.fixture(scope="module")
def installed(
    helm: Path, kubectl: Kubectl, crds: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The chart in a namespace of its own, until the policies are enforced; gives the namespace."""
    namespace = "ostiary-admission"
    grants = f"identityGrants.{GRANTED}"

    def run(*words: str) -> None:
        command = [str(helm), *words, "--kubeconfig", str(kubectl.kubeconfig), "-n", namespace]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)

    values = (f"{grants}.serviceAccounts={{notes,mail}}", f"{grants}.kubernetesToken=true")
    sets = [word for value in values for word in ("--set", value)]
    run("install", "ostiary", str(CHARTS / "ostiary"), "--create-namespace", *sets)
    kubectl("create", "namespace", GRANTED)
    try:
        yield namespace
    finally:
        kubectl("delete", "namespace", GRANTED, "--wait=false")
        run("uninstall", "ostiary", "--wait")
        kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def operator(control_plane: ControlPlane, installed: str) -> Kubectl:
    """The operator's account: by RBAC and by the policies the same as in its pod."""
    return Kubectl(
        control_plane.kubeconfig(
            f"system:serviceaccount:{installed}:ostiary-operator",
            ["system:serviceaccounts", f"system:serviceaccounts:{installed}"],
        )
    )


def someone(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str, name: str, *, pods: bool
) -> Kubectl:
    """A user who may write MCPServers in a namespace, and pods there or not."""
    rules = [{"apiGroups": ["ostiary.dev"], "resources": ["*"], "verbs": ["*"]}]
    if pods:
        rules.append({"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]})
    api = "rbac.authorization.k8s.io"
    metadata = {"name": name, "namespace": namespace}
    kubectl.apply(
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": api, "kind": "Role", "name": name},
            "subjects": [{"apiGroup": api, "kind": "User", "name": name}],
        },
    )
    return Kubectl(control_plane.kubeconfig(name))


def server(namespace: str, name: str = "time", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"image": "registry.example/time:1", "command": ["mcp-server-time"], **spec},
    }


def refusal(user: Kubectl, manifest: dict[str, Any]) -> str:
    """The API server's words; empty when it takes the manifest."""
    done = user.run("apply", "-f", "-", stdin=json.dumps(manifest))
    return done.stderr if done.returncode else ""


def enforced(user: Kubectl, manifest: dict[str, Any]) -> str:
    """The refusal, once the policies reached the API server's own cache: it takes a moment."""
    return eventually(
        lambda: refusal(user, manifest), seconds=30, what="a refusal by an admission policy"
    )


def test_the_policies_compile_without_a_warning(
    helm: Path, kubectl: Kubectl, installed: str
) -> None:
    plural = "validatingadmissionpolicies"
    names = (
        "ostiary-server-writers",
        "ostiary-server-identity",
        "ostiary-pod-status",
        "ostiary-token-users",
    )
    for name in names:
        found = kubectl.eventually(
            plural, name, lambda policy: policy.get("status", {}).get("typeChecking") is not None
        )
        assert not found["status"]["typeChecking"].get("expressionWarnings"), name
    # Without a single grant, too.
    for policy in render(helm, "ostiary"):
        if policy["kind"] == "ValidatingAdmissionPolicy":
            policy["metadata"]["name"] += "-ungranted"
            kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(policy))


def test_an_mcpserver_needs_the_right_to_create_pods(
    control_plane: ControlPlane, kubectl: Kubectl, installed: str, namespace: str
) -> None:
    writer = someone(control_plane, kubectl, namespace, "writer", pods=False)
    owner = someone(control_plane, kubectl, namespace, "owner", pods=True)

    said = enforced(writer, server(namespace, "refused"))

    assert "writer may not create pods in namespace" in said
    assert "ostiary-server-writers" in said
    assert refusal(owner, server(namespace, "taken")) == ""
    # Nor may somebody else's server be changed to another image ...
    assert "may not create pods" in refusal(
        writer, server(namespace, "taken", image="registry.example/evil:1")
    )
    # ... but what runs nothing may be changed, and a server deleted.
    writer("-n", namespace, "label", SERVERS, "taken", "team=shop")
    writer("-n", namespace, "delete", SERVERS, "taken")


@pytest.mark.parametrize(
    ("identity", "field"),
    [
        ({"serviceAccountName": "default"}, "serviceAccountName"),
        ({"kubernetesToken": True}, "kubernetesToken"),
        ({"cloudMetadata": True}, "cloudMetadata"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_identity_needs_a_grant(
    kubectl: Kubectl, installed: str, namespace: str, identity: dict[str, Any], field: str
) -> None:
    # Even the cluster's admin, who may create any pod.
    said = enforced(kubectl, server(namespace, identity=identity))

    assert f"spec.identity.{field}" in said
    assert f"identityGrants.{namespace}." in said


@pytest.mark.parametrize(
    "identity",
    [
        {},
        {"kubernetesToken": False, "cloudMetadata": False},
    ],
    ids=["empty", "spelled out"],
)
def test_no_identity_needs_no_grant(
    kubectl: Kubectl, installed: str, namespace: str, identity: dict[str, Any]
) -> None:
    enforced(kubectl, server(namespace, "canary", identity={"kubernetesToken": True}))

    assert refusal(kubectl, server(namespace, identity=identity)) == ""


def test_a_grant_gives_what_it_names_and_no_more(kubectl: Kubectl, installed: str) -> None:
    enforced(kubectl, server(GRANTED, "canary", identity={"cloudMetadata": True}))

    for account in ("notes", "mail"):
        manifest = server(
            GRANTED, identity={"serviceAccountName": account, "kubernetesToken": True}
        )
        assert refusal(kubectl, manifest) == ""
    for account in ("note", "notes2", "kubernetestoken", "notes.mail"):
        manifest = server(GRANTED, identity={"serviceAccountName": account})
        assert "is not granted" in refusal(kubectl, manifest)


def pod(kubectl: Kubectl, namespace: str) -> None:
    kubectl.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "time-0",
                "namespace": namespace,
                "labels": {"app": "time", "app.kubernetes.io/managed-by": "ostiary"},
                "annotations": {"theirs": "1"},
                "finalizers": ["example.com/theirs"],
            },
            "spec": {"containers": [{"name": "server", "image": "registry.example/time:1"}]},
        }
    )
    status = {"status": {"phase": "Running", "podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}]}}
    patch(kubectl, namespace, status)


def patch(user: Kubectl, namespace: str, change: Patch, *flags: str) -> None:
    user(
        *("-n", namespace, "patch", "pod", "time-0", "--subresource=status", "--type=merge"),
        *("-p", json.dumps(change), *flags),
    )


def refused(user: Kubectl, namespace: str, change: Patch) -> str:
    """The admission policy's words, once it is enforced."""

    def look() -> str:
        # A dry run passes admission and changes nothing.
        try:
            patch(user, namespace, change, "--dry-run=server")
        except Refused as err:
            return str(err)
        return ""

    return str(eventually(look, seconds=30, what="a refusal by the admission policy"))


@pytest.fixture
def their_pod(kubectl: Kubectl, installed: str, namespace: str) -> Iterator[str]:
    """Somebody's pod; the namespace.  There the operator may also read pods/status, which kubectl
    does before it patches."""
    pod(kubectl, namespace)
    role = ("pod-status", "--verb=get", "--resource=pods/status")
    kubectl("-n", namespace, "create", "role", *role)
    bound = ("--role=pod-status", f"--serviceaccount={installed}:ostiary-operator")
    kubectl("-n", namespace, "create", "rolebinding", "pod-status", *bound)
    yield namespace
    gone = {"metadata": {"finalizers": None}}
    kubectl("-n", namespace, "patch", "pod", "time-0", "--type=merge", "-p", json.dumps(gone))


def test_the_operator_may_write_its_one_annotation(
    kubectl: Kubectl, operator: Kubectl, their_pod: str
) -> None:
    for value in ("1", "2", None):
        patch(operator, their_pod, {"metadata": {"annotations": {ANNOTATION: value}}})

        found = kubectl.get("pod", "time-0", their_pod)
        assert found
        assert found["metadata"]["annotations"].get(ANNOTATION) == value
        assert found["status"]["podIP"] == "10.0.0.9"


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"labels": {"app": "other"}}},
        {"metadata": {"labels": {"more": "1"}}},
        {"metadata": {"labels": None}},
        {"metadata": {"annotations": {"theirs": "2"}}},
        {"metadata": {"annotations": {"theirs": None}}},
        {"metadata": {"annotations": {"more": "1"}}},
        {"metadata": {"annotations": None}},
        {"metadata": {"finalizers": None}},
        {"metadata": {"finalizers": ["example.com/theirs", "example.com/more"]}},
        {"status": {"podIP": "10.0.0.66", "podIPs": [{"ip": "10.0.0.66"}]}},
        {"status": {"phase": "Failed"}},
        {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
        {"metadata": {"annotations": {ANNOTATION: "9"}, "labels": {"app": "other"}}},
    ],
    ids=json.dumps,
)
def test_the_operator_may_change_nothing_else_of_a_pod(
    kubectl: Kubectl, operator: Kubectl, their_pod: str, change: Patch
) -> None:
    before = kubectl.get("pod", "time-0", their_pod)

    said = refused(operator, their_pod, change)

    assert "Ostiary's operator may change" in said
    with pytest.raises(Refused, match="Ostiary's operator may change"):
        patch(operator, their_pod, change)
    assert kubectl.get("pod", "time-0", their_pod) == before


def test_the_operator_may_not_even_annotate_a_pod_of_somebody_else(
    kubectl: Kubectl, operator: Kubectl, their_pod: str
) -> None:
    change: Patch = {"metadata": {"annotations": {ANNOTATION: "1"}}}
    kubectl("-n", their_pod, "label", "pod", "time-0", "app.kubernetes.io/managed-by-")

    said = refused(operator, their_pod, change)

    assert "a pod that is not its own" in said


def test_the_kubelet_and_others_are_not_concerned(kubectl: Kubectl, their_pod: str) -> None:
    patch(kubectl, their_pod, {"status": {"phase": "Failed"}})

    found = kubectl.get("pod", "time-0", their_pod)
    assert found
    assert found["status"]["phase"] == "Failed"


@pytest.mark.parametrize(
    "question",
    [
        ("get", "secrets"),
        ("list", "secrets"),
        ("patch", "secrets"),
        ("delete", "secrets"),
        ("patch", "pods"),
        ("create", "pods"),
        ("delete", "pods"),
        ("create", "pods/exec"),
        ("update", SERVERS),
        ("patch", SERVERS),
        ("delete", SERVERS),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
        ("create", "serviceaccounts/token"),
        ("impersonate", "serviceaccounts"),
        ("patch", "validatingadmissionpolicies.admissionregistration.k8s.io"),
    ],
    ids=" ".join,
)
def test_rbac_refuses_the_operator_what_it_needs_not(
    operator: Kubectl, question: tuple[str, str]
) -> None:
    verb, resource, _, subresource = (question[0], *question[1].partition("/"))

    answer = operator.run("auth", "can-i", verb, resource, f"--subresource={subresource}", "-A")

    assert answer.stdout.strip() == "no"


@pytest.mark.parametrize("cascade", ["foreground", "background", "orphan"])
def test_a_deletion_is_not_hindered(
    kubectl: Kubectl, installed: str, namespace: str, cascade: str
) -> None:
    enforced(kubectl, server(namespace, "canary", identity={"kubernetesToken": True}))
    kubectl.create(server(namespace))
    owner = kubectl.get(SERVERS, "time", namespace)
    assert owner
    kubectl.create(child_of(owner, namespace))

    kubectl("-n", namespace, "delete", SERVERS, "time", f"--cascade={cascade}", "--timeout=60s")

    assert kubectl.get(SERVERS, "time", namespace) is None
    if cascade != "orphan":
        kubectl.eventually("configmap", "child", lambda found: found is None, namespace=namespace)


def child_of(owner: dict[str, Any], namespace: str) -> dict[str, Any]:
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {"name": "child", "namespace": namespace, "ownerReferences": [reference]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def test_a_namespaces_deletion_is_not_hindered(
    kubectl: Kubectl, installed: str, make_namespace: NamespaceFactory
) -> None:
    doomed = make_namespace("doomed")
    enforced(kubectl, server(doomed, "canary", identity={"kubernetesToken": True}))
    kubectl.create(server(doomed))
    held = {"metadata": {"finalizers": ["example.com/slow"]}}
    kubectl("-n", doomed, "patch", SERVERS, "time", "--type=merge", "-p", json.dumps(held))

    kubectl("delete", "namespace", doomed, "--wait=false")
    kubectl.eventually(
        SERVERS, "time", lambda it: it["metadata"].get("deletionTimestamp"), namespace=doomed
    )
    # Whoever cleans up removes a finalizer: a change of metadata on an object that is on its way.
    free = {"metadata": {"finalizers": None}}
    kubectl("-n", doomed, "patch", SERVERS, "time", "--type=merge", "-p", json.dumps(free))

    kubectl.eventually("namespace", doomed, lambda found: found is None, seconds=90)


TOKENS: Final = "mcpaccesstokens.ostiary.dev"


def token(namespace: str, name: str = "mine", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": "MCPAccessToken",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "sha256": "a" * 64,
            "expirationTime": "2027-01-01T00:00:00Z",
            "restrictTo": [{"kind": "MCPServer", "namespace": namespace, "name": "time"}],
            **spec,
        },
    }


def test_a_personal_token_is_made_by_its_user_alone(
    control_plane: ControlPlane, kubectl: Kubectl, installed: str, namespace: str
) -> None:
    """Even the cluster's admin cannot make one for somebody else."""
    alice = someone(control_plane, kubectl, namespace, "alice", pods=False)

    for other in (kubectl, someone(control_plane, kubectl, namespace, "mallory", pods=False)):
        said = enforced(other, token(namespace, "stolen", user="alice"))
        assert "may not make a personal token of alice" in said
        assert "ostiary-token-users" in said
    assert refusal(alice, token(namespace, user="alice")) == ""
    assert "may not make a personal token of bob" in refusal(
        alice, token(namespace, "bobs", user="bob")
    )
    assert refusal(alice, token(namespace, "account")) == ""
    assert refusal(alice, token(namespace, "spelled-out", user="")) == ""
    # Others may label it, and take it away.
    kubectl("-n", namespace, "label", TOKENS, "mine", "team=shop")


@pytest.mark.parametrize("cascade", ["foreground", "background", "orphan"])
def test_the_deletion_of_somebodys_token_is_not_hindered(
    control_plane: ControlPlane, kubectl: Kubectl, installed: str, namespace: str, cascade: str
) -> None:
    alice = someone(control_plane, kubectl, namespace, "alice", pods=False)
    enforced(kubectl, token(namespace, "canary", user="alice"))
    alice.create(token(namespace, user="alice"))

    kubectl("-n", namespace, "delete", TOKENS, "mine", f"--cascade={cascade}", "--timeout=60s")

    assert kubectl.get(TOKENS, "mine", namespace) is None
