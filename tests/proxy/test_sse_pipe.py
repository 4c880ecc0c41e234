"""Backends of 2024-11-05: obligations 61 and 4, security row 14 for what they announce."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.proxy.conditions import until
from tests.proxy.peers.everything import Peer
from tests.proxy.peers.pushing import Post, Pushing
from tests.proxy.peers.scripted import event, result
from tests.proxy.rig import OTHER, Raw, Rig, request, rig, served

from ostiary_proxy import sse_pipe
from ostiary_proxy.children import StartError
from ostiary_proxy.config import Limits, SseBackend
from ostiary_proxy.lines import LONGEST_LINE
from ostiary_proxy.sse_pipe import target

ECHO = request("tools/call", 5, name="echo", arguments={"text": "ü"}, _meta={"odd": [1]})


@asynccontextmanager
async def pushed(peer: Pushing, **values: Any) -> AsyncIterator[Rig]:
    async with served(peer) as port, rig(SseBackend(port=port, path="/sse"), **values) as made:
        await until(lambda: made.report.state != "Starting")
        yield made


async def begin(raw: Raw) -> None:
    answer = await raw.initialize("2024-11-05")
    raw.http.headers["mcp-session-id"] = answer.headers["mcp-session-id"]
    await raw.post({"jsonrpc": "2.0", "method": "notifications/initialized"})


async def test_a_real_server_of_the_old_transport_is_served_as_any_other() -> None:
    peer = Peer()
    steps: list[float] = []

    async def seen(done: float, total: float | None, message: str | None) -> None:
        steps.append(done)

    async with (
        served(peer.server.sse_app()) as port,
        rig(SseBackend(port=port)) as made,
    ):
        await made.ready()
        async with made.client("legacy") as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            said = await client.call_tool("echo", {"text": "grüße"})
            counted = await client.call_tool("count", {"to": 2}, progress_callback=seen)

    assert {"echo", "count"} <= tools
    assert said.content[0].text == "grüße"  # type: ignore[union-attr]
    assert (counted.content[0].text, steps) == ("counted to 2", [1, 2])  # type: ignore[union-attr]


async def test_each_session_has_a_connection_of_its_own() -> None:
    """And one more was there for the look, one for the handshake that is said to all clients;
    nothing of a caller's head reaches the server."""
    peer = Pushing()
    async with pushed(peer) as made:
        before = len(peer.streams)
        async with made.raw() as one, made.raw(OTHER) as two:
            await begin(one)
            await begin(two)
            first = await one.post(ECHO)
            second = await two.post(ECHO)

    assert first.json()["result"]["odd"] == ECHO["params"]
    assert second.json()["id"] == 5
    assert len(peer.streams) == before + 3
    paths = [post.path for post in peer.asked("tools/call")]
    assert paths == [f"/messages?session={before + number}" for number in (2, 3)]
    for headers in (*peer.heads, *(post.headers for post in peer.posts)):
        assert headers["host"].startswith("127.0.0.1:")
        assert not {"origin", "authorization", "cookie"} & headers.keys()


async def test_what_the_server_asks_and_says_by_itself_reaches_the_one_client() -> None:
    peer = Pushing()
    async with pushed(peer) as made, made.raw() as raw:
        await begin(raw)
        await raw.post(ECHO)  # the session's own connection begins
        headers = {"accept": "text/event-stream"}
        async with raw.http.stream("GET", made.url, headers=headers) as stream:
            asked = b'{"jsonrpc":"2.0","id":"q","method":"roots/list"}'
            peer.push(b"event: message\ndata: " + asked.replace(b",", b",\ndata: ") + b"\n\n")
            line = await anext(it async for it in stream.aiter_lines() if it.startswith("data:"))
            answered = await raw.post({"jsonrpc": "2.0", "id": "q", "result": {"roots": []}})

    assert line == "data: " + asked.decode()
    assert answered.status_code == 202
    assert peer.posts[-1].body == {"jsonrpc": "2.0", "id": "q", "result": {"roots": []}}


@pytest.mark.parametrize(
    ("peer", "reason", "words"),
    [
        (Pushing(status=404), "NotMCP", "HTTP 404 at /sse"),
        (Pushing(kind="text/html"), "NotMCP", "no event stream"),
        (Pushing(endpoint=b"http://evil.example/x"), "NotMCP", "not the server's own"),
    ],
    ids=["not found", "a page", "an address of somebody else"],
)
async def test_a_server_that_is_none_says_so_in_its_report(
    peer: Pushing, reason: str, words: str
) -> None:
    async with pushed(peer) as made:
        assert (made.report.state, made.report.reason) == ("Unavailable", reason)
        assert words in made.report.message
    assert peer.posts == []


