"""Answers over HTTP as messages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from tests.cli.endpoints import Fake, Says, events, result
from tests.proxy.rig import served

from ostiary_cli.answers import LARGEST, Handshake, Stream, whole
from ostiary_proxy.sse import TooLargeError


@asynccontextmanager
async def answered(says: Says) -> AsyncIterator[httpx2.Response]:
    async with (
        served(Fake(lambda asked: says)) as port,
        httpx2.AsyncClient() as http,
        http.stream("POST", f"http://127.0.0.1:{port}/") as response,
    ):
        yield response


@pytest.mark.parametrize(
    "says", [Says(result(1)), events(result(1)), events(b"[" + result(1) + b"]")]
)
async def test_an_answer_is_the_same_message_however_it_comes(says: Says) -> None:
    async with answered(says) as response:
        found = [message async for message in Stream().answers(response)]

    assert found == [{"jsonrpc": "2.0", "id": 1, "result": {}}]


async def test_a_stream_remembers_where_it_stands() -> None:
    stream = Stream()
    async with answered(events(ident="e9")) as response:
        found = [message async for message in stream.messages(response)]

    assert (found, stream.last_id, stream.retry) == ([], "e9", 0.01)


async def test_a_body_without_end_is_not_taken() -> None:
    async with answered(Says(b" " * (LARGEST + 1))) as response:
        with pytest.raises(TooLargeError):
            await whole(response)


def test_a_handshake_knows_what_was_agreed() -> None:
    shaken = Handshake()
    shaken.note(None)
    assert shaken.headers == {}

    shaken.id = "s"
    shaken.note({"protocolVersion": "2025-03-26"})
    assert shaken.headers == {"Mcp-Session-Id": "s", "MCP-Protocol-Version": "2025-03-26"}
