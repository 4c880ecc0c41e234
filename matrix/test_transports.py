"""The matrix of eras over the transports that are no more: servers of HTTP+SSE and WebSocket.

The tests of test_bridge; HTTP+SSE is 2024-11-05's, so that its servers are of that era alone.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from matrix.plan import OLD_WAYS, Era
from matrix.standing import standing
from tests.proxy import test_bridge
from tests.proxy.conditions import until
from tests.proxy.peers.features import Features
from tests.proxy.rig import rig, served
from tests.proxy.test_bridge import ALL, Cell

from ostiary_proxy import config

pytestmark = test_bridge.pytestmark

globals().update({name: it for name, it in vars(test_bridge).items() if name.startswith("test_")})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cells = [pytest.param(cell, id="-".join(cell)) for cell in OLD_WAYS]
    metafunc.parametrize("cell", cells, indirect=True, scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cell(request: pytest.FixtureRequest) -> AsyncIterator[Cell]:
    async with standing(_opened(*request.param)) as made:
        yield made


@asynccontextmanager
async def _opened(client: Era, server: Era, way: str) -> AsyncIterator[Cell]:
    async with _backend(server, way) as backend, rig(backend, policies=(ALL,)) as made:
        await until(lambda: made.report.state == "Ready", 120.0)
        yield Cell(client, server, made)


@asynccontextmanager
async def _backend(server: Era, way: str) -> AsyncIterator[config.Backend]:
    if way == "sse":
        async with served(Features().sse(server)) as port:
            yield config.SseBackend(port=port)
    else:
        async with Features().websocket(server) as port:
            yield config.WebSocketBackend(port=port)
