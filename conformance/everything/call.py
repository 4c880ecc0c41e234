"""One request as a handler of the everything-server sees it, and how it asks the client something.

The same handler serves both eras: a modern client gets `input_required` and comes back with the
answers, a legacy client is asked in the middle of the call.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

Params = types.CallToolRequestParams | types.GetPromptRequestParams
Question = types.ElicitRequest | types.CreateMessageRequest | types.ListRootsRequest
Answers = Mapping[str, Any]

_ANSWERED_BY: dict[str, type[types.Result]] = {
    "elicitation/create": types.ElicitResult,
    "sampling/createMessage": types.CreateMessageResult,
    "roots/list": types.ListRootsResult,
}


@dataclass(frozen=True, slots=True)
class Call:
    context: ServerRequestContext[Any, Any]
    params: Params

    @property
    def modern(self) -> bool:
        return self.context.protocol_version in MODERN_PROTOCOL_VERSIONS

    @property
    def arguments(self) -> dict[str, Any]:
        return self.params.arguments or {}

    @property
    def state(self) -> str | None:
        """What an earlier round of this call left with the client; its seal is checked before."""
        return self.params.request_state

    @property
    def capabilities(self) -> types.ClientCapabilities:
        return self.context.session.client_capabilities or types.ClientCapabilities()

    async def ask(
        self, questions: Mapping[str, Question], state: str | None = None
    ) -> Answers | types.InputRequiredResult:
        if not self.modern:
            return {key: await self._send(question) for key, question in questions.items()}
        given = self.params.input_responses or {}
        if questions and questions.keys() <= given.keys():
            return given
        return types.InputRequiredResult(input_requests=dict(questions), request_state=state)

    async def _send(self, question: Question) -> Any:
        related = ServerMessageMetadata(related_request_id=self.context.request_id)
        answer = _ANSWERED_BY[question.method]
        return await self.context.session.send_request(question, answer, metadata=related)

    async def log(self, level: types.LoggingLevel, data: str) -> None:
        await self.context.session.send_log_message(  # the suite asks for what is deprecated
            level, data, related_request_id=self.context.request_id
        )


def form(message: str, **properties: Mapping[str, Any]) -> types.ElicitRequest:
    """A question to the user, all of whose fields are required."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    params = types.ElicitRequestFormParams(message=message, requested_schema=schema)
    return types.ElicitRequest(params=params)


def optional_form(message: str, **properties: Mapping[str, Any]) -> types.ElicitRequest:
    schema = {"type": "object", "properties": properties, "required": []}
    params = types.ElicitRequestFormParams(message=message, requested_schema=schema)
    return types.ElicitRequest(params=params)


def sampling(prompt: str, tokens: int = 100) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=text(prompt))
    params = types.CreateMessageRequestParams(messages=[message], max_tokens=tokens)
    return types.CreateMessageRequest(params=params)


def text(said: str) -> types.TextContent:
    return types.TextContent(text=said)


def said(words: str) -> types.CallToolResult:
    return types.CallToolResult(content=[text(words)])
