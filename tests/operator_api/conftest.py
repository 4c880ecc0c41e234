"""An API server with the chart's rights in it, and operators to start and kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from tests.operator_api.installed import Launcher, Running, install, leads, uninstall


@pytest.fixture(scope="package")
def launcher(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    helm: Path,
    crds: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Launcher]:
    install(helm, kubectl)
    yield Launcher(control_plane, tmp_path_factory.mktemp("operators"))
    uninstall(helm, kubectl)


@pytest.fixture(scope="module")
def operator(launcher: Launcher) -> Iterator[Running]:
    """One operator that runs for the tests of a module."""
    with launcher.running() as running:
        leads(running)
        yield running