async def test_a_stream_that_never_says_where_to_post_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sse_pipe, "CONNECT_SECONDS", 0.2)
    async with pushed(Pushing(endpoint=b"")) as made:
        assert (made.report.state, made.report.reason) == ("Unavailable", "NotMCP")


async def test_nobody_there_is_said_to_be_starting() -> None:
    async with served(Pushing()) as port:
        pass
    async with rig(SseBackend(port=port)) as made:
        await until(lambda: made.report.reason == "ConnectionRefused")


async def test_a_message_that_the_server_does_not_take_is_answered_by_us() -> None:
    def taken(post: Post) -> int:
        return 400 if post.body.get("method") == "tools/call" else 202

    async with pushed(Pushing(taken=taken)) as made, made.raw() as raw:
        await begin(raw)
        answer = await raw.post(ECHO)

    assert (answer.json()["id"], answer.json()["error"]["code"]) == (5, -32603)
    assert "HTTP 400" in answer.json()["error"]["message"]


async def test_a_server_that_has_forgotten_the_session_ends_it() -> None:
    peer = Pushing()
    async with pushed(peer) as made, made.raw() as raw:
        await begin(raw)
        peer.taken = lambda post: 404
        answer = await raw.post(ECHO)

    assert answer.status_code >= 400


async def test_a_stream_that_ends_ends_the_call() -> None:
    peer = Pushing()
    peer.taken = lambda post: (
        peer.streams[-1].put_nowait(None) or 202
        if post.body.get("params", {}).get("name") == "wait"
        else 202
    )
    async with pushed(peer) as made, made.raw() as raw:
        await begin(raw)
        answer = await raw.post({**ECHO, "params": {"name": "wait"}})

    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == -32603


async def test_an_event_without_end_ends_the_connection_and_nothing_else() -> None:
    peer = Pushing()
    values = {"limits": Limits(callSeconds=20), "onSessionLoss": "End"}
    async with pushed(peer, **values) as made, made.raw() as raw:
        await begin(raw)
        await raw.post(ECHO)
        other = peer.streams[0]
        for _ in range(LONGEST_LINE // (1024 * 1024) + 2):
            peer.push(b"data: " + b"x" * 1024 * 1024)
        answer = await raw.post({**ECHO, "params": {"name": "wait"}})
        other.put_nowait(event(result(99, {})))

    assert answer.status_code in (404, 502)


BACKEND = SseBackend(port=8000, path="/api/sse")


@pytest.mark.parametrize(
    ("announced", "path"),
    [
        ("/messages?session_id=1", "/messages?session_id=1"),
        ("messages?x=1", "/api/messages?x=1"),
        ("?sessionId=1", "/api/sse?sessionId=1"),
        ("http://127.0.0.1:8000/m", "/m"),
        ("http://localhost:8000/m?a=b", "/m?a=b"),
        ("//127.0.0.1:8000/m", "/m"),
    ],
)
def test_an_endpoint_of_the_servers_own_is_taken(announced: str, path: str) -> None:
    assert target(BACKEND, announced.encode()) == path


@pytest.mark.parametrize(
    "announced",
    [
        "http://evil.example/x",
        "//evil.example/x",
        "https://127.0.0.1:8000/x",
        "http://127.0.0.1:8001/x",
        "http://127.0.0.1/x",
        "http://127.0.0.1:8000@evil.example/x",
        "http://evil@127.0.0.1:8000/x",
        "http://169.254.169.254/latest",
        "http://127.0.0.1.evil.example:8000/x",
        "http://[::1/x",
        "http://127.0.0.1:99999/x",
        "file:///etc/passwd",
        "javascript:x",
        "/with space",
        "/über",
        "/" + "x" * 3000,
    ],
)
def test_any_other_address_is_refused(announced: str) -> None:
    """Security row 14: whatever is announced, nothing else is connected to; here not even asked."""
    with pytest.raises(StartError, match="not the server's own"):
        target(BACKEND, announced.encode())


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(StartError):
        target(BACKEND, b"/\xff")
