"""Arrays of messages: protocol.md obligation 6, security row 11."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from tests.proxy.peers.scripted import Reply, Scripted, Seen, result
from tests.proxy.rig import (
    OTHER,
    PLANNER,
    Raw,
    Rig,
    http_rig,
    modern,
    peer_command,
    policy,
    request,
    stdio_rig,
)

from ostiary_proxy.batch import MOST, is_batch

OLD = "2025-03-26"
ECHO = request("tools/call", 1, name="echo", arguments={"text": "one"})
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@asynccontextmanager
async def plain(**values: Any) -> AsyncIterator[Rig]:
    async with stdio_rig(*peer_command("plain.py"), "legacy", **values) as rig:
        yield rig


async def begin(raw: Raw, version: str = OLD) -> None:
    answer = await raw.initialize(version)
    raw.http.headers["mcp-session-id"] = answer.headers["mcp-session-id"]
    await raw.post(INITIALIZED)


def old_peer() -> Scripted:
    """Over HTTP, and of that revision."""

    def answer(seen: Seen) -> Reply:
        value = {"protocolVersion": OLD, "capabilities": {}, "serverInfo": {"name": "o"}}
        return Reply(body=result(seen.body["id"], value), headers={"mcp-session-id": "up"})

    return Scripted(eras=("legacy",), answers={"initialize": answer})


def said(content: bytes) -> list[dict[str, object]]:
    """Messages of an event stream."""
    return [
        orjson.loads(line.removeprefix(b"data: "))
        for line in content.split(b"\n")
        if line.startswith(b"data: ")
    ]


async def test_a_batch_is_answered_as_an_array_each_by_itself() -> None:
    """Ids keep their type, a notification has no answer, and each call has its audit line."""
    async with plain(policies=(policy(deny=("hidden_*",)),)) as rig, rig.raw() as raw:
        await begin(raw)
        answer = await raw.post(
            [
                ECHO,
                {**ECHO, "id": "1"},
                INITIALIZED,
                request("tools/call", 2, name="hidden_one", arguments={}),
                request("tools/call", 3, name=5),
                "no message",
                request("initialize", 4),
                request("vendor/unheard-of", 5),
            ]
        )

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    answers = {(type(it["id"]), it["id"]): it for it in answer.json() if it["id"] is not None}
    assert answers[(int, 1)]["result"]["params"]["arguments"] == {"text": "one"}
    assert answers[(str, "1")]["result"]["params"]["arguments"] == {"text": "one"}
    assert answers[(int, 2)]["error"]["code"] == -32602
    assert answers[(int, 3)]["error"]["code"] == -32602
    assert answers[(int, 5)]["result"]["method"] == "vendor/unheard-of"
    nameless = [it["error"]["code"] for it in answer.json() if it["id"] is None]
    assert nameless == [-32600, -32600]
    assert len(answer.json()) == 7
    called = rig.asked("tools/call")
    assert [line["outcome"] for line in called].count("allowed") == 2
    assert [line["outcome"] for line in called].count("denied") == 2
    assert all(line["subject"] == PLANNER for line in rig.trail if line["event"] != "chain.start")


async def test_a_batch_without_a_request_is_only_taken() -> None:
    async with plain() as rig, rig.raw() as raw:
        await begin(raw)
        cancelled = {"method": "notifications/cancelled", "params": {"requestId": 99}}
        answer = await raw.post(
            [{"jsonrpc": "2.0", **cancelled}, {"jsonrpc": "2.0", "id": 7, "result": {}}]
        )

    assert (answer.status_code, answer.content) == (202, b"")


async def test_a_batch_with_a_stream_in_it_is_answered_as_one_stream() -> None:
    count = request("tools/call", 2, name="progress", _meta={"progressToken": 9})
    async with plain() as rig, rig.raw() as raw:
        await begin(raw)
        answer = await raw.post([ECHO, count, request("ping", 3)])

    assert answer.headers["content-type"] == "text/event-stream"
    messages = said(answer.content)
    assert {it["id"] for it in messages if "id" in it} == {1, 2, 3}
    progress = [it for it in messages if it.get("method") == "notifications/progress"]
    assert [it["params"]["progress"] for it in progress] == [1, 2]  # type: ignore[index]
    assert all(it["params"]["progressToken"] == 9 for it in progress)  # type: ignore[index]


@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25"])
async def test_a_session_of_another_revision_has_no_batches(version: str) -> None:
    async with plain() as rig, rig.raw() as raw:
        await begin(raw, version)
        answer = await raw.post([ECHO])

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)
    assert answer.json()["id"] is None


@pytest.mark.parametrize(
    "body",
    [b"[]", b" \r\n[ ]", b"[" + b",".join([b'{"jsonrpc":"2.0","method":"x"}'] * (MOST + 1)) + b"]"],
    ids=["empty", "empty with space", "too many"],
)
async def test_an_array_of_a_wrong_size_is_refused_whole(body: bytes) -> None:
    async with http_rig(old_peer()) as rig, rig.raw() as raw:
        await begin(raw)
        answer = await raw.post(body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)


async def test_a_broken_array_is_no_json() -> None:
    async with http_rig(old_peer()) as rig, rig.raw() as raw:
        await begin(raw)
        answer = await raw.post(b'[{"jsonrpc":"2.0"')

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32700)


async def test_a_batch_goes_to_an_http_backend_one_by_one() -> None:
    """One upstream request per call, with the session's own id there."""
    peer = old_peer()
    async with http_rig(peer) as rig, rig.raw() as raw:
        await begin(raw)
        answer = await raw.post([ECHO, {**ECHO, "id": 2}])

    assert sorted(it["id"] for it in answer.json()) == [1, 2]
    assert sorted(it.body["id"] for it in peer.asked("tools/call")) == [1, 2]
    assert {it.headers["mcp-session-id"] for it in peer.asked("tools/call")} == {"up"}


async def refused_to(rig: Rig, who: str, session: str) -> int:
    async with rig.raw(who) as raw:
        raw.http.headers["mcp-session-id"] = session
        return (await raw.post([ECHO])).status_code


async def test_a_session_of_somebody_else_or_of_the_past_has_no_batches() -> None:
    """Obligations 19 and 20: a dead session is 404 to a batch as well."""
    async with plain(onSessionLoss="End") as rig, rig.raw() as raw:
        await begin(raw)
        session = raw.http.headers["mcp-session-id"]
        other = await refused_to(rig, OTHER, session)
        forged = await refused_to(rig, PLANNER, "x" + session[1:])
        none = await refused_to(rig, PLANNER, "")
        await raw.http.delete(rig.url)
        ended = await raw.post([ECHO, INITIALIZED])

    assert (other, forged, none) == (400, 400, 400)
    assert ended.status_code == 404
    assert ended.json()[0]["id"] == 1


async def test_a_modern_message_is_no_part_of_a_batch() -> None:
    async with plain() as rig, rig.raw() as raw:
        await begin(raw)
        answer = await raw.post([modern("tools/list", 1), ECHO])

    codes = {it["id"]: it.get("error", {}).get("code") for it in answer.json()}
    assert len(codes) == 1 or codes[1] in (None, -32020)
    assert any(it.get("error", {}).get("code") == -32020 for it in answer.json())


@pytest.mark.parametrize(
    ("body", "found"), [(b"[1]", True), (b"\n\t [", True), (b"{}", False), (b"", False)]
)
def test_an_array_is_seen_by_its_first_letter(body: bytes, found: bool) -> None:
    assert is_batch(body) is found
