"""FastMCP as a server: the tools of tests/proxy/peers/features.py, in both eras.

`fastmcp4.py stdio` or `fastmcp4.py http PORT`.  FastMCP knows no subscriptions to resources.
"""

import asyncio
import json
import sys
from typing import Annotated, Any

import mcp_types as types
from fastmcp import Context, FastMCP
from fastmcp.tools import ToolResult
from mcp.shared.exceptions import MCPError
from pydantic import Field

NEW = "2026-07-28"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"colour": {"type": "string"}}}
PAGE = "https://example.org/consent"
Answer = types.CallToolResult | types.InputRequiredResult

server: FastMCP[Any] = FastMCP("features", version="7", instructions="Try them all.")
calls: list[str] = []
cancelled: list[str] = []
consented: list[bool] = []


@server.tool
async def echo(
    text: str = "", region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = ""
) -> str:
    return text


@server.tool
async def count(ctx: Context) -> str:
    for step in (1, 2, 3):
        await ctx.report_progress(step, 3, f"step {step}")
    return "counted"


@server.tool
async def talk(ctx: Context) -> str:
    """By the session: `ctx.debug` would wrap the words."""
    for level in ("debug", "warning"):
        await ctx.session.send_log_message(
            level, f"{level} words", related_request_id=ctx.request_id
        )
    return "talked"


@server.tool
async def wait(name: str = "") -> str:
    calls.append("wait")
    try:
        await asyncio.Event().wait()
    finally:
        cancelled.append(name)
    return ""


@server.tool
async def notes() -> str:
    return json.dumps({"calls": calls, "cancelled": cancelled})


@server.tool
async def grow(ctx: Context) -> str:
    return "grown"


@server.tool
async def touch(ctx: Context) -> str:
    return "touched"


@server.tool
async def sing() -> ToolResult:
    return ToolResult(
        content=[
            types.AudioContent(type="audio", data="AAAA", mime_type="audio/wav"),
            types.ResourceLink(type="resource_link", name="song", uri="memo:one"),
        ]
    )


# what needs the client

FORM = types.ElicitRequest(
    params=types.ElicitRequestFormParams(message="Which colour?", requested_schema=SCHEMA)
)
PAGE_FIRST = types.ElicitRequest(
    params=types.ElicitRequestURLParams(mode="url", message="Go there", url=PAGE)
)
SPOKEN = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="a word?"))


def modern(ctx: Context) -> bool:
    return ctx.session.protocol_version == NEW


def asked(ctx: Context, **questions: Any) -> Any:
    """The stateless era: questions the first time, what was answered the second."""
    answers = ctx.input_responses
    if answers is None:
        return types.InputRequiredResult(input_requests=questions, request_state="state-1")
    return " ".join(said(answers[key]) for key in sorted(questions))


@server.tool
async def ask(ctx: Context) -> Any:
    if modern(ctx):
        return asked(ctx, a=FORM)
    return said(await ctx.session.elicit_form("Which colour?", SCHEMA, ctx.request_id))


@server.tool
async def visit(ctx: Context) -> Any:
    if modern(ctx):
        return asked(ctx, a=PAGE_FIRST)
    return said(await ctx.session.elicit_url("Go there", PAGE, "e-1", ctx.request_id))


@server.tool
async def consent(ctx: Context, name: str = "") -> Any:
    """In the stateless era alone: FastMCP makes a failed tool of an error -32042."""
    if consented:
        return "consented"
    answer = asked(ctx, a=PAGE_FIRST)
    if ctx.input_responses is not None:
        consented.append(True)
    return answer


@server.tool
async def dream(ctx: Context) -> Any:
    if modern(ctx):
        params = types.CreateMessageRequestParams(messages=[SPOKEN], max_tokens=5)
        return asked(ctx, a=types.CreateMessageRequest(params=params))
    answer = await ctx.session.create_message(
        [SPOKEN], max_tokens=5, related_request_id=ctx.request_id
    )
    return said(answer)


@server.tool
async def places(ctx: Context) -> Any:
    if modern(ctx):
        return asked(ctx, a=types.ListRootsRequest())
    return said(await ctx.session.list_roots())


async def _both(ctx: Context) -> Any:
    if modern(ctx):
        return asked(ctx, a=FORM, b=types.ListRootsRequest())
    colour = said(await ctx.session.elicit_form("Which colour?", SCHEMA, ctx.request_id))
    return f"{colour} {said(await ctx.session.list_roots())}"


@server.tool
async def both(ctx: Context) -> Any:
    return await _both(ctx)


@server.tool
async def pieces(ctx: Context) -> Any:
    """In two rounds, of which the first asks nothing."""
    if modern(ctx) and ctx.request_state is None:
        return types.InputRequiredResult(request_state="first")
    return await _both(ctx)


def said(answer: Any) -> str:
    if isinstance(answer, types.ElicitResult):
        return str((answer.content or {}).get("colour", answer.action))
    if isinstance(answer, types.ListRootsResult):
        return ",".join(str(root.uri) for root in answer.roots)
    return str(answer.content.text)


# resources, prompts, completion


@server.resource("memo:one", name="one")
async def one() -> str:
    return "remember"


@server.resource("memo:{name}", name="memo")
async def memo(name: str, ctx: Context) -> str:
    code = types.INVALID_PARAMS if modern(ctx) else -32002
    raise MCPError(code, "no such memo", {"uri": f"memo:{name}"})


@server.prompt
async def greet(name: str = "") -> str:
    return "Hello"


@server.completion
async def complete(reference: Any, argument: types.CompletionArgument, context: Any) -> list[str]:
    return [f"{argument.value}nna"]


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run(transport="stdio", show_banner=False)
    else:
        server.run(
            transport="http",
            host="127.0.0.1",
            port=int(sys.argv[2]),
            path="/mcp",
            show_banner=False,
            log_level="warning",
        )
