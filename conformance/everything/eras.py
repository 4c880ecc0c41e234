"""The everything-server with one era taken away, for what a bridge between eras must do.

Over HTTP the requests of the other era are answered as servers of that time do; over stdio the
other era's opening is unknown to it.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Receive, Scope, Send

Era = Literal["both", "legacy", "modern"]
Reading = MemoryObjectReceiveStream[SessionMessage | Exception]
Writing = MemoryObjectSendStream[SessionMessage]
VERSION: Final = b"mcp-protocol-version"


class OneEra:
    """ASGI: refuses the other era by its header, as neither looks further."""

    def __init__(self, app: ASGIApp, era: Era) -> None:
        self._app, self._era = app, era

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._speaks(dict(scope["headers"])):
            await self._app(scope, receive, send)
            return
        body = json.dumps({"jsonrpc": "2.0", "id": None, "error": self._error()}).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 400, "headers": head})
        await send({"type": "http.response.body", "body": body})

    def _speaks(self, headers: dict[bytes, bytes]) -> bool:
        version = headers.get(VERSION)
        legacy = version is None or version.decode("latin-1") in HANDSHAKE_PROTOCOL_VERSIONS
        return legacy is (self._era == "legacy")

    def _error(self) -> dict[str, object]:
        if self._era == "legacy":
            return {"code": types.INVALID_REQUEST, "message": "Unsupported protocol version"}
        data = {"supported": list(MODERN_PROTOCOL_VERSIONS), "requested": ""}
        message = "Unsupported protocol version"
        return {"code": types.UNSUPPORTED_PROTOCOL_VERSION, "message": message, "data": data}


@asynccontextmanager
async def held_to(era: Era, read: Reading, write: Writing) -> AsyncIterator[Reading]:
    """stdio: the other era's opening is an unknown method.  The SDK's server must not see it: its
    first message decides which era the process speaks from then on."""
    unknown = {"legacy": "server/discover", "modern": "initialize", "both": ""}[era]
    send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](0)

    async def pass_on() -> None:
        async with send:
            async for item in read:
                asked = item.message if isinstance(item, SessionMessage) else None
                if isinstance(asked, types.JSONRPCRequest) and asked.method == unknown:
                    await write.send(_unknown(asked))
                else:
                    await send.send(item)

    async with anyio.create_task_group() as group:
        group.start_soon(pass_on)
        yield receive
        group.cancel_scope.cancel()


def _unknown(asked: types.JSONRPCRequest) -> SessionMessage:
    message = f"Method not found: {asked.method}"
    error = types.ErrorData(code=types.METHOD_NOT_FOUND, message=message)
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=asked.id, error=error))
