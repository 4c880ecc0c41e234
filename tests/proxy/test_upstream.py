"""Kept connections to a backend, and what a dying one means."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.proxy.conditions import PATIENCE, until

from ostiary_proxy import upstream
from ostiary_proxy.pool import Pool
from ostiary_proxy.upstream import BrokenError, SilentError, UnreachableError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ASK = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


class Server:
    """Answers each request with the next of its bytes; None: closes without a word."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.requests = 0
        self.connections = 0
        self.open = 0
        self.after: Callable[[asyncio.StreamWriter], None] = lambda writer: None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                answer = self.answers.pop(0) if self.answers else OK
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
                self.after(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def pool_for(server: Server, unix: Path | None = None) -> AsyncIterator[Pool]:
    if unix is None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        pool = Pool(port=listening.sockets[0].getsockname()[1])
    else:
        listening = await asyncio.start_unix_server(server.serve, str(unix))
        pool = Pool(unix=str(unix))
    try:
        yield pool
    finally:
        pool.close()
        listening.close()
        await until(lambda: server.open == 0)


async def ask(pool: Pool, *, safe: bool = False) -> bytes:
    connection = await pool.request(ASK, safe=safe, seconds=PATIENCE)
    try:
        parts = []
        while (chunk := await connection.chunk(PATIENCE)) is not None:
            parts.append(chunk)
        return b"".join(parts)
    finally:
        pool.give_back(connection)


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
async def test_a_connection_is_kept(tmp_path: Path, unix: bool) -> None:
    server = Server()
    async with pool_for(server, tmp_path / "s" if unix else None) as pool:
        answers = [await ask(pool) for _ in range(5)]

    assert answers == [b"ok"] * 5
    assert (server.requests, server.connections, pool.opened) == (5, 1, 1)


FRAMINGS = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
    "after 100": b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    "after 103": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
}


@pytest.mark.parametrize("answer", FRAMINGS.values(), ids=FRAMINGS.keys())
async def test_an_answer_is_read_however_it_is_framed(answer: bytes) -> None:
    async with pool_for(Server(answer)) as pool:
        assert [await ask(pool), await ask(pool)] == [b"ok", b"ok"]
        assert pool.opened == 1


async def test_a_connection_that_wants_to_close_is_not_kept() -> None:
    async with pool_for(Server(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))) as pool:
        assert [await ask(pool), await ask(pool)] == [b"ok", b"ok"]
        assert pool.opened == 2


async def test_an_answer_without_length_ends_with_its_connection() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\n\r\nok")
    server.after = lambda writer: writer.close()
    async with pool_for(server) as pool:
        assert await ask(pool) == b"ok"


async def test_bytes_that_nobody_asked_for_never_become_an_answer() -> None:
    """A backend, or its dependency, cannot answer the next caller."""
    server = Server(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    async with pool_for(server) as pool:
        first = await ask(pool)
        second = await ask(pool, safe=True)

    assert (first, second) == (b"ok", b"ok")


async def test_a_safe_request_on_a_connection_that_had_died_is_sent_again() -> None:
    server = Server(OK, None, OK)
    async with pool_for(server) as pool:
        await ask(pool)
        assert await ask(pool, safe=True) == b"ok"
    assert server.requests == 3


async def test_an_unsafe_request_is_never_sent_twice() -> None:
    server = Server(OK, None, OK)
    async with pool_for(server) as pool:
        await ask(pool)
        with pytest.raises(BrokenError):
            await ask(pool, safe=False)
    assert server.requests == 2


async def test_nothing_is_sent_again_once_bytes_came_back() -> None:
    server = Server(OK, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    async with pool_for(server) as pool:
        await ask(pool, safe=True)
        server.after = lambda writer: writer.close()
        with pytest.raises(BrokenError):
            await ask(pool, safe=True)
    assert server.requests == 2


BROKEN = {
    "not HTTP": b"hello\r\n\r\n",
    "a lying length": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "an endless head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000,
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
async def test_an_answer_that_is_no_http_breaks_the_connection(answer: bytes) -> None:
    async with pool_for(Server(answer)) as pool:
        with pytest.raises(BrokenError):
            await ask(pool)


async def test_silence_is_told_from_death() -> None:
    async with pool_for(Server(b"HTTP/1.1 200 OK\r\n")) as pool:
        with pytest.raises(SilentError):
            await pool.request(ASK, safe=True, seconds=0.05)


async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    async with pool_for(Server()) as pool:
        pass
    with pytest.raises(UnreachableError):
        await ask(pool)
    with pytest.raises(UnreachableError):
        await pool.probe()


async def test_a_slow_reader_makes_the_backend_wait() -> None:
    size = 8 * 1024 * 1024
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    async with pool_for(Server(head + b"x" * size)) as pool:
        connection = await pool.request(ASK, safe=True, seconds=PATIENCE)
        read, most = 0, 0
        while (chunk := await connection.chunk(PATIENCE)) is not None:
            read += len(chunk)
            most = max(most, connection._buffered)
            await asyncio.sleep(0)
        pool.give_back(connection)

    assert read == size
    assert most <= upstream.BUFFERED + 512 * 1024
