"""Obligation 9: a notification that no revision knows crosses as it came, in every cell.

What it means is between the two ends; the proxy only finds whose it is.
"""

from typing import Any

import orjson
import pytest
from tests.proxy.conditions import until
from tests.proxy.peers.scripted import Reply, Scripted, Seen, event, result
from tests.proxy.pipes import piped
from tests.proxy.rig import META, OTHER, http_rig, modern, modern_headers, policy, stdio_rig
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import BOTH, LEGACY, call, events
from tests.proxy.test_to_legacy import modern as message

from ostiary_proxy.handshaken import HandshakenChannel
from ostiary_proxy.shared import ModernChannel

VENDOR = "notifications/vendor/weather"
NOTE = {"jsonrpc": "2.0", "method": VENDOR, "params": {"odd": [1, None, {"deep": "höy"}]}}
CELLS = [(client, server) for client in ("legacy", "modern") for server in ("legacy", "modern")]


def noisy(seen: Seen) -> Reply:
    """An answer with the notification before it, on its own stream."""
    answer = result(seen.body["id"], {"content": [], "resultType": "complete"})
    return Reply(body=[event(orjson.dumps(NOTE)), event(answer)], kind="text/event-stream")


async def told(raw: Any, client: str, note: dict[str, Any], session: str) -> int:
    if client == "legacy":
        headers = {"mcp_session_id": session, "mcp_protocol_version": "2025-11-25"}
        return int((await raw.post(note, **headers)).status_code)
    body = modern(note["method"], **note["params"])
    del body["id"]
    return int((await raw.post(body, **modern_headers(note["method"], {}))).status_code)


@pytest.mark.parametrize(("client", "server"), CELLS, ids=["-".join(cell) for cell in CELLS])
async def test_from_the_server_during_a_call(client: str, server: str) -> None:
    peer = Scripted(eras=(server,), session="s1" if server == "legacy" else "")
    peer.answers["tools/call"] = noisy
    async with http_rig(peer) as rig, rig.raw() as raw:
        if client == "legacy":
            session = await open_session(raw)
            headers = {"mcp-session-id": session}
            answer = await raw.legacy("tools/call", name="echo", headers=headers)
        else:
            answer = await raw.modern("tools/call", name="echo")

    assert events(answer.content)[0] == NOTE


@pytest.mark.parametrize(("client", "server"), CELLS, ids=["-".join(cell) for cell in CELLS])
async def test_from_the_client(client: str, server: str) -> None:
    peer = Scripted(eras=(server,), session="s1" if server == "legacy" else "")
    async with http_rig(peer) as rig, rig.raw() as raw:
        session = await open_session(raw) if client == "legacy" else ""
        if client == "legacy":
            await raw.legacy("tools/call", name="echo", headers={"mcp-session-id": session})
        else:
            await raw.modern("tools/call", name="echo")
        assert await told(raw, client, NOTE, session) == 202
        await until(lambda: bool(peer.asked(VENDOR)))

    (seen,) = peer.asked(VENDOR)
    assert "id" not in seen.body
    assert {**seen.body["params"], "_meta": None} == {**NOTE["params"], "_meta": None}
    if (client, server) == ("modern", "legacy"):
        assert not META.keys() & seen.body["params"].get("_meta", {}).keys()
        assert seen.headers["mcp-session-id"] == "s1"


@pytest.mark.parametrize("client", ["legacy", "modern"])
async def test_only_of_callers_who_may_use_every_tool(client: str) -> None:
    peer = Scripted(eras=("legacy",), session="s1")
    async with http_rig(peer, policies=(policy(tools=("echo",)),)) as rig, rig.raw() as raw:
        session = await open_session(raw) if client == "legacy" else ""
        status = await told(raw, client, NOTE, session)

    assert status in (400, 404)
    assert not peer.asked(VENDOR)


async def test_over_stdio_it_is_the_newest_requests_where_nobody_listens() -> None:
    channel = HandshakenChannel("s")
    pipe = piped(channel)
    older = channel.begin(message("tools/call", name="a"))
    newer = channel.begin(message("tools/call", name="b"))
    pipe.say(**NOTE)
    heard: list[str] = []
    channel.listeners.add(lambda method, data: heard.append(method))
    pipe.say(**NOTE)

    letter = await newer.get(0.0)
    assert letter is not None
    assert orjson.loads(letter.data) == NOTE
    assert await older.get(0.0) is None
    assert heard == [VENDOR]


@pytest.mark.parametrize("one_user", [True, False])
async def test_over_stdio_nobody_hears_what_may_be_another_principals(one_user: bool) -> None:
    channel = ModernChannel("s", one_user=one_user)
    pipe = piped(channel)
    call = channel.begin(message("tools/call", name="a"))
    pipe.say(**NOTE)
    pipe.say(method="notifications/message", params={"level": "info", "data": "x"})

    letter = await call.get(0.0)
    assert (letter is not None) is one_user
    assert await call.get(0.0) is None, "a log message is for who asked for logs"


@pytest.mark.parametrize("words", [BOTH, LEGACY], ids=["modern", "bridged"])
async def test_a_stateless_clients_reaches_its_own_process_alone(words: tuple[str, ...]) -> None:
    async with stdio_rig(*words) as made, made.raw() as raw, made.raw(OTHER) as other:
        await call(raw, "pid")
        await call(other, "pid")
        assert await told(raw, "modern", NOTE, "") == 202
        mine = (await call(raw, "said"))["said"]
        theirs = (await call(other, "said"))["said"]

    assert VENDOR in str(mine)
    assert VENDOR not in str(theirs)
