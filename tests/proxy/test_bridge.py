"""The matrix of eras (protocol.md 6.12): four cells, each over stdio and over HTTP, every feature;
and once more over HTTP, through a group of this one member under its own names.

Real SDK clients, real SDK servers held to one era, and a whole proxy between them.  A standing rig
serves all tests of its cell.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import mcp_types as types
import orjson
import pytest
import pytest_asyncio
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from tests.proxy import revisions
from tests.proxy.conditions import until, until_asked
from tests.proxy.grouped import lone_rig
from tests.proxy.peers.features import NAMES, NEW, Features
from tests.proxy.rig import OTHER, PLANNER, Rig, http_rig, peer_command, rig, stdio

from ostiary_proxy import config
from ostiary_proxy.era import LEGACY, MODERN

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]

ALL = config.Policy(
    namespace="tools",
    name="all",
    rules=(
        config.Rule(
            name="all",
            subjects=(config.Subject(kind="serviceAccount", names=("*",), namespaces=None),),
            allow=config.Allow(tools=("*",), resources=("memo:*",), prompts=("*",)),
        ),
    ),
)
CELLS = [
    (client, server, transport)
    for transport in ("http", "stdio", "group")
    for client in ("legacy", "modern")
    for server in ("legacy", "modern")
]


@dataclass
class Heard:
    """What came to a client beside its answers."""

    logs: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@dataclass
class Cell:
    client_era: str
    server_era: str
    rig: Rig

    @asynccontextmanager
    async def client(
        self, heard: Heard | None = None, *, who: str = PLANNER, colour: str = "red", **more: Any
    ) -> AsyncIterator[Client]:
        noted = heard if heard is not None else Heard()

        async def elicit(_: Any, params: Any) -> types.ElicitResult:
            noted.asked.append(params.message)
            if isinstance(params, types.ElicitRequestURLParams):
                return types.ElicitResult(action="accept")
            return types.ElicitResult(action="accept", content={"colour": colour})

        async def sample(_: Any, params: Any) -> types.CreateMessageResult:
            content = types.TextContent(type="text", text="mirth")
            return types.CreateMessageResult(role="assistant", content=content, model="m")

        async def roots(_: Any) -> types.ListRootsResult:
            return types.ListRootsResult(roots=[types.Root(uri="file:///home")])  # type: ignore[arg-type]

        async def log(params: types.LoggingMessageNotificationParams) -> None:
            noted.logs.append(str(params.data))

        async def handle(message: Any) -> None:
            noted.messages.append(getattr(message, "method", ""))

        options: dict[str, Any] = {
            "elicitation_callback": elicit,
            "sampling_callback": sample,
            "list_roots_callback": roots,
            "logging_callback": log,
            "message_handler": handle,
            **more,
        }
        mode = "legacy" if self.client_era == "legacy" else NEW
        async with self.rig.client(mode, who, **options) as client:
            yield client


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=CELLS, ids=["-".join(cell) for cell in CELLS]
)
async def cell(request: pytest.FixtureRequest) -> AsyncIterator[Cell]:
    client, server, transport = request.param
    ready, over = asyncio.Event(), asyncio.Event()
    made: list[Rig] = []

    async def stand() -> None:
        # In a task of its own: what it opens must be closed by the task that opened it.
        async with AsyncExitStack() as stack:
            if transport == "http":
                app = await stack.enter_async_context(Features().http(server))
                made.append(await stack.enter_async_context(http_rig(app, policies=(ALL,))))
            elif transport == "group":
                app = await stack.enter_async_context(Features().http(server))
                made.append(await stack.enter_async_context(lone_rig(app, policies=(ALL,))))
            else:
                backend = stdio(*peer_command("features.py"), server)
                made.append(await stack.enter_async_context(rig(backend, policies=(ALL,))))
                # The SDK takes its time to start where many want the processor.
                await until(lambda: made[0].report.state == "Ready", 120.0)
            ready.set()
            await over.wait()

    standing = asyncio.get_running_loop().create_task(stand())
    await asyncio.wait(
        [standing, asyncio.get_running_loop().create_task(ready.wait())],
        return_when=asyncio.FIRST_COMPLETED,
    )
    if standing.done():
        await standing
    yield Cell(client, server, made[0])
    over.set()
    await standing


def said(result: types.CallToolResult) -> str:
    assert not result.is_error
    return str(result.content[0].text)  # type: ignore[union-attr]


async def notes(client: Client) -> dict[str, list[str]]:
    told: dict[str, list[str]] = orjson.loads(said(await client.call_tool("notes")))
    return told


async def test_every_revision_is_served(cell: Cell) -> None:
    """Obligations 6, 10, 12, 13, 17 and 53, by clients of each; and what the status says."""
    assert cell.rig.report.served == (*LEGACY, *MODERN)
    if cell.client_era == "modern":
        await revisions.stateless(cell.rig)
        return
    for version in LEGACY:
        await revisions.handshake(cell.rig, version, translated=cell.server_era == "modern")


async def test_who_the_server_is_reaches_the_client(cell: Cell) -> None:
    """Obligations 51 and 52: identity, instructions and capabilities cross."""
    async with cell.rig.client("legacy" if cell.client_era == "legacy" else "auto") as client:
        info = client.server_info
        assert info is not None
        assert (info.name, info.version) == ("features", "7")
        assert client.instructions == "Try them all."
        assert client.server_capabilities.tools is not None
        assert client.server_capabilities.resources is not None


async def test_lists_and_templates(cell: Cell) -> None:
    async with cell.client() as client:
        tools = await client.list_tools()
        resources = await client.list_resources()
        templates = await client.list_resource_templates()
        prompts = await client.list_prompts()

    assert {tool.name for tool in tools.tools} >= set(NAMES)
    assert [str(resource.uri) for resource in resources.resources] == ["memo:one"]
    assert [one.uri_template for one in templates.resource_templates] == ["memo:{name}"]
    assert [prompt.name for prompt in prompts.prompts] == ["greet"]


async def test_calls_with_mirrored_arguments(cell: Cell) -> None:
    """Obligation 49: a modern backend checks the headers that repeat an argument."""
    async with cell.client() as client:
        await client.list_tools()
        result = await client.call_tool("echo", {"text": "hello", "region": "Köln"})

    assert said(result) == "hello"


async def test_progress(cell: Cell) -> None:
    """Obligation 25: on the stream of its request, with the client's own token."""
    steps: list[tuple[float, float | None, str | None]] = []

    async def step(done: float, total: float | None, message: str | None) -> None:
        steps.append((done, total, message))

    async with cell.client() as client:
        result = await client.call_tool("count", progress_callback=step)
        assert said(result) == "counted"
        await until(lambda: len(steps) == 3)

    assert steps == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]


