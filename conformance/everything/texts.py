"""The resources and the prompts of the everything-server."""

import json
import re
from typing import Any, Final

import mcp_types as types
from conformance.everything.call import Call, form, text
from conformance.everything.media import base64_of, embedded, picture, png
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

Context = ServerRequestContext[Any, Any]

LEGACY_NOT_FOUND: Final = -32002
TEMPLATE: Final = "test://template/{id}/data"
RESOURCES: Final = [
    types.Resource(
        uri="test://static-text", name="text", description="A text.", mime_type="text/plain"
    ),
    types.Resource(
        uri="test://static-binary", name="picture", description="A pixel.", mime_type="image/png"
    ),
    types.Resource(
        uri="test://watched-resource",
        name="watched",
        description="A text to subscribe to.",
        mime_type="text/plain",
    ),
]
_IN_TEMPLATE: Final = re.compile(r"test://template/([^/]+)/data")


async def list_resources(context: Context, params: object) -> types.ListResourcesResult:
    return types.ListResourcesResult(resources=RESOURCES)


async def list_templates(context: Context, params: object) -> types.ListResourceTemplatesResult:
    template = types.ResourceTemplate(
        uri_template=TEMPLATE,
        name="template",
        description="Data by its number.",
        mime_type="application/json",
    )
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(
    context: Context, params: types.ReadResourceRequestParams
) -> types.ReadResourceResult:
    uri = str(params.uri)
    match = _IN_TEMPLATE.fullmatch(uri)
    contents: types.TextResourceContents | types.BlobResourceContents
    if match:
        number = match[1]
        data = {"id": number, "templateTest": True, "data": f"Data for ID: {number}"}
        contents = types.TextResourceContents(
            uri=uri, mime_type="application/json", text=json.dumps(data)
        )
    elif uri == "test://static-binary":
        contents = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=base64_of(png()))
    elif uri in ("test://static-text", "test://watched-resource"):
        words = "This is the content of the static text resource."
        contents = types.TextResourceContents(uri=uri, mime_type="text/plain", text=words)
    else:
        modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
        code = types.INVALID_PARAMS if modern else LEGACY_NOT_FOUND
        raise MCPError(code, "Resource not found", {"uri": uri})
    return types.ReadResourceResult(contents=[contents])


def argument(name: str, description: str) -> types.PromptArgument:
    return types.PromptArgument(name=name, description=description, required=True)


PROMPTS: Final = [
    types.Prompt(name="test_simple_prompt", description="A sentence."),
    types.Prompt(
        name="test_prompt_with_arguments",
        description="A sentence with two words of yours.",
        arguments=[argument("arg1", "First word"), argument("arg2", "Second word")],
    ),
    types.Prompt(
        name="test_prompt_with_embedded_resource",
        description="A resource of your choice.",
        arguments=[argument("resourceUri", "URI of the resource to embed")],
    ),
    types.Prompt(name="test_prompt_with_image", description="A picture."),
    types.Prompt(name="test_input_required_result_prompt", description="Asks before it speaks."),
]


async def get_prompt(
    context: Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult | types.InputRequiredResult:
    given = params.arguments or {}
    match params.name:
        case "test_simple_prompt":
            return prompt(text("This is a simple prompt for testing."))
        case "test_prompt_with_arguments":
            words = f"arg1='{given['arg1']}', arg2='{given['arg2']}'"
            return prompt(text(f"Prompt with arguments: {words}"))
        case "test_prompt_with_embedded_resource":
            words = "Embedded resource content for testing."
            return prompt(
                embedded(given["resourceUri"], "text/plain", words),
                text("Please process the embedded resource above."),
            )
        case "test_prompt_with_image":
            return prompt(picture(), text("Please analyze the image above."))
        case "test_input_required_result_prompt":
            return await _asking_prompt(Call(context, params))
    raise MCPError(types.INVALID_PARAMS, f"There is no prompt {params.name!r}.")


async def _asking_prompt(call: Call) -> types.GetPromptResult | types.InputRequiredResult:
    question = form("What context should the prompt use?", context={"type": "string"})
    answers = await call.ask({"user_context": question})
    if isinstance(answers, types.InputRequiredResult):
        return answers
    return prompt(text(f"Context: {(answers['user_context'].content or {}).get('context')}"))


def prompt(*content: types.ContentBlock) -> types.GetPromptResult:
    messages = [types.PromptMessage(role="user", content=block) for block in content]
    return types.GetPromptResult(messages=messages)


async def complete(context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    known = ["paris", "park", "party"]
    values = [word for word in known if word.startswith(params.argument.value)]
    return types.CompleteResult(
        completion=types.Completion(values=values, total=len(values), has_more=False)
    )
