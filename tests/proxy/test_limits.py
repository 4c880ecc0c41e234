"""Bytes on a socket: what never becomes a request.  Security rows 21 to 24."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count

import orjson
import pytest
import pytest_asyncio
from tests.proxy.conditions import PATIENCE, until
from tests.proxy.test_listener import listening

from ostiary_proxy import descriptors, limits
from ostiary_proxy.asgi import Message, Receive, Scope, Send
from ostiary_proxy.limits import LimitedProtocol
from ostiary_proxy.listener import Listener, bind
from ostiary_proxy.message import Rejection


@dataclass
class Echo:
    """Answers with the body's length, and notes what it saw."""

    def __post_init__(self) -> None:
        self.begin = asyncio.Event()
        """Bodies are asked for once it is set."""
        self.begin.set()
        self.paths: list[str] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.refused: list[Rejection] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        self.headers += scope["headers"]
        await self.begin.wait()
        size, more = 0, True
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            size += len(event.get("body", b""))
            more = event.get("more_body", False)
        body = str(size).encode()
        start: Message = {"type": "http.response.start", "status": 200}
        start["headers"] = [(b"content-length", str(len(body)).encode())]
        await send(start)
        await send({"type": "http.response.body", "body": body})

    def refused_early(self, rejection: Rejection, source: str) -> None:
        assert source == "127.0.0.1"
        self.refused.append(rejection)


@asynccontextmanager
async def dial(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024 * 1024)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


@dataclass
class Port:
    app: Echo
    port: int

    async def exchange(self, data: bytes) -> bytes:
        """Send, then read until the other side has no more to say."""
        async with dial(self.port) as (reader, writer), asyncio.timeout(PATIENCE):
            writer.write(data)
            return await reader.read()


@pytest_asyncio.fixture
async def port() -> AsyncIterator[Port]:
    app = Echo()
    listener = Listener(app, bind("127.0.0.1", 0), protocol=LimitedProtocol)
    await listener.start()
    yield Port(app, listener.port)
    await listener.close()


def post(*lines: bytes, body: bytes = b"", path: bytes = b"/mcp") -> bytes:
    head = b"\r\n".join((b"POST " + path + b" HTTP/1.1", b"Host: localhost", *lines))
    return head + b"\r\n\r\n" + body


async def test_white_space_around_a_value_is_no_part_of_it(port: Port) -> None:
    """RFC 9110, 5.5: the conformance suite sends it, and the parser keeps what follows a value."""
    await port.exchange(post(b"X-A: \t a b \t ", b"Connection: close", b"Content-Length: 0"))

    assert (b"x-a", b"a b") in port.app.headers


