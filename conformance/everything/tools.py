"""The tools that the suite calls, but for those that take several rounds (rounds.py)."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import mcp_types as types
from conformance.everything.call import Call, form, optional_form, said, sampling, text
from conformance.everything.media import embedded, picture, sound
from mcp.server.subscriptions import (
    PromptsListChanged,
    SubscriptionBus,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError

Result = types.CallToolResult | types.InputRequiredResult
Run = Callable[[Call], Awaitable[Result]]

TOOLS_CHANGE: Final = "test_trigger_tool_change"
PROMPTS_CHANGE: Final = "test_trigger_prompt_change"
PAUSE_SECONDS: Final = 0.05
"""Between two notifications, as the suite wants."""


def arguments(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    run: Run
    schema: dict[str, Any] = field(default_factory=arguments)

    @property
    def listed(self) -> types.Tool:
        return types.Tool(name=self.name, description=self.description, input_schema=self.schema)


def constant(*content: types.ContentBlock) -> Run:
    async def run(call: Call) -> Result:
        return types.CallToolResult(content=list(content))

    return run


async def with_logging(call: Call) -> Result:
    await call.log("info", "Tool execution started")
    await asyncio.sleep(PAUSE_SECONDS)
    await call.log("info", "Tool processing data")
    await asyncio.sleep(PAUSE_SECONDS)
    await call.log("info", "Tool execution completed")
    return said("Three lines were logged.")


async def one_log(call: Call) -> Result:
    await call.log("info", "This call was made.")
    return said("Logged, if anybody wants it.")


async def with_progress(call: Call) -> Result:
    for done in (0, 50, 100):
        await call.context.session.report_progress(done, 100, f"{done} of 100")
        await asyncio.sleep(PAUSE_SECONDS)
    return said("Done in three steps.")


async def failing(call: Call) -> Result:
    content = [text("This tool intentionally returns an error for testing")]
    return types.CallToolResult(content=list(content), is_error=True)


async def sample(call: Call) -> Result:
    answers = await call.ask({"sample": sampling(call.arguments["prompt"])})
    if isinstance(answers, types.InputRequiredResult):
        return answers
    return said(f"LLM response: {answers['sample'].content.text}")


async def elicit(call: Call) -> Result:
    question = form(
        call.arguments["message"],
        username={"type": "string", "description": "User's response"},
        email={"type": "string", "description": "User's email address"},
    )
    answers = await call.ask({"user": question})
    if isinstance(answers, types.InputRequiredResult):
        return answers
    answer = answers["user"]
    return said(f"User response: action={answer.action}, content={json.dumps(answer.content)}")


def elicit_with(**properties: dict[str, Any]) -> Run:
    async def run(call: Call) -> Result:
        answers = await call.ask({"form": optional_form("Fill in what you like", **properties)})
        if isinstance(answers, types.InputRequiredResult):
            return answers
        answer = answers["form"]
        content = json.dumps(answer.content)
        return said(f"Elicitation completed: action={answer.action}, content={content}")

    return run


def titled(*options: tuple[str, str]) -> list[dict[str, str]]:
    return [{"const": value, "title": title} for value, title in options]


DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {
        "type": "string",
        "enum": ["active", "inactive", "pending"],
        "default": "active",
    },
    "verified": {"type": "boolean", "default": True},
}
PLAIN: Final = ["option1", "option2", "option3"]
ENUMS: Final[dict[str, dict[str, Any]]] = {
    "untitledSingle": {"type": "string", "enum": PLAIN},
    "titledSingle": {
        "type": "string",
        "oneOf": titled(
            ("value1", "First Option"), ("value2", "Second Option"), ("value3", "Third Option")
        ),
    },
    "legacyEnum": {
        "type": "string",
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": PLAIN}},
    "titledMulti": {
        "type": "array",
        "items": {
            "anyOf": titled(
                ("value1", "First Choice"), ("value2", "Second Choice"), ("value3", "Third Choice")
            )
        },
    },
}
RICH_SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


async def cut_off(call: Call) -> Result:
    """The stream ends before the answer; who resumes it, gets the answer."""
    if call.context.close_sse_stream is not None:
        await call.context.close_sse_stream()
    await asyncio.sleep(2 * PAUSE_SECONDS)
    return said("Answered after the stream was closed.")


async def needing_sampling(call: Call) -> Result:
    if call.capabilities.sampling is None:
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            "This tool needs a client that can sample.",
            {"requiredCapabilities": {"sampling": {}}},
        )
    return said("The client can sample.")


def announcing(bus: SubscriptionBus, event: ToolsListChanged | PromptsListChanged) -> Run:
    async def run(call: Call) -> Result:
        session = call.context.session
        if call.modern:
            await bus.publish(event)
        elif isinstance(event, ToolsListChanged):
            await session.send_tool_list_changed()
        else:
            await session.send_prompt_list_changed()
        return said("Announced.")

    return run


def plain_tools(bus: SubscriptionBus) -> list[Tool]:
    return [*_answering(), *_talking(), *_odd(), *_announcing(bus)]


def _answering() -> list[Tool]:
    mixed = '{"test":"data","value":123}'
    return [
        Tool(
            "test_simple_text",
            "Answers with text.",
            constant(text("This is a simple text response for testing.")),
        ),
        Tool("test_image_content", "Answers with a picture.", constant(picture())),
        Tool("test_audio_content", "Answers with a sound.", constant(sound())),
        Tool(
            "test_embedded_resource",
            "Answers with a resource.",
            constant(
                embedded(
                    "test://embedded-resource",
                    "text/plain",
                    "This is an embedded resource content.",
                )
            ),
        ),
        Tool(
            "test_multiple_content_types",
            "Answers with text, a picture and a resource.",
            constant(
                text("Multiple content types test:"),
                picture(),
                embedded("test://mixed-content-resource", "application/json", mixed),
            ),
        ),
    ]


def _talking() -> list[Tool]:
    return [
        Tool("test_tool_with_logging", "Logs three lines.", with_logging),
        Tool("test_logging_tool", "Logs one line.", one_log),
        Tool("test_tool_with_progress", "Reports progress.", with_progress),
        Tool(
            "test_sampling",
            "Asks the client's model.",
            sample,
            arguments(prompt={"type": "string", "description": "What to ask"}),
        ),
        Tool(
            "test_elicitation",
            "Asks the client's user.",
            elicit,
            arguments(message={"type": "string", "description": "What to show"}),
        ),
        Tool(
            "test_elicitation_sep1034_defaults",
            "Asks with defaults of every type.",
            elicit_with(**DEFAULTS),
        ),
        Tool(
            "test_elicitation_sep1330_enums",
            "Asks with every kind of choice.",
            elicit_with(**ENUMS),
        ),
    ]


def _odd() -> list[Tool]:
    return [
        Tool("test_error_handling", "Always fails.", failing),
        Tool(
            "json_schema_2020_12_tool",
            "Tool with JSON Schema 2020-12 features",
            constant(text("Taken.")),
            RICH_SCHEMA,
        ),
        Tool("test_reconnection", "Closes its stream before it answers.", cut_off),
        Tool("test_missing_capability", "Needs a client that can sample.", needing_sampling),
        Tool(
            "test_custom_header",
            "Wants its argument in a header too.",
            constant(text("Taken.")),
            arguments(region={"type": "string", "x-mcp-header": "Region"}),
        ),
    ]


def _announcing(bus: SubscriptionBus) -> list[Tool]:
    return [
        Tool(
            TOOLS_CHANGE,
            "Changes what is said of the tools, and announces it.",
            announcing(bus, ToolsListChanged()),
        ),
        Tool(
            PROMPTS_CHANGE,
            "Changes what is said of the prompts, and announces it.",
            announcing(bus, PromptsListChanged()),
        ),
    ]
