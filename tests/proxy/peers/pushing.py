"""A server of 2024-11-05 that does what a test tells it to: an event stream, and POSTs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from tests.proxy.peers.scripted import TOOLS, error, event, result

from ostiary_proxy.asgi import Receive, Scope, Send

OLD = "2024-11-05"


@dataclass
class Post:
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Pushing:
    endpoint: bytes | None = None
    """What the first event says; empty: nothing; None: an address of the stream's own."""
    status: int = 200
    kind: str = "text/event-stream"
    taken: Callable[[Post], int] = lambda post: 202
    """The status of a POST."""
    posts: list[Post] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    streams: list["asyncio.Queue[bytes | None]"] = field(default_factory=list)
    """What to push to each; None ends it."""

    def asked(self, method: str) -> list[Post]:
        return [it for it in self.posts if it.body.get("method") == method]

    def push(self, data: bytes) -> None:
        self.streams[-1].put_nowait(data)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if scope["method"] == "GET":
            await self._stream(headers, receive, send)
            return
        body, more = b"", True
        while more:
            part = await receive()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        path = scope["path"] + "?" + scope["query_string"].decode()
        post = Post(path, headers, orjson.loads(body))
        self.posts.append(post)
        status = self.taken(post)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"Accepted"})
        if status == 202:
            self._answer(post)

    def _answer(self, post: Post) -> None:
        number = post.path.rpartition("session=")[2]
        stream = self.streams[int(number) - 1]
        method, ident = post.body.get("method"), post.body.get("id")
        if ident is None or method is None:
            return
        match method:
            case "server/discover":
                stream.put_nowait(event(error(ident, -32601)))
            case "initialize":
                info = {"name": "pushing", "version": "1"}
                value = {"protocolVersion": OLD, "capabilities": {}, "serverInfo": info}
                stream.put_nowait(event(result(ident, value)))
            case "tools/list":
                stream.put_nowait(event(result(ident, {"tools": TOOLS})))
            case "prompts/list" | "resources/list" | "resources/templates/list":
                stream.put_nowait(event(error(ident, -32601)))
            case "tools/call" if post.body["params"]["name"] == "echo":
                said = {"content": [], "odd": post.body["params"]}
                stream.put_nowait(event(result(ident, said)))

    async def _stream(self, headers: dict[str, str], receive: Receive, send: Send) -> None:
        self.heads.append(headers)
        lines = [(b"content-type", self.kind.encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": lines})
        if self.status != 200:
            await send({"type": "http.response.body"})
            return
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.streams.append(queue)
        endpoint = self.endpoint
        if endpoint is None:
            endpoint = b"/messages?session=%d" % len(self.streams)
        if endpoint:
            queue.put_nowait(b"event: endpoint\r\ndata: " + endpoint + b"\r\n\r\n")
        while (chunk := await queue.get()) is not None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})
