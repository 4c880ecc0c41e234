"""The everything-server on the Python SDK: every feature that the conformance suite asks for."""

import warnings
from collections import Counter
from typing import Any, Final, TypeVar

import mcp_types as types
from conformance.everything import texts
from conformance.everything.call import Call
from conformance.everything.rounds import asking_tools
from conformance.everything.tools import (
    PROMPTS_CHANGE,
    TOOLS_CHANGE,
    Result,
    Tool,
    plain_tools,
)
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

NAME: Final = "everything"
STATE_KEY: Final = "of a test server: any process of it takes the state of any other"
Context = ServerRequestContext[Any, Any]
Listed = TypeVar("Listed", types.Tool, types.Prompt)


class _Server(Server[Any]):
    def get_capabilities(self, *_: Any, **more: Any) -> types.ServerCapabilities:
        """By itself the SDK says over HTTP that it announces nothing."""
        return super().get_capabilities(NotificationOptions(True, False, True), **more)


class Everything:
    def __init__(self) -> None:
        bus = InMemorySubscriptionBus()
        self.called: Counter[str] = Counter()
        """Calls of each tool: what is announced has changed, in a word."""
        tools = [*plain_tools(bus), *asking_tools()]
        self.tools: dict[str, Tool] = {tool.name: tool for tool in tools}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MCPDeprecationWarning)  # logging is asked for
            self.server: Server[Any] = _Server(
                NAME,
                version="1.0.0",
                on_list_tools=self._list_tools,
                on_call_tool=self._call_tool,
                on_list_resources=texts.list_resources,
                on_list_resource_templates=texts.list_templates,
                on_read_resource=texts.read_resource,
                on_subscribe_resource=self._taken,
                on_unsubscribe_resource=self._taken,
                on_subscriptions_listen=ListenHandler(bus),
                on_list_prompts=self._list_prompts,
                on_get_prompt=texts.get_prompt,
                on_completion=texts.complete,
                on_set_logging_level=self._taken,
            )
        security = RequestStateSecurity(keys=[STATE_KEY])
        self.server.middleware.append(RequestStateBoundary(security, default_audience=NAME))

    async def _list_tools(self, context: Context, params: object) -> types.ListToolsResult:
        listed = [tool.listed for tool in self.tools.values()]
        return types.ListToolsResult(tools=[self._changed(it, TOOLS_CHANGE) for it in listed])

    async def _list_prompts(self, context: Context, params: object) -> types.ListPromptsResult:
        listed = texts.PROMPTS
        return types.ListPromptsResult(prompts=[self._changed(it, PROMPTS_CHANGE) for it in listed])

    def _changed(self, item: Listed, by: str) -> Listed:
        """Each change is one: who follows the lists need not believe what is said of them."""
        times = self.called[by]
        more = {"description": f"{item.description} Changes: {times}."} if times else {}
        return item.model_copy(update=more)

    async def _call_tool(self, context: Context, params: types.CallToolRequestParams) -> Result:
        tool = self.tools.get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"There is no tool {params.name!r}.")
        self.called[params.name] += 1
        return await tool.run(Call(context, params))

    async def _taken(self, context: Context, params: object) -> types.EmptyResult:
        return types.EmptyResult()
