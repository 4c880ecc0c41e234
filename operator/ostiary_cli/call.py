"""`ostiary tools` and `ostiary call`: an endpoint as an ordinary client of the `mcp` SDK sees it.

Prints what came back, or a sentence that says what is wrong.  Decides nothing.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TextIO

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, TextContent, Tool

from .arguments import Unusable, read_arguments
from .endpoint import WRONG, CallFailed, Endpoint, refused, unreachable, why_of
from .terminal import shown

CONNECT_SECONDS: Final = 10
ANSWER_SECONDS: Final = 300
MOST_PAGES: Final = 100


@dataclass(slots=True)
class _Seen:
    """The last refusal on the way, which the SDK keeps to itself."""

    status: int = 0

    async def note(self, response: httpx2.Response) -> None:
        if response.status_code >= 400:
            self.status = response.status_code


@asynccontextmanager
async def connected(endpoint: Endpoint) -> AsyncIterator[Client]:
    """A session in whatever era the server speaks; every failure becomes a `CallFailed`."""
    seen = _Seen()
    timeout = httpx2.Timeout(CONNECT_SECONDS, read=ANSWER_SECONDS)
    try:
        async with (
            httpx2.AsyncClient(
                headers=endpoint.headers, timeout=timeout, event_hooks={"response": [seen.note]}
            ) as http,
            Client(streamable_http_client(endpoint.url, http_client=http)) as client,
        ):
            yield client
    except BaseExceptionGroup as group:
        raise _failed(_first(group), endpoint, seen) from group
    except (MCPError, httpx2.HTTPError, TimeoutError) as err:
        raise _failed(err, endpoint, seen) from err


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _failed(err: BaseException, endpoint: Endpoint, seen: _Seen) -> BaseException:
    if isinstance(err, CallFailed):
        return err
    if isinstance(err, MCPError):
        said = refused(endpoint, seen.status, err.error.message)
        return CallFailed(said + why_of(endpoint, err.error.data))
    if isinstance(err, httpx2.TimeoutException | TimeoutError):
        return CallFailed(f"{endpoint.url} did not answer in time.")
    if isinstance(err, httpx2.HTTPError):
        return CallFailed(unreachable(endpoint, err))
    return err


async def list_tools(client: Client) -> list[Tool]:
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools


async def show_tools(endpoint: Endpoint, *, as_json: bool, out: TextIO) -> int:
    async with connected(endpoint) as client:
        tools = await list_tools(client)
    if as_json:
        listed = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
        print(json.dumps({"tools": listed}), file=out)
    elif not tools:
        print("No tool that this caller may use.", file=out)
    else:
        for tool in tools:
            print(shown(_line(tool)), file=out)
    return 0


def _line(tool: Tool) -> str:
    required = tool.input_schema.get("required") or ()
    names = [
        f"{name}=" if name in required else f"[{name}=]"
        for name in tool.input_schema.get("properties") or {}
    ]
    first, *_ = (tool.description or "").strip().splitlines() or [""]
    return f"{' '.join([tool.name, *names])}" + (f"\n    {first}" if first else "")


async def show_call(
    endpoint: Endpoint,
    name: str,
    pairs: list[str],
    given: str | None,
    *,
    as_json: bool,
    out: TextIO,
) -> int:
    """0: the tool answered; 1: it says that it failed."""
    async with connected(endpoint) as client:
        tool = next((tool for tool in await list_tools(client) if tool.name == name), None)
        arguments = read_arguments(pairs, given, tool.input_schema if tool else {})
        if isinstance(arguments, Unusable):
            raise CallFailed(arguments.message, code=WRONG)
        result = await client.call_tool(name, arguments)
    if as_json:
        print(
            json.dumps(result.model_dump(mode="json", by_alias=True, exclude_none=True)), file=out
        )
    else:
        print(shown(_text(result) + why_of(endpoint, result.meta)), file=out)
    return 1 if result.is_error else 0


def _text(result: CallToolResult) -> str:
    parts = [
        item.text
        if isinstance(item, TextContent)
        else json.dumps(item.model_dump(mode="json", by_alias=True, exclude_none=True))
        for item in result.content
    ]
    if not parts and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, indent=2)]
    return "\n".join(parts)


def run(work: Any, *arguments: Any) -> int:
    """The loop of one command."""
    return int(anyio.run(work, *arguments))
