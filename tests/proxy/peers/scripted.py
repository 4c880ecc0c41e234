"""An HTTP backend that answers what a test tells it to, and notes every byte of what came."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from ostiary_proxy.asgi import Receive, Scope, Send

NEW = "2026-07-28"
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "hidden_one")]


@dataclass
class Seen:
    verb: str
    headers: dict[str, str]
    body: Any
    raw: bytes


@dataclass
class Reply:
    status: int = 200
    body: bytes | Iterable[bytes] = b""
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    """Leave the answer open after the last chunk."""
    pause: float = 0.0
    """Seconds before each chunk."""


def result(ident: Any, value: dict[str, Any]) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": ident, "result": value})


def error(ident: Any, code: int, message: str = "no") -> bytes:
    body = {"code": code, "message": message}
    return orjson.dumps({"jsonrpc": "2.0", "id": ident, "error": body})


def event(data: bytes) -> bytes:
    return b"event: message\ndata: " + data + b"\n\n"


@dataclass
class Scripted:
    """`answers`: by method; what is not there is answered as a plain server would."""

    eras: tuple[str, ...] = ("legacy", "modern")
    session: str = ""
    answers: dict[str, Callable[[Seen], Reply]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """A peer left while its answer was open."""

    def asked(self, method: str) -> list[Seen]:
        return [
            one
            for one in self.seen
            if isinstance(one.body, dict) and one.body.get("method") == method
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw, more = b"", True
        while more:
            part = await receive()
            raw += part.get("body", b"")
            more = part.get("more_body", False)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        body = orjson.loads(raw) if raw else None
        seen = Seen(scope["method"], headers, body, raw)
        self.seen.append(seen)
        await self._send(self._reply(seen), receive, send)

    def _reply(self, seen: Seen) -> Reply:
        if seen.verb != "POST":
            return self.answers.get(seen.verb, lambda _: Reply(405))(seen)
        method = seen.body.get("method", "response")
        if method in self.answers:
            return self.answers[method](seen)
        if "id" not in seen.body or method == "response":
            return Reply(202)
        return self._plain(method, seen)

    def _plain(self, method: str, seen: Seen) -> Reply:
        ident = seen.body["id"]
        match method:
            case "server/discover" if "modern" in self.eras:
                return Reply(body=result(ident, {"supportedVersions": [NEW], "capabilities": {}}))
            case "initialize" if "legacy" in self.eras:
                headers = {"mcp-session-id": self.session} if self.session else {}
                value = {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "serverInfo": {"name": "scripted", "version": "1"},
                }
                return Reply(body=result(ident, value), headers=headers)
            case "tools/list":
                return Reply(body=result(ident, {"tools": TOOLS}))
            case "server/discover" | "initialize":
                return Reply(400, error(ident, -32601))
        return Reply(body=result(ident, {"content": [], "method": method}))

    async def _send(self, reply: Reply, receive: Receive, send: Send) -> None:
        chunks = [reply.body] if isinstance(reply.body, bytes) else list(reply.body)
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        if not reply.hang and isinstance(reply.body, bytes):
            headers.append((b"content-length", str(len(reply.body)).encode()))
        headers.append((b"content-type", reply.kind.encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        for chunk in chunks:
            if reply.pause:
                await asyncio.sleep(reply.pause)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if reply.hang:
            while (await receive())["type"] != "http.disconnect":
                pass
            self.gone.set()
            return
        await send({"type": "http.response.body"})
