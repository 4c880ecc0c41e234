"""Resuming only within session and principal (protocol.md 54 to 57, acceptance test j)."""

from typing import Any

import orjson
import pytest
from tests.proxy.peers.scripted import Reply, Scripted, Seen, result
from tests.proxy.rig import NEW, OTHER, Raw, http_rig, stdio_rig
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import BOTH, events

STREAM = "text/event-stream"
GET = {"accept": STREAM}


def answered(seen: Seen) -> Reply:
    """An answer in two events, the first of which primes."""
    last = result(seen.body["id"], {"said": "to whom it concerns"})
    chunks = (b"id: 7\nretry: 1\ndata:\n\nevent: mess", b"age\nid: 8\ndata: " + last + b"\n\n")
    return Reply(body=chunks, kind=STREAM)


def resumable(session: str = "backend-1") -> Scripted:
    peer = Scripted(session=session)
    peer.answers["tools/call"] = answered
    peer.answers["GET"] = lambda seen: Reply(body=(b": open\n\n",), kind=STREAM)
    return peer


def ids(content: bytes) -> list[str]:
    return [line[4:].decode() for line in content.splitlines() if line.startswith(b"id: ")]


async def resumed(raw: Raw, peer: Scripted, session: str, last: str) -> Any:
    """What the backend is told was the last event."""
    headers = {**GET, "last-event-id": last, **({"mcp-session-id": session} if session else {})}
    answer = await raw.http.get(raw.url, headers=headers)
    assert answer.status_code == 200
    return [one for one in peer.seen if one.verb == "GET"][-1].headers.get("last-event-id")


async def test_the_last_event_of_another_session_or_principal_resumes_nothing() -> None:
    """Obligation 54."""
    peer = resumable()
    async with http_rig(peer) as rig, rig.raw() as mine, rig.raw(OTHER) as other:
        first, second = await open_session(mine), await open_session(mine)
        theirs = await open_session(other)
        headers = {"mcp-session-id": first}
        answer = await mine.legacy("tools/call", 5, name="echo", headers=headers)
        last = ids(answer.content)[-1]

        assert await resumed(mine, peer, first, last) == "8"
        assert await resumed(mine, peer, second, last) is None
        assert await resumed(other, peer, theirs, last) is None
        assert await resumed(mine, peer, first, "8") is None

    assert b'"result":{"said":"to whom it concerns"}' in answer.content
    assert b"retry: 1" in answer.content
    assert not {"7", "8"} & set(ids(answer.content))


async def test_without_sessions_the_last_event_is_its_principals() -> None:
    peer = resumable(session="")
    async with http_rig(peer) as rig, rig.raw() as mine, rig.raw(OTHER) as other:
        answer = await mine.legacy("tools/call", 5, name="echo")
        last = ids(answer.content)[-1]

        assert await resumed(mine, peer, "", last) == "8"
        assert await resumed(other, peer, "", last) is None


@pytest.mark.parametrize("cut", [1, 7, 20, 60, 10_000])
async def test_a_stream_without_ids_loses_nothing_however_it_is_cut(cut: int) -> None:
    odd = b': c\r\n\r\nevent:message\ndata: {"jsonrpc": "2.0",  "method": "x"}\n\n'
    peer = resumable()
    sent: list[bytes] = []

    def reply(seen: Seen) -> Reply:
        last = orjson.dumps({"jsonrpc": "2.0", "id": seen.body["id"], "result": {}})
        whole = odd * 3 + b"data: " + last + b"\n\n"
        sent.append(whole)
        return Reply(body=[whole[at : at + cut] for at in range(0, len(whole), cut)], kind=STREAM)

    peer.answers["tools/call"] = reply
    async with http_rig(peer) as rig, rig.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        answer = await raw.legacy("tools/call", 5, name="echo", headers=headers)

    assert len(events(sent[0])) == 4
    assert events(answer.content) == events(sent[0])
    assert cut < len(sent[0]) or answer.content == sent[0]


async def test_a_stdio_servers_stream_promises_no_resumption() -> None:
    """Obligation 56: no priming event, no id and no `retry` where nothing could be resumed."""
    async with stdio_rig(*BOTH) as rig, rig.raw() as raw:
        session = (await raw.initialize()).headers["mcp-session-id"]
        meta = {"progressToken": "t"}
        headers = {"mcp-session-id": session}
        answer = await raw.legacy("tools/call", name="progress", _meta=meta, headers=headers)

    assert answer.headers["content-type"] == STREAM
    assert len(events(answer.content)) == 3
    assert not [line for line in answer.text.splitlines() if line.startswith(("id:", "retry:"))]


async def test_a_modern_client_of_a_resumable_server_is_offered_no_resumption() -> None:
    """Obligation 57: no ids from the other era, and nothing to resume with."""
    peer = resumable()
    peer.eras = ("legacy",)

    def noted(seen: Seen) -> Reply:
        token = seen.body["params"]["_meta"]["progressToken"]
        note = {"method": "notifications/progress", "params": {"progressToken": token}}
        first = orjson.dumps({"jsonrpc": "2.0", **note})
        last = result(seen.body["id"], {"content": []})
        chunks = [b"id: %d\nretry: 1\ndata: %b\n\n" % it for it in ((7, first), (8, last))]
        return Reply(body=chunks, kind=STREAM)

    peer.answers["tools/call"] = noted
    async with http_rig(peer) as rig, rig.raw() as raw:
        answer = await raw.modern("tools/call", name="echo", _meta={"progressToken": 5})
        headers = {**GET, "mcp-protocol-version": NEW, "last-event-id": "7"}
        resumed = await raw.http.get(raw.url, headers=headers)

    assert [it.get("method", "answer") for it in events(answer.content)] == [
        "notifications/progress",
        "answer",
    ]
    assert not ids(answer.content)
    assert b"retry" not in answer.content
    assert resumed.status_code == 405
