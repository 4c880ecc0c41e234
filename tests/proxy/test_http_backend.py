"""An HTTP backend and its sessions, as clients see them."""

import asyncio
from typing import Any

from tests.proxy.conditions import until
from tests.proxy.peers.everything import Peer
from tests.proxy.peers.scripted import Reply, Scripted
from tests.proxy.rig import http_rig
from tests.proxy.test_session import two_users


async def test_a_session_over_http_belongs_to_who_began_it() -> None:
    """Obligations 17 and 19: the backend's own id stays here."""
    peer = Scripted(session="backend-1")
    async with http_rig(peer) as rig:
        statuses, contents = await two_users(rig)
        await until(lambda: [one for one in peer.seen if one.verb == "DELETE"])

    assert statuses == [404, 404, 404, 404, 404, 200, 204, 200]
    assert b"backend-1" not in b"".join(contents)
    upstream = [one.headers.get("mcp-session-id") for one in peer.asked("tools/list")]
    assert upstream[-1] == "backend-1"
    names = [one.body["params"]["clientInfo"]["name"] for one in peer.asked("initialize")]
    assert names.count("raw") == 2


async def test_a_backend_without_sessions_gives_its_clients_none() -> None:
    peer = Scripted()
    async with http_rig(peer) as rig, rig.raw() as raw:
        answer = await raw.initialize()
        called = await raw.legacy("tools/call", name="echo")

        assert "mcp-session-id" not in answer.headers
        assert called.status_code == 200
        assert len(rig.backend.sessions) == 0


async def test_nobody_resumes_where_nothing_tells_whose_events_they_were() -> None:
    """Obligation 54: a backend without sessions may number everybody's events alike."""
    peer = Scripted()
    async with http_rig(peer) as rig, rig.raw() as raw:
        headers = {"accept": "text/event-stream", "last-event-id": "7"}
        await raw.http.get(rig.url, headers=headers)

    (asked,) = [one for one in peer.seen if one.verb == "GET"]
    assert "last-event-id" not in asked.headers


async def test_a_handshake_that_failed_gives_no_session() -> None:
    peer = Scripted(session="backend-1")
    async with http_rig(peer) as rig, rig.raw() as raw:
        refusal = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}'
        peer.answers["initialize"] = lambda _: Reply(
            body=refusal, headers={"mcp-session-id": "backend-1"}
        )
        answer = await raw.initialize()

    assert "mcp-session-id" not in answer.headers
    assert answer.content == refusal


async def test_the_get_stream_carries_what_belongs_to_no_request() -> None:
    peer = Peer()
    async with peer.http() as app, http_rig(app) as rig:
        changed = asyncio.Event()

        async def on_message(message: Any) -> None:
            if getattr(message, "method", "") == "notifications/tools/list_changed":
                changed.set()

        async with rig.client("legacy", message_handler=on_message) as client:
            await client.call_tool("grow", {})
            async with asyncio.timeout(20):
                await changed.wait()
            names = [tool.name for tool in (await client.list_tools()).tools]

    assert "grown" in names
