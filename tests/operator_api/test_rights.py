"""What the operator may not do, and what it says when it may not do what it must."""

from pathlib import Path

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from tests.operator_api.installed import NAMESPACE, USER, Launcher
from tests.operator_api.manifests import server

ENDS_SECONDS = 40


@pytest.fixture
def as_operator(control_plane: ControlPlane, launcher: Launcher) -> Kubectl:
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}"]
    return Kubectl(control_plane.kubeconfig(USER, groups))


def test_the_operator_can_read_no_secret(
    as_operator: Kubectl, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("-n", namespace, "create", "secret", "generic", "mine", "--from-literal=a=b")

    for words in (["get", "secret", "mine"], ["get", "secrets"], ["delete", "secret", "mine"]):
        refused = as_operator.run("-n", namespace, *words)
        assert "Forbidden" in refused.stderr


def test_the_operator_can_patch_no_pod(
    as_operator: Kubectl, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("-n", namespace, "run", "mine", "--image=example/web:1")

    refused = as_operator.run("-n", namespace, "label", "pod", "mine", "a=b")

    assert "Forbidden" in refused.stderr


def test_a_missing_kind_is_one_sentence(
    launcher: Launcher, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bare = ControlPlane(tmp_path_factory.mktemp("bare"), die_with_us=True)
    try:
        bare.start()
        with launcher.running("bare", KUBECONFIG=str(bare.admin_kubeconfig)) as running:
            code = running.process.wait(ENDS_SECONDS)
    finally:
        bare.stop()

    assert code == 1
    assert (
        "the CRD mcpservers.ostiary.dev is not installed: install the chart ostiary-crds"
        in (running.logged().splitlines()[-1])
    )


@pytest.mark.parametrize(
    ("rights", "sentence"),
    [
        ([], "customresourcedefinitions.apiextensions.k8s.io"),
        (["--verb=get", "--resource=customresourcedefinitions,configmaps"], "openid"),
    ],
    ids=["nothing", "no lists"],
)
def test_a_missing_permission_is_one_sentence(
    launcher: Launcher,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    namespace: str,
    rights: list[str],
    sentence: str,
) -> None:
    user = f"nobody-{namespace}"
    if rights:
        kubectl("create", "clusterrole", user, *rights)
        kubectl("create", "clusterrolebinding", user, f"--clusterrole={user}", f"--user={user}")
        kubectl(
            *("-n", NAMESPACE, "create", "rolebinding", user, "--role=ostiary-operator"),
            f"--user={user}",
        )

    with launcher.running("nobody", KUBECONFIG=str(control_plane.kubeconfig(user))) as running:
        code = running.process.wait(ENDS_SECONDS)

    last = running.logged().splitlines()[-1]
    assert code == 1
    assert last.startswith("ostiary-operator: a permission is missing: ")
    assert sentence in last


def test_broken_settings_are_one_sentence(
    launcher: Launcher, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    name = "broken-settings"
    text = "proxyImage: example/proxy:1\nproxyImages: typo\n"
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"namespace": NAMESPACE, "name": name},
            "data": {"settings.yaml": text},
        }
    )

    with launcher.running("broken", OSTIARY_SETTINGS_CONFIGMAP=name) as running:
        code = running.process.wait(ENDS_SECONDS)

    assert code == 1
    assert "proxyImages" in running.logged().splitlines()[-1]


def test_a_quota_that_is_used_up_is_said(
    launcher: Launcher, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("-n", namespace, "create", "quota", "none", "--hard=count/services=0")
    kubectl.apply(server(namespace))

    with launcher.running():
        found = kubectl.eventually(
            "mcpserver",
            "time",
            lambda it: any(
                c["reason"] == "QuotaExceeded" for c in it.get("status", {}).get("conditions", ())
            ),
            namespace=namespace,
        )
        assert not kubectl.get("deployment", "time", namespace)
        assert "none" in str(found["status"]["conditions"])

        kubectl("-n", namespace, "delete", "quota", "none")
        kubectl.eventually(
            "deployment", "time", lambda it: it is not None, namespace=namespace, seconds=60
        )
