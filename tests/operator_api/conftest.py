"""An API server with the chart's rights in it, and operators to start and kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from tests.operator_api.installed import Launcher, Running, install


@pytest.fixture(scope="session")
def launcher(
    control_plane: ControlPlane,
    kubectl: Kubectl,
    helm: Path,
    crds: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Launcher:
    install(helm, kubectl)
    return Launcher(control_plane, tmp_path_factory.mktemp("operators"))


@pytest.fixture
def operator(launcher: Launcher) -> Iterator[Running]:
    """One operator that runs for this test."""
    with launcher.running() as running:
        yield running