async def test_cancellation(cell: Cell) -> None:
    """Obligations 26 and 27: whatever the client's era says it with reaches the backend."""
    name = f"{cell.client_era}-call"
    async with cell.client() as client, asyncio.TaskGroup() as group:
        task = group.create_task(client.call_tool("wait", {"name": name}))

        async def began() -> bool:
            return "wait" in (await notes(client))["calls"]

        async def ended() -> bool:
            return name in (await notes(client))["cancelled"]

        await until_asked(began)
        task.cancel()
        await until_asked(ended)


async def test_logging(cell: Cell) -> None:
    """Obligation 28."""
    heard = Heard()
    async with cell.client(heard, log_level="warning") as client:
        if cell.client_era == "legacy":
            await client.set_logging_level("warning")
        assert said(await client.call_tool("talk")) == "talked"
        await until(lambda: "warning words" in heard.logs)

    if cell.client_era == "modern":
        assert heard.logs == ["warning words"]


async def test_no_logs_for_a_modern_client_that_wants_none(cell: Cell) -> None:
    """Obligation 28: no logLevel, no `notifications/message`."""
    if cell.client_era == "legacy":
        pytest.skip("only the stateless era has it")
    heard = Heard()
    async with cell.client(heard) as client:
        # They would come on the stream of the call, before its answer.
        assert said(await client.call_tool("talk")) == "talked"

    assert heard.logs == []


async def test_sampling(cell: Cell) -> None:
    async with cell.client() as client:
        assert said(await client.call_tool("dream")) == "mirth"


async def test_elicitation_by_form(cell: Cell) -> None:
    heard = Heard()
    async with cell.client(heard) as client:
        assert said(await client.call_tool("ask")) == "red"

    assert heard.asked == ["Which colour?"]


