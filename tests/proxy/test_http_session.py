"""A legacy HTTP backend's session, kept for modern clients."""

import asyncio
from collections.abc import AsyncIterator

import orjson
from tests.proxy.conditions import PATIENCE, until
from tests.proxy.peers.scripted import Reply, Scripted, Seen, event, result
from tests.proxy.rig import http_rig
from tests.proxy.streams import listening


def lost_once(status: int, body: bytes = b"") -> Scripted:
    """A backend that forgets its session when it is first called."""
    peer = Scripted(eras=("legacy",), session="s1")

    def answer(seen: Seen) -> Reply:
        first = len(peer.asked("tools/call")) == 1
        return Reply(status, body) if first else Reply(body=result(seen.body["id"], {"ok": True}))

    peer.answers["tools/call"] = answer
    return peer


async def test_a_session_that_the_backend_forgot_is_begun_again_once() -> None:
    """Obligation 21: 404 says that nothing was done."""
    peer = lost_once(404)
    async with http_rig(peer) as made, made.raw() as raw:
        begun = len(peer.asked("initialize"))
        answer = await raw.modern("tools/call", name="echo")

    assert answer.json()["result"]["ok"]
    assert len(peer.asked("initialize")) == begun + 2
    assert len(peer.asked("tools/call")) == 2


async def test_some_servers_say_it_with_400() -> None:
    """Obligation 21."""
    body = orjson.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "Session"}})
    peer = lost_once(400, body)
    async with http_rig(peer) as made, made.raw() as raw:
        answer = await raw.modern("tools/call", name="echo")

    assert answer.json()["result"]["ok"]


async def test_a_session_that_is_lost_again_and_again_is_said() -> None:
    peer = Scripted(eras=("legacy",), session="s1")
    peer.answers["tools/call"] = lambda _: Reply(404)
    async with http_rig(peer) as made, made.raw() as raw:
        answer = await raw.modern("tools/call", name="echo")

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, -32603)
    assert len(peer.asked("tools/call")) == 2


async def test_an_answer_that_breaks_off_after_an_event_id_is_asked_for_again() -> None:
    """Obligation 55."""
    peer = Scripted(eras=("legacy",), session="s1")
    idents: list[int] = []

    def call(seen: Seen) -> Reply:
        idents.append(seen.body["id"])
        body = b"retry: 1\nid: e-1\ndata:\n\n"
        return Reply(body=[body], kind="text/event-stream")

    def get(seen: Seen) -> Reply:
        if seen.headers.get("last-event-id") != "e-1":
            return Reply(405)
        body = [event(result(idents[0], {"resumed": True}))]
        return Reply(body=body, kind="text/event-stream")

    peer.answers |= {"tools/call": call, "GET": get}
    async with http_rig(peer) as made, made.raw() as raw:
        answer = await raw.modern("tools/call", name="echo")

    assert b'"resumed":true' in answer.content
    assert len(peer.asked("tools/call")) == 1


async def test_an_answer_that_breaks_off_otherwise_fails() -> None:
    """Obligation 55: a call is never made twice."""
    peer = Scripted(eras=("legacy",), session="s1")
    peer.answers["tools/call"] = lambda _: Reply(body=[b": hello\n\n"], kind="text/event-stream")
    async with http_rig(peer) as made, made.raw() as raw:
        answer = await raw.modern("tools/call", name="echo")

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, -32603)
    assert len(peer.asked("tools/call")) == 1


async def test_a_backend_without_sessions_is_served_too() -> None:
    peer = Scripted(eras=("legacy",))
    async with http_rig(peer) as made, made.raw() as raw:
        answer = await raw.modern("tools/call", name="echo")

    assert answer.json()["result"]["method"] == "tools/call"
    assert "mcp-session-id" not in peer.asked("tools/call")[0].headers


async def test_the_backend_is_told_when_a_session_ends() -> None:
    """Obligation 20."""
    peer = Scripted(eras=("legacy",), session="s1")
    async with http_rig(peer) as made, made.raw() as raw:
        await raw.modern("tools/call", name="echo")
        supervised = next(iter(made.proxy.backends._by_path.values()))
        supervised.bridge.modern.upstreams.evict()
        await until(lambda: [one for one in peer.seen if one.verb == "DELETE"])

    (told,) = [one for one in peer.seen if one.verb == "DELETE"]
    assert told.headers["mcp-session-id"] == "s1"


async def test_a_session_that_is_forgotten_is_begun_again_for_who_only_listens() -> None:
    """Obligations 21 and 36: its own stream says so."""
    peer = Scripted(eras=("legacy",), session="s1")
    streams: list[Seen] = []

    def hello(seen: Seen) -> Reply:
        value = {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "scripted", "version": "1"},
        }
        headers = {"mcp-session-id": f"s{len(peer.asked('initialize'))}"}
        return Reply(body=result(seen.body["id"], value), headers=headers)

    def get(seen: Seen) -> Reply:
        streams.append(seen)
        if len(streams) == 1:
            return Reply(body=[b"retry: 1\n\n"], kind="text/event-stream")
        if len(streams) == 2:
            return Reply(404)
        return Reply(body=[b": x\n\n"], kind="text/event-stream", hang=True)

    peer.answers |= {"initialize": hello, "GET": get}
    async with http_rig(peer) as made, made.raw() as raw, listening(raw) as stream:
        lines = stream.aiter_lines()
        async with asyncio.timeout(PATIENCE):
            told = [orjson.loads(line[6:]) async for line in _first(lines, 2)]

    methods = [one["method"] for one in told]
    sessions = [one.headers["mcp-session-id"] for one in streams]
    assert methods == [
        "notifications/subscriptions/acknowledged",
        "notifications/tools/list_changed",
    ]
    assert sessions[0] == sessions[1] != sessions[2]


async def _first(lines: AsyncIterator[str], count: int) -> AsyncIterator[str]:
    async for line in lines:
        if line.startswith("data: "):
            yield line
            count -= 1
        if not count:
            return
