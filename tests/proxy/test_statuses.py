"""The statuses that the proxy itself answers with (protocol.md 6.14), over raw sockets.

One table: what is written to a connection, and what must come back.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from tests.proxy import signing
from tests.proxy.conditions import until
from tests.proxy.peers.scripted import Reply, Scripted, Seen
from tests.proxy.rig import (
    NEW,
    PLANNER,
    Raw,
    Rig,
    http_rig,
    modern,
    peer_command,
    request,
    stdio_rig,
)
from tests.proxy.test_resource_metadata import scoped, with_issuers
from tests.proxy.wire import Answer, Wire

from ostiary_proxy import config

BOTH = "application/json, text/event-stream"
SESSION = "Mcp-Session-Id: {session}"
PLAIN = peer_command("plain.py")
META = "io.modelcontextprotocol/protocolVersion"


def head(first: str, *lines: str, host: str = "localhost:{port}", token: bool = True) -> str:
    known = ["Authorization: Bearer {token}"] if token else []
    return "\r\n".join((f"{first} HTTP/1.1", f"Host: {host}", *known, *lines, "", ""))


def post(said: Any, *lines: str, kind: str = "application/json", **more: Any) -> str:
    body = said if isinstance(said, str) else orjson.dumps(said).decode()
    accept = more.pop("accept", BOTH)
    path = more.pop("path", "/mcp")
    length = more.pop("length", len(body))
    first = (f"Accept: {accept}", f"Content-Type: {kind}", f"Content-Length: {length}")
    return head(f"POST {path}", *first, *lines, **more) + body.replace("{", "{{").replace("}", "}}")


def call(name: str) -> dict[str, Any]:
    return request("tools/call", 7, name=name, arguments={})


def stateless(version: str, method: str = "tools/list") -> tuple[str, str]:
    return f"MCP-Protocol-Version: {version}", f"Mcp-Method: {method}"


def get(*lines: str, accept: str = "text/event-stream", **more: Any) -> str:
    return head("GET /mcp", f"Accept: {accept}", *lines, **more)


@dataclass(frozen=True)
class Row:
    written: str
    status: int
    code: int | None = None
    """Of the JSON-RPC error; null: there is none."""
    header: str = ""
    """Must be in the answer."""
    first: str = ""
    """Written before, on a connection that stays open."""
    stdio: bool = False
    """The server speaks stdio: over HTTP its own word would be passed on."""
    rule: config.Rule | None = None
    """In place of the one that lets everybody call everything."""
    fails: bool = False
    """The proxy itself does, at what it did not foresee."""


NO_META = request("tools/list", 7)
TO_COME = modern("tools/list", 7, _meta={META: "2030-01-01"})
SLOW = config.Rate(requestsPerSecond=1, burst=1)
RARELY = config.Rule(
    name="rarely",
    subjects=(config.Subject(kind="serviceAccount", names=("*",), namespaces=None),),
    allow=config.Allow(tools=("*",)),
    rate=SLOW,
)
PERSON = "Authorization: Bearer {person}"
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
ROWS: dict[str, Row] = {
    "a call": Row(post(call("echo"), SESSION), 200),
    "an error of the server's": Row(post(call("wrong"), SESSION), 200, -32602),
    "a notification": Row(
        post({"jsonrpc": "2.0", "method": "notifications/initialized"}, SESSION), 202
    ),
    "no JSON": Row(post("{"), 400, -32700),
    "two messages": Row(post([call("echo"), call("echo")], SESSION), 400, -32600),
    "no message at all": Row(post([], SESSION), 400, -32600),
    "a null id": Row(post({**call("echo"), "id": None}, SESSION), 400, -32600),
    "a call without its session": Row(post(call("echo")), 400, -32600, stdio=True),
    "an end without its session": Row(head("DELETE /mcp"), 400, -32600, stdio=True),
    "an end of a session of nobody": Row(head("DELETE /mcp", "Mcp-Session-Id: none"), 404, -32600),
    "an end in the stateless era": Row(head("DELETE /mcp", *stateless(NEW)), 405, -32600, "allow"),
    "a revision without its envelope": Row(post(NO_META, *stateless(NEW)), 400, -32602),
    "a header that contradicts the body": Row(
        post(modern("tools/list", 7), *stateless(NEW, "tools/call")), 400, -32020
    ),
    "an envelope without its header": Row(post(modern("tools/list", 7)), 400, -32020),
    "a revision to come": Row(post(TO_COME, *stateless("2030-01-01")), 400, -32022),
    "no token": Row(post(call("echo"), token=False), 401, -32603, "www-authenticate"),
    "a page of elsewhere": Row(post(call("echo"), "Origin: http://evil.example"), 403, -32600),
    "a token without the scope": Row(
        post(call("echo"), PERSON, token=False),
        403,
        -32603,
        "www-authenticate",
        rule=scoped("echo", "read"),
    ),
    "a session of nobody": Row(post(call("echo"), "Mcp-Session-Id: none"), 404, -32600),
    "a handshake in the stateless era": Row(
        post(modern("initialize", 7), *stateless(NEW, "initialize")), 404, -32601
    ),
    "another path": Row(post(call("echo"), path="/other"), 404, -32600),
    "another verb": Row(head("PUT /mcp", "Content-Length: 0"), 405, -32600, "allow"),
    "a stream in the stateless era": Row(get(*stateless(NEW)), 405, -32600, "allow"),
    "an answer that may be no stream": Row(
        post(call("echo"), SESSION, accept="application/json"), 406, -32600
    ),
    "a stream that may be none": Row(get(SESSION, accept="application/json"), 406, -32600),
    "a second stream": Row(get(SESSION), 409, -32600, first=get(SESSION), stdio=True),
    "a body that is too long": Row(post(call("echo"), length=5_000_000), 413, -32600),
    "a body of words": Row(post(call("echo"), kind="text/plain"), 415, -32600),
    "a body in a code": Row(post(call("echo"), "Content-Encoding: gzip"), 415, -32600),
    "another host": Row(post(call("echo"), host="evil.example"), 421, -32600),
    "a WebSocket where none is offered": Row(head("GET /mcp", *UPGRADE), 426, -32600, "upgrade"),
    "more calls than the rule lets through": Row(
        post(call("echo"), SESSION),
        429,
        -32603,
        "retry-after",
        first=post(call("echo"), SESSION),
        rule=RARELY,
    ),
    "a head that is too long": Row(post(call("echo"), f"X-Long: {'x' * 17_000}"), 431, -32600),
    "a fault of the proxy's": Row(post(call("echo"), SESSION), 500, -32603, fails=True),
    "a server that says no MCP": Row(post(call("garbage"), SESSION), 502, -32603),
    "more calls than there is room for": Row(
        post(call("echo"), SESSION), 503, -32603, "retry-after", first=post(call("late"), SESSION)
    ),
    "a server that says nothing": Row(post(call("late"), SESSION), 504, -32603),
}


def answer(seen: Seen) -> Reply:
    ident = seen.body["id"]
    match seen.body["params"]["name"]:
        case "late":
            return Reply(body=[], hang=True)
        case "garbage":
            return Reply(body=b"<html>", kind="text/html")
        case "wrong":
            error = {"code": -32602, "message": "no"}
            return Reply(body=orjson.dumps({"jsonrpc": "2.0", "id": ident, "error": error}))
    return Reply(body=orjson.dumps({"jsonrpc": "2.0", "id": ident, "result": {"content": []}}))


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
async def test_every_status_comes_for_what_it_stands_for(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Obligations 4, 5, 6, 7, 8, 10, 12 and 20."""
    peer = Scripted(session="s-1", answers={"tools/call": answer})
    limits = config.Limits(callSeconds=1 if row.status == 504 else 300, concurrency=1)
    server = stdio_rig(*PLAIN, limits=limits) if row.stdio else http_rig(peer, limits=limits)
    async with server as rig, rig.raw() as raw, AsyncExitStack() as connections:
        if row.rule:
            rules = (row.rule,)
            with_issuers(rig, policies=(config.Policy(namespace="tools", name="p", rules=rules),))
        words = await _words(rig, raw)
        if row.fails:
            monkeypatch.setattr(type(rig.backend), "serve", _broken)
        if row.first:
            before = len(peer.seen)
            other = await connections.enter_async_context(Wire(rig.port))
            other.writer.write(row.first.format(**words).encode())
            if row.stdio:
                assert (await _answer(other)).status == 200
            else:
                await until(lambda: len(peer.seen) > before)
        wire = await connections.enter_async_context(Wire(rig.port))
        wire.writer.write(row.written.format(**words).encode())
        said = await _answer(wire)

    assert said.status == row.status
    assert row.header in said.headers or not row.header
    if row.status == 202:
        assert said.body == b""
    else:
        assert said.json["jsonrpc"] == "2.0"
        assert said.json.get("error", {}).get("code") == row.code


async def _words(rig: Rig, raw: Raw) -> dict[str, Any]:
    begun = await raw.initialize()
    return {
        "port": rig.port,
        "token": signing.sign(signing.claims(PLANNER)),
        "person": signing.sign(signing.person(scope="write"), typ="at+jwt"),
        "session": begun.headers.get("mcp-session-id", ""),
    }


async def _broken(*_: Any) -> None:
    raise RuntimeError("nobody foresaw it")


async def _answer(wire: Wire) -> Answer:
    async with asyncio.timeout(60):
        return await wire.receive()