async def test_elicitation_by_url(cell: Cell) -> None:
    heard = Heard()
    async with cell.client(heard) as client:
        assert said(await client.call_tool("visit")) == "accept"

    assert heard.asked == ["Go there"]


async def test_roots(cell: Cell) -> None:
    async with cell.client() as client:
        assert said(await client.call_tool("places")) == "file:///home"


async def test_several_questions_in_one_call(cell: Cell) -> None:
    """Obligations 33, 51, 52: rounds, keys and states of either side fit together."""
    async with cell.client() as client:
        assert said(await client.call_tool("both")) == "red file:///home"
        assert said(await client.call_tool("pieces")) == "red file:///home"


async def test_a_page_that_must_be_visited_first(cell: Cell) -> None:
    """Obligation 52: -32042 is a legacy word."""
    async with cell.client() as client:
        if (cell.client_era, cell.server_era) == ("legacy", "legacy"):
            with pytest.raises(MCPError) as refused:
                await client.call_tool("consent")
            assert refused.value.error.code == -32042
        assert said(await client.call_tool("consent")) in ("consented", "accept")


async def test_two_clients_that_are_asked_at_once(cell: Cell) -> None:
    """Fact 10: each answers its own question."""
    async with (
        cell.client(who=PLANNER, colour="blue") as one,
        cell.client(who=OTHER, colour="green") as other,
        asyncio.TaskGroup() as group,
    ):
        tasks = [group.create_task(client.call_tool("ask")) for client in (one, other) * 3]

    assert [said(task.result()) for task in tasks] == ["blue", "green"] * 3


async def test_a_client_that_cannot_be_asked(cell: Cell) -> None:
    """Obligations 30, 34: the tool does not hang, the client learns why."""
    async with cell.client(elicitation_callback=None) as client:
        failed = False
        try:
            failed = (await client.call_tool("ask")).is_error or False
        except MCPError:
            failed = True

    assert failed


async def test_resources(cell: Cell) -> None:
    """Obligation 52: what is not found has the code of the client's era."""
    async with cell.client() as client:
        read = await client.read_resource("memo:one")
        with pytest.raises(MCPError) as missing:
            await client.read_resource("memo:none")

    assert read.contents[0].text == "remember"  # type: ignore[union-attr]
    wanted = -32602 if cell.client_era == "modern" else -32002
    assert missing.value.error.code == wanted


async def test_prompts_and_completion(cell: Cell) -> None:
    async with cell.client() as client:
        prompt = await client.get_prompt("greet")
        reference = types.PromptReference(type="ref/prompt", name="greet")
        completed = await client.complete(reference, {"name": "name", "value": "A"})

    assert prompt.messages[0].content.text == "Hello"  # type: ignore[union-attr]
    assert completed.completion.values == ["Anna"]


async def test_subscriptions_and_list_changed(cell: Cell) -> None:
    """Obligations 36 and 37."""
    heard = Heard()
    async with cell.client(heard) as client:
        if cell.client_era == "modern":
            await _listened(client)
            return
        await client.subscribe_resource("memo:one")

        async def told() -> bool:
            await client.call_tool("touch")
            await client.call_tool("grow")
            return {
                "notifications/resources/updated",
                "notifications/tools/list_changed",
            } <= set(heard.messages)

        # The stream that bears them is opened beside: what came before it is not repeated.
        await until_asked(told)
        await client.unsubscribe_resource("memo:one")


async def _listened(client: Client) -> None:
    async with client.listen(
        tools_list_changed=True, resource_subscriptions=["memo:one"]
    ) as subscription:
        assert subscription.honored.tools_list_changed
        assert subscription.honored.resource_subscriptions == ["memo:one"]
        await client.call_tool("touch")
        first = await anext(aiter(subscription))
        await client.call_tool("grow")
        second = await anext(aiter(subscription))

    assert type(first).__name__ == "ResourceUpdated"
    assert type(second).__name__ == "ToolsListChanged"


async def test_content_crosses_whole(cell: Cell) -> None:
    """Never lossy: what the newest legacy revision knows, it gets."""
    async with cell.client() as client:
        result = await client.call_tool("sing")

    assert [item.type for item in result.content] == ["audio", "resource_link"]
