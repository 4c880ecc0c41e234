"""An endpoint that answers as a test tells it to, and a relay in front of it, in one process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson
from tests.proxy.rig import served

from ostiary_cli.endpoint import Endpoint
from ostiary_cli.relay import Relay
from ostiary_proxy.asgi import Receive, Scope, Send

PATIENCE = 20.0


@dataclass
class Asked:
    verb: str
    headers: dict[str, str]
    body: Any

    @property
    def method(self) -> str:
        return self.body.get("method", "") if isinstance(self.body, dict) else ""


@dataclass
class Says:
    """One answer."""

    body: bytes = b""
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    """Leave it open after the last byte."""
    until: asyncio.Event | None = None
    """Nothing is said before it is set."""


def result(ident: Any, **value: Any) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": ident, "result": value})


def error(ident: Any, code: int, message: str = "no") -> bytes:
    body = {"code": code, "message": message}
    return orjson.dumps({"jsonrpc": "2.0", "id": ident, "error": body})


def events(*messages: bytes, ident: str = "") -> Says:
    lines = f"id: {ident}\nretry: 10\n".encode() if ident else b""
    body = b"".join(lines + b"data: " + message + b"\n\n" for message in messages)
    return Says(body or lines + b"data: \n\n", kind="text/event-stream")


@dataclass
class Fake:
    """`answer`: what it says to each request; None: 202."""

    answer: Callable[[Asked], Says | None]
    asked: list[Asked] = field(default_factory=list)

    def methods(self) -> list[str]:
        return [it.method or it.verb for it in self.asked]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        one = Asked(scope["method"], headers, orjson.loads(body) if body else None)
        self.asked.append(one)
        says = self.answer(one) or Says(status=202)
        if says.until is not None:
            await says.until.wait()
        lines = {"content-type": says.kind, **says.headers}
        raw = [(name.encode(), value.encode()) for name, value in lines.items()]
        await send({"type": "http.response.start", "status": says.status, "headers": raw})
        await send({"type": "http.response.body", "body": says.body, "more_body": says.hang})
        while says.hang and (await receive())["type"] != "http.disconnect":
            pass


@dataclass
class Local:
    """The client's side."""

    lines: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    heard: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    told: list[str] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """The end of the lines has been read."""
    hurry: Callable[[], None] = lambda: None

    def send(self, *messages: Any) -> None:
        for message in messages:
            self.lines.put_nowait(orjson.dumps(message))

    async def hear(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            return await self.heard.get()

    async def emit(self, line: bytes) -> None:
        assert b"\n" not in line
        self.heard.put_nowait(orjson.loads(line))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (line := await self.lines.get()) is not None:
            yield line
        self.ended.set()

    def left(self) -> Iterable[Any]:
        while not self.heard.empty():
            yield self.heard.get_nowait()


@asynccontextmanager
async def relayed(fake: Fake) -> AsyncIterator[Local]:
    local = Local()
    async with served(fake) as port, httpx2.AsyncClient(timeout=PATIENCE) as http:
        endpoint = Endpoint(f"http://127.0.0.1:{port}/mcp")
        relay = Relay(endpoint=endpoint, http=http, emit=local.emit, tell=local.told.append)
        local.hurry = relay.hurry
        async with asyncio.TaskGroup() as group:
            running = group.create_task(relay.run(aiter(local)))
            yield local
            local.lines.put_nowait(None)
            async with asyncio.timeout(PATIENCE):
                await running
