"""nginx, installed where it is missing."""

import pytest
from e2e.cluster.packages import EDGE, install_missing


@pytest.fixture(scope="session")
def nginx() -> None:
    install_missing(EDGE)
