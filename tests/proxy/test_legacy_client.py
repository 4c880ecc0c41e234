"""Legacy clients at a modern backend: obligation 51, what ends at the proxy and what does not."""

import asyncio
from typing import Any

import pytest
from tests.proxy.conditions import until
from tests.proxy.peers.scripted import Reply, Scripted
from tests.proxy.rig import OTHER, Raw, http_rig, stdio_rig
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import BOTH, call

from ostiary_proxy.era import LEGACY

MODERN = (*BOTH, "modern")


def modern() -> Scripted:
    return Scripted(eras=("modern",))


async def legacy(raw: Raw, session: str, method: str, **params: Any) -> Any:
    answer = await raw.legacy(method, headers={"mcp-session-id": session}, **params)
    return answer.json()


@pytest.mark.parametrize("version", LEGACY)
async def test_a_client_gets_its_own_revision(version: str) -> None:
    """Obligation 18."""
    async with http_rig(modern()) as made, made.raw() as raw:
        answer = await raw.initialize(version)

    assert answer.json()["result"]["protocolVersion"] == version
    assert answer.headers["mcp-session-id"]


async def test_what_only_the_handshake_era_has_ends_at_the_proxy() -> None:
    peer = modern()
    async with http_rig(peer) as made, made.raw() as raw:
        session = await open_session(raw)
        peer.seen.clear()
        pinged = await legacy(raw, session, "ping")
        notes = [
            await raw.post({"jsonrpc": "2.0", "method": method}, mcp_session_id=session)
            for method in ("notifications/initialized", "notifications/roots/list_changed")
        ]
        answer = {"jsonrpc": "2.0", "id": "nobody-asked", "result": {}}
        unasked = await raw.post(answer, mcp_session_id=session)

    assert pinged["result"] == {}
    assert [note.status_code for note in notes] == [202, 202]
    assert unasked.status_code == 202
    assert peer.seen == []


async def test_the_level_goes_with_every_request() -> None:
    """Obligation 28."""
    peer = modern()
    async with http_rig(peer) as made, made.raw() as raw:
        session = await open_session(raw)
        await legacy(raw, session, "tools/call", name="echo")
        wrong = await legacy(raw, session, "logging/setLevel", level="loud")
        right = await legacy(raw, session, "logging/setLevel", level="warning")
        await legacy(raw, session, "tools/call", name="echo")

    levels = [
        one.body["params"]["_meta"].get("io.modelcontextprotocol/logLevel")
        for one in peer.asked("tools/call")
    ]
    assert wrong["error"]["code"] == -32602
    assert right["result"] == {}
    assert levels == [None, "warning"]


async def test_tasks_and_subscriptions_that_cannot_be_are_refused() -> None:
    async with http_rig(modern()) as made, made.raw() as raw:
        session = await open_session(raw)
        task = await legacy(raw, session, "tasks/list")
        subscribed = await legacy(raw, session, "resources/subscribe", uri="memo:one")

    assert subscribed["error"]["code"] == -32601
    assert task["error"]["code"] in (-32601, -32602)


async def test_a_session_is_its_principals_and_ends_when_told() -> None:
    """Obligations 19 and 20."""
    async with http_rig(modern()) as made, made.raw() as raw, made.raw(OTHER) as other:
        session = await open_session(raw)
        headers = {"mcp-session-id": session}
        missing = await raw.legacy("tools/list")
        foreign = await other.legacy("tools/list", headers=headers)
        unknown = await raw.legacy("tools/list", headers={"mcp-session-id": "nonsense"})
        deleted = await raw.http.delete(made.url, headers=headers)

    assert missing.status_code == 400
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.json()["error"]["message"] == unknown.json()["error"]["message"]
    assert deleted.status_code == 204


async def test_a_session_has_one_stream() -> None:
    async with http_rig(modern()) as made, made.raw() as raw, made.raw() as other:
        headers = {"mcp-session-id": await open_session(raw), "accept": "text/event-stream"}
        async with raw.http.stream("GET", made.url, headers=headers) as first:
            second = await other.http.get(made.url, headers=headers)

    assert (first.status_code, second.status_code) == (200, 409)


async def test_an_id_that_is_in_use_is_refused() -> None:
    peer = modern()
    peer.answers["tools/call"] = lambda _: Reply(body=[], kind="text/event-stream", hang=True)
    async with http_rig(peer) as made, made.raw() as raw, made.raw() as other:
        session = await open_session(raw)
        headers = {"mcp-session-id": session}
        async with asyncio.TaskGroup() as group:
            task = group.create_task(raw.legacy("tools/call", 5, name="echo", headers=headers))
            await until(lambda: peer.asked("tools/call"))
            second = await other.legacy("tools/call", 5, name="echo", headers=headers)
            task.cancel()

    assert second.status_code == 400


async def test_a_client_that_leaves_cancels_nothing_but_may_still_say_so() -> None:
    """Obligation 26, acceptance test d."""
    async with stdio_rig(*MODERN) as made, made.raw() as raw, made.raw() as leaver:
        session = await open_session(raw)
        headers = {"mcp-session-id": session}
        async with asyncio.TaskGroup() as group:
            task = group.create_task(leaver.legacy("tools/call", 5, name="wait", headers=headers))
            await until(lambda: made.proxy.backends.in_flight)
            assert await call(raw, "pid", session)
            task.cancel()
        await until(lambda: not made.proxy.backends.in_flight)
        before = await call(raw, "cancelled", session)
        params = {"requestId": 5}
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        await raw.post(note, mcp_session_id=session)
        after = await call(raw, "cancelled", session)

    assert before == {"cancelled": []}
    assert len(after["cancelled"]) == 1
