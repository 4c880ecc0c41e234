"""The everything-server on the Python SDK: every feature that the conformance suite asks for."""

import warnings
from typing import Any, Final

import mcp_types as types
from conformance.everything import texts
from conformance.everything.call import Call
from conformance.everything.rounds import asking_tools
from conformance.everything.tools import Result, Tool, plain_tools
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

NAME: Final = "everything"
STATE_KEY: Final = "of a test server: any process of it takes the state of any other"
Context = ServerRequestContext[Any, Any]


class _Server(Server[Any]):
    def get_capabilities(self, *_: Any, **more: Any) -> types.ServerCapabilities:
        """By itself the SDK says over HTTP that it announces nothing."""
        return super().get_capabilities(NotificationOptions(True, False, True), **more)


class Everything:
    def __init__(self) -> None:
        bus = InMemorySubscriptionBus()
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
                on_list_prompts=texts.list_prompts,
                on_get_prompt=texts.get_prompt,
                on_completion=texts.complete,
                on_set_logging_level=self._taken,
            )
        security = RequestStateSecurity(keys=[STATE_KEY])
        self.server.middleware.append(RequestStateBoundary(security, default_audience=NAME))

    async def _list_tools(self, context: Context, params: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool.listed for tool in self.tools.values()])

    async def _call_tool(self, context: Context, params: types.CallToolRequestParams) -> Result:
        tool = self.tools.get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"There is no tool {params.name!r}.")
        return await tool.run(Call(context, params))

    async def _taken(self, context: Context, params: object) -> types.EmptyResult:
        return types.EmptyResult()