HOSTILE = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (post(b"Host: localhost", b"Content-Length: 0"), 400),
    "absolute target": (b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "target without host": (b"GET //evil/x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "asterisk target": (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "fragment": (b"GET /a#b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "non-ASCII target": (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "connect": (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "obsolete fold": (post(b"X-A: a\r\n b", b"Content-Length: 0"), 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
    "bare LF in a header": (b"GET / HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n", 400),
    "bare CR": (post(b"X-A: a\rb", b"Content-Length: 0"), 400),
    "NUL in a value": (post(b"X-A: a\0b", b"Content-Length: 0"), 400),
    "space before colon": (post(b"Content-Length : 0"), 400),
    "underscore": (post(b"Mcp_Session_Id: x", b"Content-Length: 0"), 400),
    "chunked and a length": (
        post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        400,
    ),
    "a length and chunked": (
        post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
        400,
    ),
    "two lengths": (post(b"Content-Length: 1", b"Content-Length: 2", body=b"ab"), 400),
    "two equal lengths": (post(b"Content-Length: 1", b"Content-Length: 1", body=b"a"), 400),
    "signed length": (post(b"Content-Length: +1", body=b"a"), 400),
    "length list": (post(b"Content-Length: 1, 1", body=b"a"), 400),
    "endless length": (post(b"Content-Length: 99999999999999999999", body=b"a"), 400),
    "gzip, chunked": (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 400),
    "chunked twice": (
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        400,
    ),
    "xchunked": (post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 400),
    "bad chunk size": (post(b"Transfer-Encoding: chunked", body=b"zz\r\n\r\n"), 400),
    "chunk with bare LF": (post(b"Transfer-Encoding: chunked", body=b"1\na\r\n0\r\n\r\n"), 400),
    "two authorizations": (
        post(b"Authorization: Bearer a", b"authorization: Bearer b", b"Content-Length: 0"),
        400,
    ),
    "two content types": (
        post(b"Content-Type: a/b", b"Content-Type: c/d", b"Content-Length: 0"),
        400,
    ),
    "two sessions": (
        post(b"Mcp-Session-Id: a", b"MCP-SESSION-ID: a", b"Content-Length: 0"),
        400,
    ),
    "two names": (post(b"Mcp-Name: a", b"Mcp-Name: b", b"Content-Length: 0"), 400),
    "two origins": (post(b"Origin: a", b"Origin: b", b"Content-Length: 0"), 400),
    "gzip body": (post(b"Content-Encoding: gzip", b"Content-Length: 0"), 415),
    "websocket": (
        b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n"
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        426,
    ),
    "65 headers": (
        post(*(b"X-%d: y" % number for number in range(63)), b"Content-Length: 0"),
        431,
    ),
    "a header of 17 KiB": (post(b"X-A: " + b"a" * 17_000, b"Content-Length: 0"), 431),
    "a header of 1 MiB without end": (post(b"X-A: " + b"a" * 1_000_000)[:-4], 431),
    "a target of 17 KiB": (post(b"Content-Length: 0", path=b"/" + b"a" * 17_000), 431),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/3.0": (b"GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", 400),
    "lower case method": (b"get / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32, 400),
}


@pytest.mark.parametrize(("data", "status"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_bad_request_is_refused_and_the_connection_closed(
    port: Port, data: bytes, status: int
) -> None:
    answer = await port.exchange(data)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert b"connection: close" in head.lower()
    assert orjson.loads(body)["error"]["code"] == -32600
    assert [rejection.status for rejection in port.app.refused] == [status]


async def test_nothing_of_a_smuggled_request_is_served(port: Port) -> None:
    hidden = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"

    await port.exchange(
        post(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + hidden)
    )

    assert "/hidden" not in port.app.paths


FINE = {
    "64 headers": post(*(b"X-%d: y" % number for number in range(62)), b"Content-Length: 0"),
    "chunked": post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
    "15 KiB of headers": post(b"X-A: " + b"a" * 15_000, b"Content-Length: 0"),
    "an offer of HTTP/2, as Java makes it": post(
        b"Connection: Upgrade, HTTP2-Settings",
        b"Upgrade: h2c",
        b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
        b"Content-Length: 5",
        body=b"hello",
    ),
    "a large body": post(b"Content-Length: 300000", body=b"x" * 300_000),
    "a query": post(b"Content-Length: 0", path=b"/mcp?a=b"),
}


@pytest.mark.parametrize("data", FINE.values(), ids=FINE.keys())
async def test_a_fine_request_passes(port: Port, data: bytes) -> None:
    answer = await port.exchange(data + post(b"Content-Length: 0", b"Connection: close"))

    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert port.app.refused == []


async def test_a_request_in_many_pieces_passes(port: Port) -> None:
    async with dial(port.port) as (reader, writer), asyncio.timeout(PATIENCE):
        for byte in post(b"Content-Length: 5", body=b"hello"):
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)

        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")


async def test_pipelined_requests_are_answered_in_order(port: Port) -> None:
    bodies = [b"x" * size for size in (3, 1, 2)]
    data = b"".join(post(b"Content-Length: %d" % len(body), body=body) for body in bodies)

    answer = await port.exchange(data + post(b"Content-Length: 0", b"Connection: close"))

    assert [part[-1:] for part in answer.split(b"HTTP/1.1 200")[1:]] == [b"3", b"1", b"2", b"0"]


async def test_more_pipelined_requests_than_allowed_end_the_connection(port: Port) -> None:
    await port.exchange(post(b"Content-Length: 0") * 100)

    assert len(port.app.paths) <= limits.PIPELINED + 2


SLOW = {
    "head": (b"POST /mcp HTTP/1.1\r\nHost: loc", "HEAD_SECONDS"),
    "second head": (
        post(b"Content-Length: 0") + b"POST /mcp HTTP/1.1\r\nHost: loc",
        "HEAD_SECONDS",
    ),
    "body": (post(b"Content-Length: 5", body=b"he"), "CHECK_SECONDS"),
    "chunked body": (post(b"Transfer-Encoding: chunked", body=b"5\r\nhe"), "CHECK_SECONDS"),
}


@pytest.mark.parametrize(("data", "setting"), SLOW.values(), ids=SLOW.keys())
async def test_what_is_never_finished_is_refused(
    port: Port, monkeypatch: pytest.MonkeyPatch, data: bytes, setting: str
) -> None:
    """Security row 23."""
    monkeypatch.setattr(limits, setting, 0.05)
    async with dial(port.port) as (reader, writer), asyncio.timeout(PATIENCE):
        writer.write(data)
        answer = await reader.read()

    assert b"HTTP/1.1 408 " in answer


async def test_a_body_that_nobody_has_asked_for_yet_is_not_late(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Expect: 100-continue`: the peer waits for our word, however long that takes."""
    monkeypatch.setattr(limits, "CHECK_SECONDS", 0.05)
    port.app.begin.clear()
    async with dial(port.port) as (reader, writer), asyncio.timeout(PATIENCE):
        writer.write(post(b"Content-Length: 2", b"Expect: 100-continue", b"Connection: close"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        port.app.begin.set()
        asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"{}")
        answer = await reader.read()

    assert asked.startswith(b"HTTP/1.1 100 ")
    assert b"HTTP/1.1 200 " in answer


async def test_a_body_that_was_asked_for_has_its_time(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHECK_SECONDS", 0.05)
    async with dial(port.port) as (reader, writer), asyncio.timeout(PATIENCE):
        writer.write(post(b"Content-Length: 2", b"Expect: 100-continue"))
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 100 ")
    assert b"HTTP/1.1 408 " in answer


async def test_a_trickling_body_is_refused_though_it_never_stops(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHECK_SECONDS", 0.05)
    async with (
        dial(port.port) as (reader, writer),
        asyncio.timeout(PATIENCE),
        asyncio.TaskGroup() as group,
    ):
        writer.write(post(b"Content-Length: 100000", body=b"x"))

        async def trickle() -> None:
            for _ in count():
                writer.write(b"x")
                await asyncio.sleep(0.005)

        task = group.create_task(trickle())
        answer = await reader.read()
        task.cancel()

    assert b"HTTP/1.1 408 " in answer


async def test_a_body_that_is_fast_enough_has_an_end_all_the_same(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Security row 23."""
    monkeypatch.setattr(limits, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(limits, "LEAST_BYTES", 0)
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.2)
    async with dial(port.port) as (reader, writer), asyncio.timeout(PATIENCE):
        writer.write(post(b"Content-Length: 100000", body=b"x"))
        answer = await reader.read()

    assert b"HTTP/1.1 408 " in answer


CHUNKED = post(b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n")


@pytest.mark.parametrize(
    "trailer",
    [b"Authorization: Bearer x\r\n\r\n", b"a:\r\n" * 200, b"X: " + b"y" * 200_000],
    ids=["a header of consequence", "many", "endless"],
)
async def test_a_trailer_is_refused_and_nothing_of_it_is_kept(port: Port, trailer: bytes) -> None:
    """Security row 21: what was checked is all that there is; before authentication, too."""
    async with dial(port.port) as (reader, writer), asyncio.timeout(PATIENCE):
        writer.write(CHUNKED + trailer)
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 4")
    assert b" 200 " not in answer


async def test_a_client_that_leaves_after_a_large_body_is_noticed() -> None:
    """protocol.md 27: uvicorn pauses reading for a large body, and would hear of nothing more."""
    gone = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        connection = scope["extensions"]["ostiary.connection"]
        connection.exchange = Leaving(gone)
        await gone.wait()

    async with listening(app) as made:
        async with dial(made.port) as (_, writer):
            size = 900_000
            writer.write(post(b"Content-Length: %d" % size, body=b"x" * size))
            await writer.drain()
        async with asyncio.timeout(PATIENCE):
            await gone.wait()


class Leaving:
    """An exchange, as far as a connection knows one."""

    def __init__(self, gone: asyncio.Event) -> None:
        self._gone = gone

    def interrupt(self, why: str) -> None:
        assert why == "gone"
        self._gone.set()


async def test_a_silent_connection_is_closed_without_a_word(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HEAD_SECONDS", 0.05)
    async with dial(port.port) as (reader, _), asyncio.timeout(PATIENCE):
        assert await reader.read() == b""

    assert port.app.refused == []


async def test_connections_beyond_the_cap_are_turned_away(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS", 1)
    async with dial(port.port) as (reader, writer), asyncio.timeout(PATIENCE):
        answer = await port.exchange(b"")
        writer.write(post(b"Content-Length: 0"))

        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in answer


async def test_idle_connections_cannot_take_the_last_descriptor(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond half of the process's files callers are told so, whatever the cap is."""
    monkeypatch.setattr(descriptors, "RESERVED", resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 2)
    async with dial(port.port), asyncio.timeout(PATIENCE):
        answer = await port.exchange(b"")

    assert answer.startswith(b"HTTP/1.1 503 ")


async def test_a_reader_that_stalls_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Security row 22."""
    monkeypatch.setattr(limits, "STALLED_SECONDS", 0.05)
    ended: list[bool] = []

    class Flood(Echo):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            connection = scope["extensions"]["ostiary.connection"]
            while not connection.transport.is_closing():
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            ended.append(True)

    listener = Listener(Flood(), bind("127.0.0.1", 0), protocol=LimitedProtocol)
    await listener.start()
    async with dial(listener.port) as (_, writer):
        writer.write(post(b"Content-Length: 0"))
        await until(lambda: ended)
    await listener.close()
