"""Streams that a caller holds for the server's own messages: GET and `subscriptions/listen`."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2
import orjson
from tests.proxy.peers.scripted import Reply, Scripted, Seen, event
from tests.proxy.rig import Raw, Rig, http_rig, modern, modern_headers, peer_command, stdio_rig
from tests.proxy.test_session import open_session

LISTEN = "subscriptions/listen"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


async def session_of(raw: Raw) -> dict[str, str]:
    """A new session's headers for its GET stream."""
    return {"mcp-session-id": await open_session(raw), "accept": "text/event-stream"}


def held(raw: Raw, session: dict[str, str]) -> AbstractAsyncContextManager[httpx2.Response]:
    return raw.http.stream("GET", raw.url, headers=session)


def listening(
    raw: Raw, ident: str = "L", **more: Any
) -> AbstractAsyncContextManager[httpx2.Response]:
    """`more`: notifications that are wanted beside those of changed tools."""
    body = modern(LISTEN, ident, notifications={"toolsListChanged": True, **more})
    headers = {name.replace("_", "-"): text for name, text in modern_headers(LISTEN, {}).items()}
    headers["content-type"] = "application/json"
    return raw.http.stream("POST", raw.url, content=orjson.dumps(body), headers=headers)


@asynccontextmanager
async def patient(transport: str) -> AsyncIterator[tuple[Rig, Scripted]]:
    """A proxy before a server that ends no stream of its own accord; over HTTP it is `Scripted`."""
    peer = Scripted(session="s1", answers={"GET": _silent, LISTEN: _acknowledged})
    made = http_rig(peer) if transport == "http" else stdio_rig(*peer_command("plain.py"))
    async with made as rig:
        yield rig, peer


def _silent(seen: Seen) -> Reply:
    return Reply(body=[], hang=True, kind="text/event-stream")


def _acknowledged(seen: Seen) -> Reply:
    meta = {SUBSCRIPTION: seen.body["id"]}
    params = {"notifications": seen.body["params"]["notifications"], "_meta": meta}
    method = "notifications/subscriptions/acknowledged"
    note = event(orjson.dumps({"jsonrpc": "2.0", "method": method, "params": params}))
    return Reply(body=[note], hang=True, kind="text/event-stream")
