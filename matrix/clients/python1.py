"""The Python SDK 1.x as a client: `python1.py URL TOKEN OTHER_TOKEN ERA FEATURE...`.

Tries every feature that is named and prints a line of JSON for each: what came, or why it failed.
What should have come is not known here.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from mcp import ClientSession, McpError, types
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl
from trying import SECONDS, try_all

URL, TOKEN, OTHER_TOKEN, _ERA, *FEATURES = sys.argv[1:]
MEMO = AnyUrl("memo:one")


class Heard:
    def __init__(self) -> None:
        self.logs: list[str] = []
        self.messages: list[str] = []
        self.asked: list[str] = []
        self.version = ""
        self.server: types.InitializeResult | None = None


@asynccontextmanager
async def client(
    heard: Heard, *, token: str = TOKEN, colour: str = "red", asks: bool = True
) -> AsyncIterator[ClientSession]:
    async def elicit(_: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        heard.asked.append(params.message)
        content = {"colour": colour} if params.mode == "form" else None
        return types.ElicitResult(action="accept", content=content)

    async def sample(_: Any, params: Any) -> types.CreateMessageResult:
        content = types.TextContent(type="text", text="mirth")
        return types.CreateMessageResult(role="assistant", content=content, model="m")

    async def roots(_: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[types.Root(uri="file:///home")])

    async def log(params: types.LoggingMessageNotificationParams) -> None:
        heard.logs.append(str(params.data))

    async def handle(message: Any) -> None:
        if isinstance(message, types.ServerNotification):
            heard.messages.append(message.root.method)

    http = httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=SECONDS)
    async with (
        http,
        streamable_http_client(URL, http_client=http) as (read, write, _),
        ClientSession(
            read,
            write,
            elicitation_callback=elicit if asks else None,
            sampling_callback=sample,
            list_roots_callback=roots,
            logging_callback=log,
            message_handler=handle,
        ) as session,
    ):
        heard.server = await session.initialize()
        yield session


def said(result: types.CallToolResult) -> str:
    text = str(result.content[0].text)
    if result.isError:
        raise RuntimeError(text)
    return text


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await holds():  # noqa: ASYNC110 -- the answer is in another process
            await asyncio.sleep(0.05)


async def version(session: ClientSession, heard: Heard) -> Any:
    return heard.server.protocolVersion


async def identity(session: ClientSession, heard: Heard) -> Any:
    server = heard.server
    return [server.serverInfo.name, server.serverInfo.version, server.instructions]


async def lists(session: ClientSession, heard: Heard) -> Any:
    tools = await session.list_tools()
    resources = await session.list_resources()
    templates = await session.list_resource_templates()
    prompts = await session.list_prompts()
    return {
        "tools": [tool.name for tool in tools.tools],
        "resources": [str(resource.uri) for resource in resources.resources],
        "templates": [one.uriTemplate for one in templates.resourceTemplates],
        "prompts": [prompt.name for prompt in prompts.prompts],
    }


async def echo(session: ClientSession, heard: Heard) -> Any:
    await session.list_tools()
    return said(await session.call_tool("echo", {"text": "hello", "region": "Köln"}))


async def progress(session: ClientSession, heard: Heard) -> Any:
    steps: list[Any] = []

    async def step(done: float, total: float | None, message: str | None) -> None:
        steps.append([done, total, message])

    result = said(await session.call_tool("count", progress_callback=step))
    return [result, steps]


async def notes(session: ClientSession) -> dict[str, list[str]]:
    told: dict[str, list[str]] = json.loads(said(await session.call_tool("notes")))
    return told


async def cancellation(session: ClientSession, heard: Heard) -> Any:
    idents: list[int] = []

    async def wait() -> None:
        idents.append(session._request_id)  # this SDK tells no request's id otherwise
        await session.call_tool("wait", {"name": "python1-call"})

    task = asyncio.get_running_loop().create_task(wait())

    async def began() -> bool:
        return "python1-call" in (await notes(session))["waiting"]

    async def ended() -> bool:
        return "python1-call" in (await notes(session))["cancelled"]

    await until(began)
    notification = types.CancelledNotification(
        params=types.CancelledNotificationParams(requestId=idents[0])
    )
    await session.send_notification(types.ClientNotification(notification))
    await until(ended)
    task.cancel()
    await asyncio.wait([task])
    return "cancelled"


async def logging(session: ClientSession, heard: Heard) -> Any:
    await session.set_logging_level("warning")
    await session.call_tool("talk")

    async def came() -> bool:
        return "warning words" in heard.logs

    await until(came)
    return "warning words"


def call(tool: str) -> Callable[[ClientSession, Heard], Awaitable[Any]]:
    async def called(session: ClientSession, heard: Heard) -> Any:
        return said(await session.call_tool(tool))

    return called


async def form(session: ClientSession, heard: Heard) -> Any:
    return [said(await session.call_tool("ask")), heard.asked.pop()]


async def url(session: ClientSession, heard: Heard) -> Any:
    return [said(await session.call_tool("visit")), heard.asked.pop()]


async def several(session: ClientSession, heard: Heard) -> Any:
    return [said(await session.call_tool(tool)) for tool in ("both", "pieces")]


async def consent(session: ClientSession, heard: Heard) -> Any:
    """A server of its own era says -32042 the first time; of the other, the page is asked for."""
    codes: list[int] = []
    who = {"name": "python1"}
    try:
        await session.call_tool("consent", who)
    except McpError as err:
        codes.append(err.error.code)
    return [codes, said(await session.call_tool("consent", who))]


async def two_at_once(session: ClientSession, heard: Heard) -> Any:
    async with (
        client(Heard(), colour="blue") as one,
        client(Heard(), token=OTHER_TOKEN, colour="green") as other,
    ):
        calls = [each.call_tool("ask") for each in (one, other) * 3]
        return [said(result) for result in await asyncio.gather(*calls)]


async def cannot_be_asked(session: ClientSession, heard: Heard) -> Any:
    async with client(Heard(), asks=False) as quiet:
        try:
            return (await quiet.call_tool("ask")).isError
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


async def subscriptions(session: ClientSession, heard: Heard) -> Any:
    wanted = {"notifications/resources/updated", "notifications/tools/list_changed"}
    await session.subscribe_resource(MEMO)

    async def told() -> bool:
        await session.call_tool("touch")
        await session.call_tool("grow")
        return wanted <= set(heard.messages)

    await until(told)
    await session.unsubscribe_resource(MEMO)
    return sorted(wanted)


async def content(session: ClientSession, heard: Heard) -> Any:
    return [item.type for item in (await session.call_tool("sing")).content]


TRIES: dict[str, Callable[[ClientSession, Heard], Awaitable[Any]]] = {
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
    "subscriptions_and_list_changed": subscriptions,
    "content_crosses_whole": content,
}


async def main() -> None:
    heard = Heard()
    async with client(heard) as session:
        await try_all(FEATURES, TRIES, session, heard)


if __name__ == "__main__":
    asyncio.run(main())
