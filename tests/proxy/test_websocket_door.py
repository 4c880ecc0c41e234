"""WebSocket for clients: obligation 62, security rows 6, 7, 22, 23 and 24.

The peer is the `websockets` library's own client; handshakes by hand where it would not send them.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import pytest
from tests.proxy import signing
from tests.proxy.conditions import PATIENCE, until
from tests.proxy.peers.scripted import Reply, Scripted, Seen, error, result
from tests.proxy.rig import (
    ANYBODY,
    PLANNER,
    Rig,
    http_rig,
    modern,
    peer_command,
    policy,
    request,
    stdio_rig,
)
from tests.proxy.test_sources import tool
from tests.proxy.wire import Answer, Wire
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from ostiary_proxy import websocket_door
from ostiary_proxy.config import Clients, Limits

OPEN = Clients(webSocket=True, allowedOrigins=("https://app.example",))
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
ECHO = request("tools/call", 5, name="echo", arguments={"text": "ü"})
MCP = Subprotocol("mcp")
KEY = base64.b64encode(b"k" * 16).decode()


def token(who: str = PLANNER) -> str:
    return signing.sign(signing.claims(who))


def sealed(text: str) -> str:
    encoded = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return websocket_door.TOKEN_PREFIX + encoded


@asynccontextmanager
async def plain(**values: Any) -> AsyncIterator[Rig]:
    command = peer_command("plain.py")
    async with stdio_rig(*command, "legacy", **{"clients": OPEN, **values}) as rig:
        yield rig


@asynccontextmanager
async def opened(rig: Rig, who: str = PLANNER, **options: Any) -> AsyncIterator[ClientConnection]:
    headers = {"authorization": f"Bearer {token(who)}"}
    options = {"additional_headers": headers, "subprotocols": [MCP], **options}
    async with connect(f"ws://127.0.0.1:{rig.port}/ws", **options) as socket:
        yield socket


async def ask(socket: ClientConnection, body: object) -> Any:
    await say(socket, body)
    return await hear(socket)


async def say(socket: ClientConnection, body: object) -> None:
    await socket.send(orjson.dumps(body).decode())


async def hear(socket: ClientConnection) -> Any:
    async with asyncio.timeout(PATIENCE):
        return orjson.loads(await socket.recv())


async def begin(socket: ClientConnection, version: str = "2025-11-25") -> Any:
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "w"}}
    answer = await ask(socket, request("initialize", 0, **params))
    await say(socket, INITIALIZED)
    return answer


async def code(socket: ClientConnection) -> int:
    """With which the other side closes."""
    async with asyncio.timeout(PATIENCE):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 0


async def test_a_session_over_a_websocket_is_one_like_any_other() -> None:
    async with plain(policies=(policy(deny=("hidden_*",)),)) as rig, opened(rig) as socket:
        assert socket.subprotocol == "mcp"
        assert "sec-websocket-extensions" not in socket.response.headers  # type: ignore[union-attr]
        shaken = await begin(socket)
        said = await ask(socket, ECHO)
        denied = await ask(socket, request("tools/call", "1", name="hidden_one"))
        listed = await ask(socket, request("tools/list", 2))
        await socket.close()
        await until(lambda: rig.report.processes == 1)

    assert shaken["result"]["serverInfo"]["name"] == "plain"
    assert said["result"]["params"] == ECHO["params"]
    assert (denied["id"], denied["error"]["code"]) == ("1", -32602)
    assert {tool["name"] for tool in listed["result"]["tools"]} == {"echo", "pid"}
    calls = rig.asked("tools/call")
    assert [(line["outcome"], line["subject"]) for line in calls] == [
        ("allowed", PLANNER),
        ("denied", PLANNER),
    ]
    assert [line["status"] for line in rig.calls() if line["method"] == "GET"][-1] == 101


async def test_what_the_server_asks_and_reports_comes_as_messages() -> None:
    async with plain() as rig, opened(rig) as socket:
        await begin(socket)
        params = {"name": "progress", "_meta": {"progressToken": 7}}
        told = [await ask(socket, request("tools/call", 1, **params))]
        told += [await hear(socket), await hear(socket)]
        asked = await ask(socket, request("tools/call", 2, name="ask"))
        reply = {"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "cancel"}}
        answer = await ask(socket, reply)

    assert [it["params"]["progress"] for it in told[:2]] == [1, 2]
    assert answer["result"]["answer"] == {"action": "cancel"}


async def test_messages_in_fragments_and_in_haste_are_all_taken() -> None:
    async with plain() as rig, opened(rig) as socket:
        await begin(socket)
        text = orjson.dumps(ECHO).decode()
        await socket.send(iter([text[:7], text[7:20], text[20:]]))
        for ident in range(100, 200):
            await say(socket, {**ECHO, "id": ident})
        idents = {(await hear(socket))["id"] for _ in range(101)}

    assert idents == {5, *range(100, 200)}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("{", -32700), ("[]", -32600), ("[{}]", -32600), ('{"jsonrpc":"2.0","id":null}', -32600)],
)
async def test_what_is_no_message_is_answered_and_hurts_nothing(sent: str, expected: int) -> None:
    async with plain() as rig, opened(rig) as socket:
        await socket.send(sent)
        answer = await hear(socket)
        assert (await begin(socket))["id"] == 0

    assert (answer["id"], answer["error"]["code"]) == (None, expected)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(b"binary", 1003), ("x" * 5000, 1009), (iter(["x" * 600, "x" * 600]), 1009)],
    ids=["binary", "too large", "too large in parts"],
)
async def test_a_frame_against_the_rules_closes_with_its_code(sent: Any, expected: int) -> None:
    async with plain(limits=Limits(requestBytes=1024)) as rig, opened(rig) as socket:
        with suppress(ConnectionClosed):  # perhaps before the last part was out
            await socket.send(sent)
        assert await code(socket) == expected


async def test_a_page_in_a_browser_offers_its_token_as_a_subprotocol() -> None:
    offered = [MCP, Subprotocol(sealed(token()))]
    async with (
        plain() as rig,
        opened(
            rig, additional_headers={}, subprotocols=offered, origin="https://app.example"
        ) as socket,
    ):
        assert socket.subprotocol == "mcp"
        assert (await begin(socket))["id"] == 0
    assert token() not in str(rig.trail)


async def shake(rig: Rig, path: str = "/ws", **headers: str | None) -> Answer:
    head: dict[str, str | None] = {
        "host": "localhost",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": KEY,
        "sec-websocket-version": "13",
        "sec-websocket-protocol": "mcp",
        "authorization": f"Bearer {token()}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"GET {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in head.items() if value is not None]
    async with Wire(rig.port) as wire:
        wire.writer.write("\r\n".join((*lines, "", "")).encode())
        answer = await wire.receive()
        if answer.status != 101 and head["upgrade"]:
            assert await wire.ended()
        return answer


HANDSHAKES: dict[str, tuple[dict[str, str | None], int]] = {
    "as it should be": ({}, 101),
    "no upgrade": ({"upgrade": None, "connection": None}, 426),
    "an old version": ({"sec_websocket_version": "8"}, 426),
    "no key": ({"sec_websocket_key": None}, 400),
    "a short key": ({"sec_websocket_key": "abc"}, 400),
    "no subprotocol": ({"sec_websocket_protocol": None}, 400),
    "another subprotocol": ({"sec_websocket_protocol": "graphql-ws"}, 400),
    "no token": ({"authorization": None}, 401),
    "a bad token": ({"authorization": "Bearer x"}, 401),
    "a bad token in the subprotocol": (
        {"authorization": None, "sec_websocket_protocol": f"mcp, {sealed('x')}"},
        401,
    ),
    "a token that is no base64": (
        {
            "authorization": None,
            "sec_websocket_protocol": f"mcp, {websocket_door.TOKEN_PREFIX}!!!",
        },
        401,
    ),
    "two tokens": ({"sec_websocket_protocol": f"mcp, {sealed(token())}"}, 400),
    "a strange origin": ({"origin": "https://evil.example"}, 403),
    "a null origin": ({"origin": "null"}, 403),
    "a listed origin": ({"origin": "https://app.example"}, 101),
    "a strange host": ({"host": "evil.example"}, 421),
    "the endpoint itself": ({"path": "/mcp"}, 426),
    "a path of nobody": ({"path": "/other/ws"}, 426),
}


@pytest.mark.parametrize(("headers", "status"), HANDSHAKES.values(), ids=HANDSHAKES.keys())
async def test_a_handshake_passes_the_stages_that_every_request_passes(
    headers: dict[str, Any], status: int
) -> None:
    async with plain() as rig:
        answer = await shake(rig, **headers)

    assert answer.status == status
    if status == 101:
        assert answer.headers["sec-websocket-protocol"] == "mcp"
        assert "sec-websocket-extensions" not in answer.headers
    elif status != 426:
        assert answer.json["error"]["code"] in (-32600, -32603)


async def test_a_token_may_be_nobodys_where_a_rule_says_so() -> None:
    async with plain(policies=(ANYBODY,)) as rig:
        answer = await shake(rig, authorization=None)
        refused = await shake(rig, authorization=None, origin="https://evil.example")

    assert (answer.status, refused.status) == (101, 403)


async def test_where_it_is_off_an_upgrade_is_426() -> None:
    """Obligation 62."""
    async with plain(clients=Clients(sse=True)) as rig:
        assert (await shake(rig)).status == 426


async def test_frames_that_come_with_the_handshake_are_taken() -> None:
    """And no byte of a refused one is: the connection ends."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "w"}}
    body = orjson.dumps(request("initialize", 0, **params))
    frame = Frame(Opcode.TEXT, body).serialize(mask=True, extensions=[])
    head = (
        f"GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        f"sec-websocket-key: {KEY}\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: mcp\r\n"
    )
    async with plain() as rig:
        async with Wire(rig.port) as wire, asyncio.timeout(PATIENCE):
            wire.writer.write(f"{head}authorization: Bearer {token()}\r\n\r\n".encode() + frame)
            assert (await wire.receive()).status == 101
            answer = await wire.reader.readexactly(2)
        async with Wire(rig.port) as wire:
            wire.writer.write(f"{head}\r\n".encode() + b"GET /mcp HTTP/1.1\r\n\r\n")
            assert (await wire.receive()).status == 401
            assert await wire.ended()

    assert answer[0] == 0x81


