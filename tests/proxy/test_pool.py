"""What is sent again on another connection, and what never is."""

import asyncio

import pytest
from tests.proxy.conditions import PATIENCE
from tests.proxy.test_upstream import ASK, OK, Server, ask, pool_for

from ostiary_proxy import pool as pools
from ostiary_proxy.pool import Pool
from ostiary_proxy.upstream import BrokenError, NotTakenError

OFFER = ASK.replace(b"Length: 0", b"Length: 4\r\nExpect: 100-continue")
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


class Taker(Server):
    """Asks for each body with the next of its words (None: closes instead), then answers it."""

    def __init__(self, *words: bytes | None, bodies: int = 9) -> None:
        super().__init__(*words)
        self.bodies = bodies
        """How many it reads and answers before it closes on one that it has asked for."""
        self.read: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                word = self.answers.pop(0) if self.answers else GO_ON
                if word is None:
                    return
                writer.write(word)
                if word != GO_ON:
                    continue
                self.read.append(await reader.readexactly(4))
                if len(self.read) > self.bodies:
                    return
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


async def offer(pool: Pool) -> bytes | None:
    connection = await pool.request(OFFER, safe=False, seconds=PATIENCE, offered=b"body")
    try:
        return await connection.chunk(PATIENCE)
    finally:
        while await connection.chunk(PATIENCE) is not None:
            pass
        pool.give_back(connection)


async def test_an_offered_body_is_sent_when_it_is_asked_for() -> None:
    taker = Taker()
    async with pool_for(taker) as pool:
        assert [await offer(pool), await offer(pool)] == [b"ok", b"ok"]
        assert pool.opened == 1
    assert taker.read == [b"body", b"body"]


async def test_an_offer_that_nobody_took_may_be_made_elsewhere() -> None:
    taker = Taker(None)
    async with pool_for(taker) as pool:
        with pytest.raises(NotTakenError):
            await offer(pool)
    assert taker.read == []


async def test_an_offer_on_a_connection_that_was_closed_meanwhile_is_made_again() -> None:
    taker = Taker(GO_ON, None, GO_ON)
    async with pool_for(taker) as pool:
        assert [await offer(pool), await offer(pool)] == [b"ok", b"ok"]
        assert pool.opened == 2
    assert taker.read == [b"body", b"body"]


async def test_a_body_that_was_taken_is_never_sent_again() -> None:
    taker = Taker(bodies=0)
    async with pool_for(taker) as pool:
        with pytest.raises(BrokenError):
            await offer(pool)
    assert taker.read == [b"body"]


async def test_an_answer_in_place_of_the_question_keeps_the_body_and_ends_the_connection() -> None:
    taker = Taker(OK)
    async with pool_for(taker) as pool:
        assert [await offer(pool), await offer(pool)] == [b"ok", b"ok"]
        assert pool.opened == 2
    assert taker.read == [b"body"]


async def test_a_connection_idle_for_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    async with pool_for(server) as pool:
        await ask(pool)
        monkeypatch.setattr(pools, "KEPT_SECONDS", -1.0)
        await ask(pool)
    assert server.connections == 2


async def test_a_retired_pool_keeps_not_even_what_was_in_use() -> None:
    server = Server()
    async with pool_for(server) as pool:
        await ask(pool)
        pool.retire()
        await ask(pool)
        await ask(pool)
        assert pool.opened == 3
