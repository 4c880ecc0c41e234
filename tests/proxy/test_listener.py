"""A port of ours: real sockets, a date, and a way to stop accepting without ending a call."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.proxy.conditions import until
from tests.proxy.wire import Wire, ask

from ostiary_proxy.asgi import Application, Receive, Scope, Send
from ostiary_proxy.limits import LimitedProtocol
from ostiary_proxy.listener import Listener, bind


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


class Slow:
    """Answers only when told."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        await self.go.wait()
        await hello(scope, receive, send)


@asynccontextmanager
async def listening(app: Application, host: str = "127.0.0.1") -> AsyncIterator[Listener]:
    listener = Listener(app, bind(host, 0), protocol=LimitedProtocol)
    await listener.start()
    yield listener
    await listener.close()


async def test_answers_bear_a_date_and_do_not_name_the_server() -> None:
    async with listening(hello) as listener:
        answer = await ask(listener.port, "GET", "/")

    assert answer.body == b"hello"
    assert answer.headers["date"].endswith("GMT")
    assert "server" not in answer.headers


async def test_the_open_call_is_finished_when_no_more_are_accepted() -> None:
    slow = Slow()
    async with (
        listening(slow) as listener,
        Wire(listener.port) as busy,
        Wire(listener.port) as idle,
    ):
        busy.send("GET", "/")
        await until(lambda: slow.asked == 1)

        listener.stop_accepting()

        assert await idle.ended()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", listener.port)
        slow.go.set()
        answer = await busy.receive()
        assert answer.body == b"hello"
        assert answer.headers["connection"] == "close"
        assert await busy.ended()
    assert not listener.open


async def test_closing_ends_what_will_not_end_by_itself() -> None:
    slow = Slow()
    async with listening(slow) as listener, Wire(listener.port) as busy:
        busy.send("GET", "/")
        await until(lambda: slow.asked == 1)

        await listener.close()

        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await busy.receive()


async def test_no_host_means_every_address_on_one_port() -> None:
    async with listening(hello, "") as listener:
        assert (await ask(listener.port, "GET", "/")).status == 200
        if socket.has_ipv6 and len(listener._sockets) == 2:
            async with Wire(listener.port, "::1") as wire:
                assert (await wire.ask("GET", "/")).status == 200


def test_a_taken_port_is_an_error_and_leaves_no_socket() -> None:
    [taken] = bind("127.0.0.1", 0)
    with taken, pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", taken.getsockname()[1])
