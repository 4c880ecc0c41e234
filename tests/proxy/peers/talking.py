"""A server behind a WebSocket, on the `websockets` library's own server: an honest peer.

It answers as `pushing` does, one message per text frame.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from tests.proxy.peers.scripted import TOOLS, error, result
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol


@dataclass
class Talking:
    heads: list[dict[str, str]] = field(default_factory=list)
    said: list[Any] = field(default_factory=list)
    live: list[ServerConnection] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    """Codes with which clients closed."""
    silent: frozenset[str] = frozenset()
    """Methods that are never answered."""

    async def _serve(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        self.heads.append({name.lower(): value for name, value in request.headers.raw_items()})
        self.live.append(connection)
        with suppress(ConnectionClosed):
            async for line in connection:
                body = orjson.loads(line)
                self.said.append(body)
                reply = self._reply(body)
                if reply:
                    await connection.send(reply.decode())
        self.closed.append(connection.close_code or 0)

    def _reply(self, body: Any) -> bytes:
        method, ident = body.get("method"), body.get("id")
        match method:
            case _ if ident is None or method is None or method in self.silent:
                return b""
            case "server/discover":
                return error(ident, -32601)
            case "initialize":
                info = {"name": "talking", "version": "1"}
                version = body["params"]["protocolVersion"]
                value = {"protocolVersion": version, "capabilities": {}, "serverInfo": info}
                return result(ident, value)
            case "tools/list":
                return orjson.dumps(
                    orjson.loads(result(ident, {"tools": TOOLS})), option=orjson.OPT_INDENT_2
                )
            case "prompts/list" | "resources/list" | "resources/templates/list":
                return error(ident, -32601)
            case "tools/call" if body["params"]["name"] == "echo":
                return result(ident, {"content": [], "odd": body["params"]})
        return b""

    @asynccontextmanager
    async def served(self, **options: Any) -> AsyncIterator[int]:
        async with serve(
            self._serve, "127.0.0.1", 0, subprotocols=[Subprotocol("mcp")], **options
        ) as server:
            yield next(iter(server.sockets)).getsockname()[1]
            for connection in self.live:
                asyncio.get_running_loop().call_soon(connection.transport.abort)
