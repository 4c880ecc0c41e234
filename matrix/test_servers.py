"""The matrix of eras with servers that are not of the Python SDK 2.x: the tests of test_bridge."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from matrix.plan import ERAS, SERVERS, TRANSPORTS, Era, Peer
from matrix.standing import standing
from tests.proxy import test_bridge
from tests.proxy.conditions import until
from tests.proxy.rig import rig
from tests.proxy.test_bridge import ALL, Cell
from tests.proxy.test_companion import free_port

from ostiary_proxy import config

pytestmark = test_bridge.pytestmark

globals().update({name: it for name, it in vars(test_bridge).items() if name.startswith("test_")})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    feature = metafunc.function.__name__.removeprefix("test_")
    cells = [
        pytest.param((client, server, transport), id=f"{client}-{server.name}-{transport}")
        for transport in TRANSPORTS
        for server in SERVERS
        for client in ERAS
        if feature in server.features
    ]
    metafunc.parametrize("cell", cells, indirect=True, scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cell(request: pytest.FixtureRequest) -> AsyncIterator[Cell]:
    client, server, transport = request.param
    async with standing(_opened(client, server, transport)) as made:
        yield made


@asynccontextmanager
async def _opened(client: Era, server: Peer, transport: str) -> AsyncIterator[Cell]:
    backend: config.Backend
    if transport == "http":
        port = free_port()
        command = (*server.command, "http", str(port))
        backend = config.HttpBackend(port=port, command=command, protocol=server.pinned)
    else:
        backend = config.StdioBackend(command=(*server.command, "stdio"), protocol=server.pinned)
    async with rig(backend, policies=(ALL,)) as made:
        await until(lambda: made.report.state == "Ready", 120.0)
        yield Cell(client, server.era, made)
