"""pytest fixtures of a real API server.  Load it with `-p e2e.cluster.plugin`.

`control_plane` is one etcd, API server and controller manager for the whole
session, started at first use.  `OSTIARY_TEST_CLUSTER=1` with `KUBECONFIG` runs
the same tests on a cluster that is there already.

A test that cannot run here is never passed over in silence: in CI it fails,
elsewhere the summary ends with a NOT RUN line for it."""

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.existing import ExistingCluster
from e2e.cluster.kubectl import Kubectl, crd_manifests, namespace_manifest
from e2e.cluster.paths import ROOT, Broken, Unavailable
from e2e.cluster.programs import CONTROL_PLANE, program, programs

NOT_RUN: Final = "not run"
"""A property of a report, since tests may run in processes of their own."""
NamespaceFactory = Callable[..., str]


def prepare(session: pytest.Session, fixture: str, build: Callable[[], object]) -> None:
    """What takes minutes the first time, done before any test's own clock runs.

    Failures are told by the fixture itself, for each test that asks for it."""
    if not any(fixture in getattr(item, "fixturenames", ()) for item in session.items):
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), contextlib.suppress(Unavailable, Broken):
        build()


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    if os.environ.get("OSTIARY_TEST_CLUSTER") != "1":
        prepare(session, "control_plane", lambda: programs(CONTROL_PLANE))
    prepare(session, "helm", lambda: program("helm"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    """An Unavailable that a test or a fixture runs into means: not run, and why."""
    outcome: Any = yield
    report = outcome.get_result()
    if call.excinfo is None or not call.excinfo.errisinstance(Unavailable):
        return
    reason = str(call.excinfo.value)
    if os.environ.get("CI"):
        report.longrepr = f"cannot run here, and CI must run everything: {reason}"
        return
    report.user_properties.append((NOT_RUN, f"{item.nodeid}: {reason}"))
    report.outcome = "skipped"
    report.longrepr = (str(item.path), 0, f"Skipped: {reason}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    missing = [
        line
        for report in terminalreporter.stats.get("skipped", ())
        for name, line in report.user_properties
        if name == NOT_RUN
    ]
    if not missing:
        return
    terminalreporter.section(f"NOT RUN: {len(missing)} tests", sep="!", red=True, bold=True)
    for line in dict.fromkeys(missing):
        terminalreporter.write_line(f"NOT RUN: {line}", red=True)


@pytest.fixture(scope="session")
def control_plane(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ControlPlane | ExistingCluster]:
    if os.environ.get("OSTIARY_TEST_CLUSTER") == "1":
        kubeconfig = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
        yield ExistingCluster(tmp_path_factory.mktemp("cluster"), kubeconfig=kubeconfig)
        return
    plane = ControlPlane(tmp_path_factory.mktemp("api"), die_with_us=True)
    try:
        yield plane.start()
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def kubectl(control_plane: ControlPlane | ExistingCluster) -> Kubectl:
    """kubectl as the cluster's admin."""
    return Kubectl(control_plane.admin_kubeconfig)


@pytest.fixture(scope="session")
def helm() -> Path:
    """The path of a helm binary."""
    return program("helm")


@pytest.fixture(scope="session")
def crds(kubectl: Kubectl) -> None:
    """Our CRDs, established."""
    manifests = crd_manifests(ROOT / "crds")
    assert manifests, "crds/ is empty: `make crds`"
    for text in manifests:
        kubectl.apply(text, server_side=True)
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(ROOT / "crds"))


@pytest.fixture
def make_namespace(kubectl: Kubectl) -> Iterator[NamespaceFactory]:
    """`make_namespace("agents", labels={...})`: a new namespace with a name of its own."""
    with _namespaces(kubectl) as make:
        yield make


@pytest.fixture(scope="module")
def make_shared_namespace(kubectl: Kubectl) -> Iterator[NamespaceFactory]:
    """The same, for what all tests of a file look at."""
    with _namespaces(kubectl) as make:
        yield make


@contextlib.contextmanager
def _namespaces(kubectl: Kubectl) -> Iterator[NamespaceFactory]:
    made: list[str] = []

    def make(prefix: str = "t", *, labels: dict[str, str] | None = None) -> str:
        name = f"{prefix}-{uuid.uuid4().hex[:8]}"
        kubectl.create(namespace_manifest(name, labels or {}))
        made.append(name)
        kubectl.eventually("sa", "default", bool, namespace=name, seconds=90)
        return name

    yield make
    if made:
        kubectl("delete", "ns", "--wait=false", "--ignore-not-found", *made)


@pytest.fixture
def namespace(make_namespace: NamespaceFactory) -> str:
    return make_namespace()
