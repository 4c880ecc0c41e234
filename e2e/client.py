"""A real MCP client, the Python SDK's, as a command: it runs inside the tests' client pods.

    TOKEN=... python3 client.py URL [--era auto|legacy|modern] list
    TOKEN=@FILE python3 client.py URL call TOOL ARGUMENTS_JSON

Prints one JSON object: protocolVersion, server, and tools or result.  What fails is a sentence on
stderr and exit code 1."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

MODERN = "2026-07-28"
MODES = {"auto": "auto", "legacy": "legacy", "modern": MODERN}
SECONDS = 30


def token() -> str:
    given = os.environ.get("TOKEN", "")
    return Path(given[1:]).read_text().strip() if given.startswith("@") else given


async def ask(options: argparse.Namespace) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token()}"} if token() else {}
    async with httpx2.AsyncClient(headers=headers, timeout=SECONDS, trust_env=False) as http:
        transport = streamable_http_client(options.url, http_client=http)
        async with Client(transport, mode=MODES[options.era]) as client:
            found: dict[str, Any] = {"protocolVersion": client.protocol_version}
            if client.server_info is not None:
                found["server"] = client.server_info.model_dump(by_alias=True, mode="json")
            if options.action == "list":
                return found | {"tools": dumped(await client.list_tools())["tools"]}
            arguments = json.loads(options.arguments)
            return found | {"result": dumped(await client.call_tool(options.tool, arguments))}


def dumped(model: Any) -> Any:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


def leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [error]


async def bounded(options: argparse.Namespace) -> dict[str, Any]:
    with anyio.fail_after(SECONDS):
        return await ask(options)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--era", choices=sorted(MODES), default="auto")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list")
    call = actions.add_parser("call")
    call.add_argument("tool")
    call.add_argument("arguments", nargs="?", default="{}")
    options = parser.parse_args()
    failed = False
    try:
        print(json.dumps(anyio.run(bounded, options)))
    except* (MCPError, httpx2.HTTPError, OSError) as errors:
        failed = True  # an except* clause may not return
        for error in leaves(errors):
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
