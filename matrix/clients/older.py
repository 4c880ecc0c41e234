"""The Python SDK as it was once: `older.py URL TOKEN OTHER_TOKEN REVISION FEATURE...`.

That of 2024-11-05 comes over HTTP+SSE, which was all there was.  Tries every feature that is named
and prints a line of JSON for each: what came, or why it failed.
"""

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from mcp import ClientSession, McpError, types
from pydantic import AnyUrl
from trying import try_all

URL, TOKEN, _, REVISION, *FEATURES = sys.argv[1:]
MEMO = AnyUrl("memo:one")


class Heard:
    def __init__(self) -> None:
        self.logs: list[str] = []
        self.asked: list[str] = []
        self.server: types.InitializeResult | None = None


@asynccontextmanager
async def streams() -> AsyncIterator[tuple[Any, Any]]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    if REVISION == "2024-11-05":
        from mcp.client.sse import sse_client

        async with sse_client(URL.removesuffix("/mcp") + "/sse", headers) as (read, write):
            yield read, write
    else:
        from mcp.client.streamable_http import streamablehttp_client

        async with streamablehttp_client(URL, headers) as (read, write, _):
            yield read, write


@asynccontextmanager
async def client(heard: Heard) -> AsyncIterator[ClientSession]:
    async def elicit(_: Any, params: Any) -> Any:
        heard.asked.append(params.message)
        return types.ElicitResult(action="accept", content={"colour": "red"})

    async def sample(_: Any, params: Any) -> types.CreateMessageResult:
        content = types.TextContent(type="text", text="mirth")
        return types.CreateMessageResult(role="assistant", content=content, model="m")

    async def roots(_: Any) -> Any:
        return types.ListRootsResult(roots=[types.Root(uri="file:///home")])

    async def log(params: types.LoggingMessageNotificationParams) -> None:
        heard.logs.append(str(params.data))

    can = {
        "elicitation_callback": elicit,
        "sampling_callback": sample,
        "list_roots_callback": roots,
        "logging_callback": log,
    }
    known = inspect.signature(ClientSession).parameters
    options = {name: value for name, value in can.items() if name in known}
    async with streams() as (read, write), ClientSession(read, write, **options) as session:
        heard.server = await session.initialize()
        yield session


def said(result: types.CallToolResult) -> str:
    text = str(result.content[0].text)
    if result.isError:
        raise RuntimeError(text)
    return text


async def version(session: ClientSession, heard: Heard) -> Any:
    return heard.server.protocolVersion


async def identity(session: ClientSession, heard: Heard) -> Any:
    server = heard.server
    return [server.serverInfo.name, server.serverInfo.version, server.instructions]


async def echo(session: ClientSession, heard: Heard) -> Any:
    await session.list_tools()
    return said(await session.call_tool("echo", {"text": "hello", "region": "Köln"}))


async def lists(session: ClientSession, heard: Heard) -> Any:
    templates = await session.list_resource_templates()
    return {
        "tools": [tool.name for tool in (await session.list_tools()).tools],
        "resources": [str(one.uri) for one in (await session.list_resources()).resources],
        "templates": [one.uriTemplate for one in templates.resourceTemplates],
        "prompts": [prompt.name for prompt in (await session.list_prompts()).prompts],
    }


async def logging(session: ClientSession, heard: Heard) -> Any:
    await session.set_logging_level("warning")
    await session.call_tool("talk")
    while "warning words" not in heard.logs:  # noqa: ASYNC110 -- it comes from another task
        await asyncio.sleep(0.05)
    return "warning words"


def call(tool: str) -> Callable[[ClientSession, Heard], Awaitable[Any]]:
    async def called(session: ClientSession, heard: Heard) -> Any:
        return said(await session.call_tool(tool))

    return called


async def form(session: ClientSession, heard: Heard) -> Any:
    return [said(await session.call_tool("ask")), heard.asked.pop()]


async def cannot_be_asked(session: ClientSession, heard: Heard) -> Any:
    try:
        return (await session.call_tool("ask")).isError
    except McpError:
        return True


async def resources(session: ClientSession, heard: Heard) -> Any:
    read = await session.read_resource(MEMO)
    try:
        await session.read_resource(AnyUrl("memo:none"))
    except McpError as err:
        return [read.contents[0].text, err.error.code]
    return [read.contents[0].text, None]


async def prompts(session: ClientSession, heard: Heard) -> Any:
    prompt = await session.get_prompt("greet")
    reference = types.PromptReference(type="ref/prompt", name="greet")
    completed = await session.complete(reference, {"name": "name", "value": "A"})
    return [prompt.messages[0].content.text, completed.completion.values]


TRIES: dict[str, Callable[[ClientSession, Heard], Awaitable[Any]]] = {
    "every_revision_is_served": version,
    "who_the_server_is_reaches_the_client": identity,
    "lists_and_templates": lists,
    "calls_with_mirrored_arguments": echo,
    "logging": logging,
    "sampling": call("dream"),
    "elicitation_by_form": form,
    "roots": call("places"),
    "a_client_that_cannot_be_asked": cannot_be_asked,
    "resources": resources,
    "prompts_and_completion": prompts,
}


async def main() -> None:
    heard = Heard()
    async with client(heard) as session:
        await try_all(FEATURES, TRIES, session, heard)


if __name__ == "__main__":
    asyncio.run(main())
