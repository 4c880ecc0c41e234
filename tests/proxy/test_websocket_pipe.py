"""Backends behind a WebSocket: obligation 62.  The peer is the `websockets` library's server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.proxy.conditions import until
from tests.proxy.peers.scripted import Scripted
from tests.proxy.peers.talking import Talking
from tests.proxy.rig import Raw, Rig, request, rig, served

from ostiary_proxy import websocket_pipe
from ostiary_proxy.config import WebSocketBackend
from ostiary_proxy.lines import LONGEST_LINE

ECHO = request("tools/call", 5, name="echo", arguments={"text": "ü"}, _meta={"odd": [1]})


@asynccontextmanager
async def talked(peer: Talking, **values: Any) -> AsyncIterator[Rig]:
    async with peer.served() as port, rig(WebSocketBackend(port=port), **values) as made:
        await until(lambda: made.report.state != "Starting")
        yield made


async def begin(raw: Raw) -> None:
    answer = await raw.initialize()
    raw.http.headers["mcp-session-id"] = answer.headers["mcp-session-id"]
    await raw.post({"jsonrpc": "2.0", "method": "notifications/initialized"})


async def test_a_server_behind_a_websocket_is_served_as_any_other() -> None:
    """Also where its frames hold line breaks, which no line may."""
    peer = Talking()
    async with talked(peer) as made, made.raw() as raw:
        assert (made.report.state, made.report.toolCount) == ("Ready", 2)
        await begin(raw)
        listed = await raw.legacy("tools/list", "a")
        answer = await raw.post(ECHO)
        await raw.http.delete(made.url)
        # The one for the handshake and lists, and the session's; that of the look goes on.
        await until(lambda: peer.closed == [1001, 1001])

    assert {tool["name"] for tool in listed.json()["result"]["tools"]} == {"echo", "hidden_one"}
    assert answer.json()["result"]["odd"] == ECHO["params"]
    for head in peer.heads:
        assert head["host"].startswith("127.0.0.1:")
        assert head["sec-websocket-protocol"] == "mcp"
        assert not {"origin", "authorization", "cookie", "sec-websocket-extensions"} & head.keys()


async def test_what_the_server_asks_reaches_the_client_and_comes_back() -> None:
    peer = Talking()
    async with talked(peer) as made, made.raw() as raw:
        await begin(raw)
        await raw.post(ECHO)  # the session's own connection begins
        headers = {"accept": "text/event-stream"}
        async with raw.http.stream("GET", made.url, headers=headers) as stream:
            await peer.live[-1].send('{"jsonrpc":"2.0","id":"q","method":"roots/list"}')
            line = await anext(it async for it in stream.aiter_lines() if it.startswith("data:"))
            await raw.post({"jsonrpc": "2.0", "id": "q", "result": {"roots": []}})
        await until(lambda: peer.said[-1].get("id") == "q")

    assert line == 'data: {"jsonrpc":"2.0","id":"q","method":"roots/list"}'


async def test_messages_in_fragments_and_pings_between_them_are_whole() -> None:
    peer = Talking()
    async with talked(peer) as made, made.raw() as raw:
        await begin(raw)
        await raw.post(ECHO)  # the session's own connection begins
        headers = {"accept": "text/event-stream"}
        async with raw.http.stream("GET", made.url, headers=headers) as stream:
            await peer.live[-1].send(iter(['{"jsonrpc":"2.0",', '"method":"no', 'tifications/x"}']))
            line = await anext(it async for it in stream.aiter_lines() if it.startswith("data:"))
        await (await peer.live[-1].ping())

    assert line == 'data: {"jsonrpc":"2.0","method":"notifications/x"}'


@pytest.mark.parametrize("sent", [b"binary", "x" * (LONGEST_LINE + 1)], ids=["binary", "too large"])
async def test_a_frame_against_the_rules_ends_the_connection_and_its_session(
    sent: str | bytes,
) -> None:
    peer = Talking()
    async with talked(peer, onSessionLoss="End") as made, made.raw() as raw:
        await begin(raw)
        await raw.post(ECHO)  # the session's own connection begins
        await peer.live[-1].send(sent)
        await until(lambda: {1003, 1009} & set(peer.closed))
        answer = await raw.post(ECHO)

    assert answer.status_code in (404, 502)


async def test_what_speaks_no_websocket_is_told_from_what_is_not_there_yet() -> None:
    async with (
        served(Scripted()) as port,
        rig(WebSocketBackend(port=port, path="/other")) as made,
    ):
        await until(lambda: made.report.reason == "NotMCP")
        assert "/other" in made.report.message
    async with rig(WebSocketBackend(port=port)) as made:
        await until(lambda: made.report.reason == "ConnectionRefused")


async def test_a_server_that_never_answers_the_handshake_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket_pipe, "CONNECT_SECONDS", 0.2)
    async with (
        Talking().served(process_request=_hang) as port,
        rig(WebSocketBackend(port=port)) as made,
    ):
        await until(lambda: made.report.reason == "NoAnswer")


async def _hang(connection: Any, request: Any) -> None:
    await connection.wait_closed()
