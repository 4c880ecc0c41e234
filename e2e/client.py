"""A real MCP client, the Python SDK's, as a command: it runs inside the tests' client pods.

    TOKEN=... python3 client.py URL [--era auto|legacy|modern] [--way http|sse|ws] list
    TOKEN=@FILE python3 client.py URL call TOOL ARGUMENTS_JSON
    TOKEN=... python3 client.py URL each CALLS_JSON
    TOKEN=... python3 client.py URL tour TOOL ARGUMENTS_JSON

Prints one JSON object: protocolVersion, server, and tools or result.  `each` lists, and then makes
calls ([[tool, arguments], ...]) in the same session: tools, and results by tool.  `tour` makes the
call in both eras over each way in (streamable HTTP, HTTP+SSE, WebSocket) and prints a list of such
objects, each with its way and era.  What fails is a sentence on stderr and exit code 1."""

import argparse
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

MODERN = "2026-07-28"
MODES = {"auto": "auto", "legacy": "legacy", "modern": MODERN}
WAYS = {"http": "", "sse": "/sse", "ws": "/ws"}
"""Below the endpoint's URL, or in place of its last step where that is /mcp."""
SECONDS = 30


def credentials() -> dict[str, str]:
    given = os.environ.get("TOKEN", "")
    token = Path(given[1:]).read_text().strip() if given.startswith("@") else given
    return {"Authorization": f"Bearer {token}"} if token else {}


@asynccontextmanager
async def over_http(url: str) -> AsyncIterator[Any]:
    trusted = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
    client = httpx2.AsyncClient(
        headers=credentials(), timeout=SECONDS, trust_env=False, verify=trusted
    )
    async with client as http, streamable_http_client(url, http_client=http) as streams:
        yield streams


@asynccontextmanager
async def over_websocket(url: str) -> AsyncIterator[Any]:
    """The SDK has no such transport any more: one message per text frame."""
    options: dict[str, Any] = {"additional_headers": credentials(), "compression": None}
    where = url.replace("http", "ws", 1)
    async with (
        connect(where, subprotocols=[Subprotocol("mcp")], proxy=None, **options) as socket,
        anyio.create_task_group() as tasks,
    ):
        heard, received = anyio.create_memory_object_stream[SessionMessage | Exception]()
        sent, said = anyio.create_memory_object_stream[SessionMessage]()
        tasks.start_soon(hear, socket, heard)
        tasks.start_soon(say, socket, said)
        async with received, sent:
            yield received, sent
        tasks.cancel_scope.cancel()


async def hear(socket: ClientConnection, heard: Any) -> None:
    async with heard:
        async for text in socket:
            await heard.send(SessionMessage(jsonrpc_message_adapter.validate_json(text)))


async def say(socket: ClientConnection, said: Any) -> None:
    async with said:
        async for each in said:
            await socket.send(each.message.model_dump_json(by_alias=True, exclude_unset=True))


def transport(url: str, way: str) -> Any:
    if way == "http":
        return over_http(url)
    where = url.removesuffix("/mcp") + WAYS[way]
    if way == "sse":
        return sse_client(where, headers=credentials(), timeout=SECONDS)
    return over_websocket(where)


async def ask(options: argparse.Namespace, era: str, way: str) -> dict[str, Any]:
    with anyio.fail_after(SECONDS):
        async with Client(transport(options.url, way), mode=MODES[era]) as client:
            found: dict[str, Any] = {"protocolVersion": client.protocol_version}
            if client.server_info is not None:
                found["server"] = client.server_info.model_dump(by_alias=True, mode="json")
            if options.action in ("list", "each"):
                found |= {"tools": dumped(await client.list_tools())["tools"]}
            if options.action == "each":
                calls = json.loads(options.calls)
                done = {tool: dumped(await client.call_tool(tool, given)) for tool, given in calls}
                found |= {"results": done}
            if options.action in ("list", "each"):
                return found
            arguments = json.loads(options.arguments)
            return found | {"result": dumped(await client.call_tool(options.tool, arguments))}


async def tour(options: argparse.Namespace) -> list[dict[str, Any]]:
    return [
        {"way": way, "era": era} | await ask(options, era, way)
        for way in WAYS
        for era in ("legacy", "modern")
    ]


def dumped(model: Any) -> Any:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


def leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [error]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--era", choices=sorted(MODES), default="auto")
    parser.add_argument("--way", choices=sorted(WAYS), default="http")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list")
    actions.add_parser("each").add_argument("calls")
    for name in ("call", "tour"):
        action = actions.add_parser(name)
        action.add_argument("tool")
        action.add_argument("arguments", nargs="?", default="{}")
    options = parser.parse_args()
    failed = False
    try:
        done = tour if options.action == "tour" else ask
        given = (options,) if options.action == "tour" else (options, options.era, options.way)
        print(json.dumps(anyio.run(done, *given)))
    except* (MCPError, httpx2.HTTPError, WebSocketException, OSError) as errors:
        failed = True  # an except* clause may not return
        for error in leaves(errors):
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
