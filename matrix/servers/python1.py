"""The Python SDK 1.x as a server: the tools of tests/proxy/peers/features.py, in its one era.

`python1.py stdio` or `python1.py http PORT`.
"""

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from mcp import McpError, types
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import UrlElicitationRequiredError
from pydantic import AnyUrl
from starlette.applications import Starlette
from starlette.routing import Mount

LEVELS = ("debug", "info", "notice", "warning", "error")
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"colour": {"type": "string"}}}
OPEN: dict[str, Any] = {"type": "object", "additionalProperties": True}
PAGE = "https://example.org/consent"
MEMO = AnyUrl("memo:one")
ASKING = ("ask", "visit", "consent", "dream", "places", "both", "pieces")
NAMES = ("echo", "count", "talk", "wait", *ASKING, "sing", "grow", "touch", "notes")


class Features(Server[Any, Any]):
    def __init__(self) -> None:
        super().__init__("features", version="7", instructions="Try them all.")
        self.calls: list[str] = []
        self.cancelled: list[str] = []
        self.levels: dict[Any, str] = {}
        self.consented = False
        self.extra = False

    def get_capabilities(self, *_: Any) -> types.ServerCapabilities:
        """This SDK never says that it knows subscriptions, nor by itself what it announces."""
        said = super().get_capabilities(NotificationOptions(True, True, True), {})
        assert said.resources is not None
        said.resources.subscribe = True
        return said


server = Features()


@server.list_tools()
async def list_tools() -> list[types.Tool]:
    names = (*NAMES, "grown") if server.extra else NAMES
    return [types.Tool(name=name, inputSchema=OPEN) for name in names]


@server.call_tool()
async def call(name: str, arguments: dict[str, Any]) -> types.CallToolResult:
    server.calls.append(name)
    session, ident = server.request_context.session, server.request_context.request_id
    match name:
        case "echo":
            return text(str(arguments.get("text", "")))
        case "count":
            return await count()
        case "talk":
            least = LEVELS.index(server.levels.get(session, "debug"))
            for level in ("debug", "warning"):
                if LEVELS.index(level) >= least:
                    await session.send_log_message(
                        level, f"{level} words", related_request_id=ident
                    )
            return text("talked")
        case "wait":
            try:
                await asyncio.Event().wait()
            finally:
                server.cancelled.append(str(arguments.get("name", "")))
        case "notes":
            return text(json.dumps({"calls": server.calls, "cancelled": server.cancelled}))
        case "grow":
            server.extra = True
            await session.send_tool_list_changed()
            return text("grown")
        case "touch":
            await session.send_resource_updated(MEMO)
            return text("touched")
        case "sing":
            return types.CallToolResult(
                content=[
                    types.AudioContent(type="audio", data="AAAA", mimeType="audio/wav"),
                    types.ResourceLink(type="resource_link", name="song", uri=MEMO),
                ]
            )
    return await ask(name)


async def count() -> types.CallToolResult:
    context = server.request_context
    if context.meta and context.meta.progressToken is not None:
        for step in (1, 2, 3):
            await context.session.send_progress_notification(
                context.meta.progressToken, step, 3, f"step {step}", str(context.request_id)
            )
    return text("counted")


async def ask(name: str) -> types.CallToolResult:
    session, ident = server.request_context.session, server.request_context.request_id
    match name:
        case "ask":
            return text(said(await session.elicit_form("Which colour?", SCHEMA, ident)))
        case "visit":
            return text(said(await session.elicit_url("Go there", PAGE, "e-1", ident)))
        case "dream":
            content = types.TextContent(type="text", text="a word?")
            message = types.SamplingMessage(role="user", content=content)
            answer = await session.create_message([message], max_tokens=5, related_request_id=ident)
            return text(answer.content.text)
        case "places":
            return text(roots(await session.list_roots()))
        case "both" | "pieces":
            colour = said(await session.elicit_form("Which colour?", SCHEMA, ident))
            return text(f"{colour} {roots(await session.list_roots())}")
        case "consent":
            if server.consented:
                return text("consented")
            server.consented = True
            page = types.ElicitRequestURLParams(
                mode="url", message="Go there", url=PAGE, elicitationId="e-1"
            )
            raise UrlElicitationRequiredError([page])
    raise McpError(types.ErrorData(code=types.INVALID_PARAMS, message=f"no tool {name}"))


def text(value: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=value)])


def said(answer: types.ElicitResult) -> str:
    return str((answer.content or {}).get("colour", answer.action))


def roots(answer: types.ListRootsResult) -> str:
    return ",".join(str(root.uri) for root in answer.roots)


@server.list_resources()
async def list_resources() -> list[types.Resource]:
    return [types.Resource(name="one", uri=MEMO)]


@server.list_resource_templates()
async def list_templates() -> list[types.ResourceTemplate]:
    return [types.ResourceTemplate(name="memo", uriTemplate="memo:{name}")]


@server.read_resource()
async def read(uri: AnyUrl) -> list[ReadResourceContents]:
    if str(uri) == "memo:none":
        error = types.ErrorData(code=-32002, message="no such memo", data={"uri": str(uri)})
        raise McpError(error)
    return [ReadResourceContents(content="remember", mime_type="text/plain")]


@server.subscribe_resource()
async def subscribe(uri: AnyUrl) -> None:
    pass


@server.unsubscribe_resource()
async def unsubscribe(uri: AnyUrl) -> None:
    pass


@server.list_prompts()
async def list_prompts() -> list[types.Prompt]:
    return [types.Prompt(name="greet")]


@server.get_prompt()
async def prompt(name: str, arguments: dict[str, str] | None) -> types.GetPromptResult:
    content = types.TextContent(type="text", text="Hello")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])


@server.completion()
async def complete(
    reference: Any, argument: types.CompletionArgument, context: Any
) -> types.Completion:
    return types.Completion(values=[f"{argument.value}nna"])


@server.set_logging_level()
async def set_level(level: types.LoggingLevel) -> None:
    server.levels[server.request_context.session] = level


async def stdio() -> None:
    async with stdio_server() as (read_stream, write_stream):
        await server.run(read_stream, write_stream, server.create_initialization_options())


def http(port: int) -> None:
    sessions = StreamableHTTPSessionManager(server)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        async with sessions.run():
            yield

    app = Starlette(routes=[Mount("/", app=sessions.handle_request)], lifespan=lifespan)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        asyncio.run(stdio())
    else:
        http(int(sys.argv[2]))
