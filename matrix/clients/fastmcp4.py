"""FastMCP as a client, in either era: `fastmcp4.py URL TOKEN OTHER_TOKEN legacy|auto FEATURE...`.

Tries every feature that is named and prints a line of JSON for each: what came, or why it failed.
What should have come is not known here.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from trying import SECONDS, try_all

URL, TOKEN, OTHER_TOKEN, ERA, *FEATURES = sys.argv[1:]
LOG_LEVEL = "io.modelcontextprotocol/logLevel"


class Heard:
    def __init__(self) -> None:
        self.logs: list[str] = []
        self.asked: list[str] = []


def client(
    heard: Heard, *, token: str = TOKEN, colour: str = "red", asks: bool = True
) -> Client[Any]:
    async def elicit(message: str, _: Any, params: types.ElicitRequestParams, __: Any) -> Any:
        heard.asked.append(message)
        content = {"colour": colour} if isinstance(params, types.ElicitRequestFormParams) else None
        return ElicitResult(action="accept", content=content)

    async def sample(*_: Any) -> str:
        return "mirth"

    async def log(params: types.LoggingMessageNotificationParams) -> None:
        heard.logs.append(json.dumps(params.data))

    return Client(
        URL,
        auth=token,
        mode=ERA,
        timeout=SECONDS,
        elicitation_handler=elicit if asks else None,
        sampling_handler=sample,
        roots=["file:///home"],
        log_handler=log,
    )


async def said(session: Client[Any], tool: str, *arguments: Any, **options: Any) -> str:
    return str((await session.call_tool(tool, *arguments, **options)).content[0].text)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await holds():  # noqa: ASYNC110 -- the answer is in another process
            await asyncio.sleep(0.05)


async def version(session: Client[Any], heard: Heard) -> Any:
    return session.protocol_version


async def identity(session: Client[Any], heard: Heard) -> Any:
    info = session.server_info
    return [info and info.name, info and info.version, session.instructions]


async def lists(session: Client[Any], heard: Heard) -> Any:
    return {
        "tools": [tool.name for tool in await session.list_tools()],
        "resources": [str(resource.uri) for resource in await session.list_resources()],
        "templates": [one.uri_template for one in await session.list_resource_templates()],
        "prompts": [prompt.name for prompt in await session.list_prompts()],
    }


async def echo(session: Client[Any], heard: Heard) -> Any:
    await session.list_tools()
    return await said(session, "echo", {"text": "hello", "region": "Köln"})


async def progress(session: Client[Any], heard: Heard) -> Any:
    steps: list[Any] = []

    async def step(done: float, total: float | None, message: str | None) -> None:
        steps.append([done, total, message])

    result = await said(session, "count", progress_handler=step)
    return [result, steps]


async def cancellation(session: Client[Any], heard: Heard) -> Any:
    name = f"fastmcp4-{ERA}-call"
    task = asyncio.get_running_loop().create_task(session.call_tool("wait", {"name": name}))

    async def began() -> bool:
        return name in json.loads(await said(session, "notes"))["waiting"]

    async def ended() -> bool:
        return name in json.loads(await said(session, "notes"))["cancelled"]

    await until(began)
    task.cancel()
    await until(ended)
    await asyncio.wait([task])
    return "cancelled"


async def logging(session: Client[Any], heard: Heard) -> Any:
    """The stateless era has the level in each request."""
    meta = None
    if ERA == "legacy":
        await session.set_logging_level("warning")
    else:
        meta = {LOG_LEVEL: "warning"}
    await session.call_tool("talk", meta=meta)

    async def came() -> bool:
        return any("warning words" in line for line in heard.logs)

    await until(came)
    return "warning words"


def call(tool: str) -> Callable[[Client[Any], Heard], Awaitable[Any]]:
    async def called(session: Client[Any], heard: Heard) -> Any:
        return await said(session, tool)

    return called


async def form(session: Client[Any], heard: Heard) -> Any:
    return [await said(session, "ask"), heard.asked.pop()]


async def url(session: Client[Any], heard: Heard) -> Any:
    return [await said(session, "visit"), heard.asked.pop()]


async def several(session: Client[Any], heard: Heard) -> Any:
    return [await said(session, tool) for tool in ("both", "pieces")]


async def consent(session: Client[Any], heard: Heard) -> Any:
    codes: list[int] = []
    who = {"name": f"fastmcp4-{ERA}"}
    try:
        await session.call_tool("consent", who)
    except MCPError as err:
        codes.append(err.error.code)
    return [codes, await said(session, "consent", who)]


async def two_at_once(session: Client[Any], heard: Heard) -> Any:
    async with (
        client(Heard(), colour="blue") as one,
        client(Heard(), token=OTHER_TOKEN, colour="green") as other,
    ):
        return await asyncio.gather(*(said(each, "ask") for each in (one, other) * 3))


async def cannot_be_asked(session: Client[Any], heard: Heard) -> Any:
    async with client(Heard(), asks=False) as quiet:
        try:
            await quiet.call_tool("ask")
        except (ToolError, MCPError):
            return True
    return False


async def resources(session: Client[Any], heard: Heard) -> Any:
    contents = await session.read_resource("memo:one")
    try:
        await session.read_resource("memo:none")
    except MCPError as err:
        return [contents[0].text, err.error.code]
    return [contents[0].text, None]


async def prompts(session: Client[Any], heard: Heard) -> Any:
    prompt = await session.get_prompt("greet")
    reference = types.PromptReference(type="ref/prompt", name="greet")
    completed = await session.complete(reference, {"name": "name", "value": "A"})
    return [prompt.messages[0].content.text, completed.values]


async def content(session: Client[Any], heard: Heard) -> Any:
    return [item.type for item in (await session.call_tool("sing")).content]


TRIES: dict[str, Callable[[Client[Any], Heard], Awaitable[Any]]] = {
    "every_revision_is_served": version,
    "who_the_server_is_reaches_the_client": identity,
    "lists_and_templates": lists,
    "calls_with_mirrored_arguments": echo,
    "progress": progress,
    "cancellation": cancellation,
    "logging": logging,
    "sampling": call("dream"),
    "elicitation_by_form": form,
    "elicitation_by_url": url,
    "roots": call("places"),
    "several_questions_in_one_call": several,
    "a_page_that_must_be_visited_first": consent,
    "two_clients_that_are_asked_at_once": two_at_once,
    "a_client_that_cannot_be_asked": cannot_be_asked,
    "resources": resources,
    "prompts_and_completion": prompts,
    "content_crosses_whole": content,
}


async def main() -> None:
    heard = Heard()
    async with client(heard) as session:
        await try_all(FEATURES, TRIES, session, heard)


if __name__ == "__main__":
    asyncio.run(main())
