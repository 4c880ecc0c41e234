"""Connections that leave HTTP: see also test_websocket_door, where somebody speaks on them."""

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.proxy.test_limits import Echo, Port

from ostiary_proxy.listener import Listener, bind
from ostiary_proxy.upgrade import UpgradingProtocol

ASK = b"GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"


class Offering(Echo):
    def takes_websocket(self, path: str) -> bool:
        return path == "/ws"


@pytest_asyncio.fixture
async def port() -> AsyncIterator[Port]:
    app = Offering()
    listener = Listener(app, bind("127.0.0.1", 0), protocol=UpgradingProtocol)
    await listener.start()
    yield Port(app, listener.port)
    await listener.close()


async def test_a_request_that_is_not_taken_over_is_the_connections_last(port: Port) -> None:
    answer = await port.exchange(ASK + b"\r\n" + b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")

    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer
    assert port.app.paths == ["/ws"]


async def test_only_a_get_of_an_offered_path_that_stands_alone_may_ask(port: Port) -> None:
    for ask in (
        ASK.replace(b"/ws", b"/other"),
        ASK.replace(b"GET", b"POST"),
        ASK + b"transfer-encoding: chunked\r\n",
    ):
        assert (await port.exchange(ask + b"\r\n")).startswith(b"HTTP/1.1 426 ")

    behind = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" + ASK + b"\r\n"
    assert b"HTTP/1.1 426 " in await port.exchange(behind)
    assert "/ws" not in port.app.paths
