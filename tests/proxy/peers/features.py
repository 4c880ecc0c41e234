"""A real SDK server with every feature there is, in both eras, or held to one of them.

`python features.py legacy|modern|both` speaks stdio; `Features().http(era)` is an ASGI application.
Held to one era, it refuses the other as a server of that era alone does.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import mcp_types as types
import orjson
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.sse import SseServerTransport
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourceUpdated,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError, UrlElicitationRequiredError
from mcp.shared.message import SessionMessage
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from ostiary_proxy.asgi import Application, Receive, Scope, Send
from ostiary_proxy.era import LEGACY, VERSION_KEY

NEW = "2026-07-28"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"colour": {"type": "string"}}}
OPEN: dict[str, Any] = {"type": "object", "additionalProperties": True}
MIRRORED: dict[str, Any] = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
}
PAGE = "https://example.org/consent"
NAMES = (
    "echo",
    "count",
    "talk",
    "wait",
    "ask",
    "visit",
    "consent",
    "dream",
    "places",
    "both",
    "sing",
    "grow",
    "touch",
    "pieces",
    "notes",
)


class _Server(Server[Any]):
    def get_capabilities(self, *args: Any, **more: Any) -> types.ServerCapabilities:
        """The HTTP manager says nothing of what it delivers: all of it."""
        options = NotificationOptions(
            prompts_changed=True, resources_changed=True, tools_changed=True
        )
        return super().get_capabilities(options, *args[1:], **more)


def text(value: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=value)])


class Features:
    """The server, and what its tools saw."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.waiting: list[str] = []
        self.cancelled: list[str] = []
        self.levels: list[str] = []
        self.subscribed: list[str] = []
        self.consented: set[str] = set()
        self.extra = False
        self.started = asyncio.Event()
        self.bus = InMemorySubscriptionBus()
        self.server = _Server(
            "features",
            version="7",
            instructions="Try them all.",
            get_tool_input_schema=lambda name: self._schemas().get(name),
            on_list_tools=self._list_tools,
            on_call_tool=self._call,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read,
            on_subscribe_resource=self._subscribe,
            on_unsubscribe_resource=self._unsubscribe,
            on_subscriptions_listen=ListenHandler(self.bus),
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._prompt,
            on_completion=self._complete,
            on_set_logging_level=self._set_level,
        )

    def _schemas(self) -> Mapping[str, dict[str, Any]]:
        names = (*NAMES, "grown") if self.extra else NAMES
        return {**dict.fromkeys(names, OPEN), "echo": MIRRORED}

    async def _list_tools(self, ctx: Any, params: Any) -> types.ListToolsResult:
        tools = [
            types.Tool(name=name, input_schema=schema) for name, schema in self._schemas().items()
        ]
        return types.ListToolsResult(tools=tools)

    async def _call(
        self, ctx: Any, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        self.calls.append(params.name)
        arguments = params.arguments or {}
        match params.name:
            case "echo":
                return text(str(arguments.get("text", "")))
            case "count":
                for step in (1, 2, 3):
                    await ctx.session.report_progress(step, 3, f"step {step}")
                return text("counted")
            case "talk":
                for level in ("debug", "warning"):
                    await ctx.session.send_log_message(
                        level, f"{level} words", related_request_id=ctx.request_id
                    )
                return text("talked")
            case "wait":
                return await self._wait(str(arguments.get("name", "")))
            case "notes":
                return text(orjson.dumps(self.notes()).decode())
            case "grow":
                return await self._grow(ctx)
            case "touch":
                return await self._touch(ctx)
            case "sing":
                return types.CallToolResult(
                    content=[
                        types.AudioContent(type="audio", data="AAAA", mime_type="audio/wav"),
                        types.ResourceLink(type="resource_link", name="song", uri="memo:one"),
                    ]
                )
        return await self._input(ctx, params)

    def notes(self) -> dict[str, list[str]]:
        return {
            "calls": self.calls,
            "waiting": self.waiting,
            "cancelled": self.cancelled,
            "levels": self.levels,
            "subscribed": self.subscribed,
        }

    async def _wait(self, name: str) -> types.CallToolResult:
        self.waiting.append(name)
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.append(name)
        return text("")

    async def _grow(self, ctx: Any) -> types.CallToolResult:
        self.extra = True
        if ctx.protocol_version == NEW:
            await self.bus.publish(ToolsListChanged())
        else:
            await ctx.session.send_tool_list_changed()
        return text("grown")

    async def _touch(self, ctx: Any) -> types.CallToolResult:
        if ctx.protocol_version == NEW:
            await self.bus.publish(ResourceUpdated(uri="memo:one"))
        else:
            await ctx.session.send_resource_updated("memo:one")
        return text("touched")

    # what needs the client

    async def _input(
        self, ctx: Any, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        if ctx.protocol_version == NEW:
            return self._modern_input(params)
        return await self._legacy_input(ctx, params)

    def _modern_input(
        self, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        wanted, who = _modern_questions(params.name), str((params.arguments or {}).get("name"))
        if params.name == "consent" and who in self.consented:
            return text("consented")
        if params.name == "pieces" and params.request_state != "second":
            wanted = {} if params.request_state is None else wanted
            state = "first" if params.request_state is None else "second"
            return types.InputRequiredResult(input_requests=wanted or None, request_state=state)
        if params.input_responses is None:
            return types.InputRequiredResult(input_requests=wanted, request_state="state-1")
        if params.name == "consent":
            self.consented.add(who)
        assert params.request_state in ("state-1", "second")
        return text(" ".join(_said(params.input_responses[key]) for key in sorted(wanted)))

    async def _legacy_input(
        self, ctx: Any, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        session, related = ctx.session, ctx.request_id
        who = str((params.arguments or {}).get("name"))
        match params.name:
            case "ask":
                answer = await session.elicit_form("Which colour?", SCHEMA, related)
            case "visit":
                answer = await session.elicit_url("Go there", PAGE, "e-1", related)
            case "dream":
                answer = await session.create_message(
                    [_spoken("a word?")], max_tokens=5, related_request_id=related
                )
            case "places":
                answer = await session.list_roots()
            case "both" | "pieces":
                first = await session.elicit_form("Which colour?", SCHEMA, related)
                second = await session.list_roots()
                return text(f"{_said(first)} {_said(second)}")
            case "consent":
                if who in self.consented:
                    return text("consented")
                self.consented.add(who)
                raise UrlElicitationRequiredError([_page()])
            case _:
                raise MCPError(types.INVALID_PARAMS, f"no tool {params.name}")
        return text(_said(answer))

    # resources, prompts, completion, logging

    async def _list_resources(self, ctx: Any, params: Any) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[types.Resource(name="one", uri="memo:one")])

    async def _list_templates(self, ctx: Any, params: Any) -> types.ListResourceTemplatesResult:
        template = types.ResourceTemplate(name="memo", uri_template="memo:{name}")
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def _read(
        self, ctx: Any, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(params.uri)
        if uri == "memo:none":
            code = types.INVALID_PARAMS if ctx.protocol_version == NEW else -32002
            raise MCPError(code, "no such memo", {"uri": uri})
        contents = [types.TextResourceContents(uri=uri, text="remember")]
        return types.ReadResourceResult(contents=contents)

    async def _subscribe(self, ctx: Any, params: types.SubscribeRequestParams) -> types.EmptyResult:
        self.subscribed.append(str(params.uri))
        return types.EmptyResult()

    async def _unsubscribe(
        self, ctx: Any, params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        self.subscribed.remove(str(params.uri))
        return types.EmptyResult()

    async def _list_prompts(self, ctx: Any, params: Any) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=[types.Prompt(name="greet")])

    async def _prompt(
        self, ctx: Any, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        message = types.PromptMessage(
            role="user", content=types.TextContent(type="text", text="Hello")
        )
        return types.GetPromptResult(messages=[message])

    async def _complete(
        self, ctx: Any, params: types.CompleteRequestParams
    ) -> types.CompleteResult:
        values = [f"{params.argument.value}nna"]
        return types.CompleteResult(completion=types.Completion(values=values))

    async def _set_level(self, ctx: Any, params: types.SetLevelRequestParams) -> types.EmptyResult:
        self.levels.append(params.level)
        return types.EmptyResult()

    # how it is reached

    @asynccontextmanager
    async def http(self, era: str = "both", **options: Any) -> AsyncIterator[Application]:
        app = self.server.streamable_http_app(**options)
        async with app.router.lifespan_context(app):
            yield _held_to(era, app)

    async def stdio(self, era: str) -> None:
        async with stdio_server() as (read, write):
            await self._speak(era, read, write)

    async def _speak(self, era: str, read: Any, write: Any) -> None:
        """By one connection, of which the SDK must not see the other era's first words."""
        send, receive = anyio.create_memory_object_stream[Any](0)

        async def pass_on() -> None:
            async with send:
                async for item in read:
                    refusal = _refused(era, item)
                    if refusal is None:
                        await send.send(item)
                    else:
                        await write.send(SessionMessage(refusal))

        async with send, receive, anyio.create_task_group() as group:
            group.start_soon(pass_on)
            options = self.server.create_initialization_options()
            await self.server.run(receive, write, options)
            group.cancel_scope.cancel()

    def sse(self, era: str) -> Application:
        """HTTP+SSE, as 2024-11-05 has it."""
        transport = SseServerTransport("/messages/")

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["method"] == "POST":
                await transport.handle_post_message(scope, receive, send)
                return
            async with transport.connect_sse(scope, receive, send) as (read, write), read, write:
                await self._speak(era, read, write)

        return app

    @asynccontextmanager
    async def websocket(self, era: str) -> AsyncIterator[int]:
        """The port; one message in each text frame."""

        async def served(connection: ServerConnection) -> None:
            into, read = anyio.create_memory_object_stream[Any](0)
            write, out = anyio.create_memory_object_stream[Any](0)

            async def take() -> None:
                async with into:
                    with suppress(ConnectionClosed):
                        async for frame in connection:
                            message = types.jsonrpc_message_adapter.validate_json(frame)
                            await into.send(SessionMessage(message))

            async def say() -> None:
                with suppress(ConnectionClosed):
                    async for item in out:
                        text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                        await connection.send(text)

            async with into, read, write, out, anyio.create_task_group() as group:
                group.start_soon(take)
                group.start_soon(say)
                await self._speak(era, read, write)
                group.cancel_scope.cancel()

        async with serve(served, "127.0.0.1", 0, subprotocols=[Subprotocol("mcp")]) as server:
            yield next(iter(server.sockets)).getsockname()[1]


def _modern_questions(name: str) -> dict[str, Any]:
    form = types.ElicitRequest(
        params=types.ElicitRequestFormParams(message="Which colour?", requested_schema=SCHEMA)
    )
    url = types.ElicitRequest(
        params=types.ElicitRequestURLParams(mode="url", message="Go there", url=PAGE)
    )
    sample = types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(messages=[_spoken("a word?")], max_tokens=5)
    )
    return {
        "ask": {"a": form},
        "visit": {"a": url},
        "consent": {"a": url},
        "dream": {"a": sample},
        "places": {"a": types.ListRootsRequest()},
        "both": {"a": form, "b": types.ListRootsRequest()},
        "pieces": {"a": form, "b": types.ListRootsRequest()},
    }[name]


def _spoken(words: str) -> types.SamplingMessage:
    return types.SamplingMessage(role="user", content=types.TextContent(type="text", text=words))


def _page() -> types.ElicitRequestURLParams:
    return types.ElicitRequestURLParams(
        mode="url", message="Go there", url=PAGE, elicitation_id="e-1"
    )


def _said(answer: Any) -> str:
    """The answer in a word, whatever was asked."""
    if isinstance(answer, types.ElicitResult):
        return str((answer.content or {}).get("colour", answer.action))
    if isinstance(answer, types.ListRootsResult):
        return ",".join(str(root.uri) for root in answer.roots)
    return str(answer.content.text)


def _refused(era: str, item: Any) -> types.JSONRPCError | None:
    """What a stdio server of the one era answers to the other's first words."""
    message = item.message if isinstance(item, SessionMessage) else None
    if not isinstance(message, types.JSONRPCRequest):
        return None
    meta = (message.params or {}).get("_meta") or {}
    modern = VERSION_KEY in meta
    if era == "both" or (modern and era == "modern"):
        return None
    if era == "legacy" and not modern:
        return None
    if era == "modern" and message.method != "initialize":
        return None
    error = types.ErrorData(code=types.METHOD_NOT_FOUND, message="Method not found")
    return types.JSONRPCError(jsonrpc="2.0", id=message.id, error=error)


def _held_to(era: str, app: Application) -> Application:
    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        version = dict(scope["headers"]).get(b"mcp-protocol-version", b"").decode()
        modern = bool(version) and version not in LEGACY
        if era == "both" or modern == (era == "modern"):
            await app(scope, receive, send)
            return
        error = {"code": -32600, "message": f"Bad Request: Unsupported protocol version {version}"}
        body = orjson.dumps({"jsonrpc": "2.0", "id": None, "error": error})
        status = 405 if scope["method"] != "POST" else 400
        head = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})

    return held


if __name__ == "__main__":
    asyncio.run(Features().stdio(sys.argv[1]))