async def test_whoever_loses_every_rule_loses_the_connection() -> None:
    async with plain() as rig, opened(rig) as socket:
        await begin(socket)
        await until(lambda: rig.report.processes == 2)
        rig.apply(policies=())
        assert await code(socket) == 1008
        await until(lambda: rig.report.processes == 1)


async def test_a_proxy_that_stops_says_goodbye() -> None:
    async with plain() as rig, opened(rig) as socket:
        await begin(socket)
        await ask(socket, ECHO)
        await rig.proxy.drain.run()
        assert await code(socket) == 1001


async def test_a_message_that_never_ends_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Row 23."""
    monkeypatch.setattr(websocket_door, "MESSAGE_SECONDS", 0.2)
    async with plain() as rig, opened(rig) as socket:
        socket.transport.write(b"\x81\xfe\x01\x00\x00\x00\x00\x00{")
        assert await code(socket) == 1008


async def test_a_client_that_leaves_frees_its_process() -> None:
    async with plain() as rig:
        async with opened(rig) as socket:
            await begin(socket)
            await say(socket, request("tools/call", 1, name="wait"))
            await until(lambda: rig.report.processes == 2)
            socket.transport.abort()
        await until(lambda: rig.report.processes == 1)


WORDS = {"same-era": ("mirrors",), "bridged": ("mirrors", "legacy")}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
async def test_a_modern_call_whose_headers_would_repeat_an_argument_is_served(
    words: tuple[str, ...],
) -> None:
    """Obligation 11: where the transport has no headers, there is nothing that could disagree."""
    command = peer_command("plain.py")
    async with stdio_rig(*command, *words, clients=OPEN) as rig, opened(rig) as socket:
        called = modern("tools/call", 5, name="echo", arguments={"region": "Köln"})
        said = await ask(socket, called)

    assert said["result"]["params"]["arguments"] == {"region": "Köln"}


async def test_the_backend_gets_the_headers_that_it_wants_of_such_a_call() -> None:
    """Obligation 49: written from its list of tools, and once more when that has changed."""
    wanted = ["Old"]

    def listed(seen: Seen) -> Reply:
        return Reply(body=result(seen.body["id"], {"tools": [tool(wanted[0])]}))

    def called(seen: Seen) -> Reply:
        if seen.headers.get(f"mcp-param-{wanted[0].lower()}") != "eu":
            return Reply(400, error(seen.body["id"], -32020))
        return Reply(body=result(seen.body["id"], {"ok": wanted[0]}))

    peer = Scripted(answers={"tools/list": listed, "tools/call": called})
    async with http_rig(peer, clients=OPEN) as rig, opened(rig) as socket:
        call = modern("tools/call", 5, name="echo", arguments={"region": "eu"})
        first = await ask(socket, call)
        wanted[0] = "New"
        second = await ask(socket, call)
        wanted[0] = "None"
        peer.answers["tools/list"] = lambda seen: Reply(body=result(seen.body["id"], {"tools": []}))
        third = await ask(socket, call)

    assert (first["result"]["ok"], second["result"]["ok"]) == ("Old", "New")
    assert third["error"]["code"] == -32020
    assert len(peer.asked("tools/call")) == 5
