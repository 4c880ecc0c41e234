"""A handshake's answer on its way to the client."""

import pytest
from tests.proxy.peers.scripted import Reply, Scripted, Seen, event, result
from tests.proxy.rig import http_rig

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s"}}


@pytest.mark.parametrize("streamed", [False, True])
async def test_the_clients_id_is_ours_however_the_backend_answers(streamed: bool) -> None:
    def shake(seen: Seen) -> Reply:
        body = result(seen.body["id"], HELLO)
        headers = {"mcp-session-id": "theirs"}
        if streamed:
            return Reply(body=[event(body)], kind="text/event-stream", headers=headers)
        return Reply(body=body, headers=headers)

    peer = Scripted(eras=("legacy",), session="theirs")
    async with http_rig(peer) as made, made.raw() as raw:
        peer.answers["initialize"] = shake
        begun = await raw.initialize()
        session = begun.headers["mcp-session-id"]
        await raw.legacy("tools/call", name="echo", headers={"mcp-session-id": session})
        await raw.http.delete(made.url, headers={"mcp-session-id": session})

    assert session != "theirs"
    assert b'"protocolVersion":"2025-11-25"' in begun.content
    assert peer.asked("tools/call")[0].headers["mcp-session-id"] == "theirs"
    assert [one.headers["mcp-session-id"] for one in peer.seen if one.verb == "DELETE"]
