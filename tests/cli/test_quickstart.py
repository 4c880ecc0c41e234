"""The shipped example is what it says: the same YAML on a laptop and on a cluster."""

import pytest
from e2e.cluster.kubectl import Kubectl
from tests.cli.running import QUICKSTART

from ostiary_cli.manifests import read_folder


def test_it_is_valid_here() -> None:
    found = read_folder(QUICKSTART)

    assert not found.problems
    assert not found.notes


@pytest.mark.usefixtures("crds")
def test_it_is_valid_on_a_cluster(kubectl: Kubectl) -> None:
    done = kubectl.run("apply", "--dry-run=server", "--validate=strict", "-f", str(QUICKSTART))

    assert done.returncode == 0, done.stderr
