"""A real SDK server that does a little of everything.  `python everything.py` speaks stdio."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import mcp_types as types
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel
from starlette.applications import Starlette


class Answer(BaseModel):
    colour: str


class Peer:
    """The server, and what its tools saw."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.cancelled: list[str] = []
        self.started = asyncio.Event()
        self.server = MCPServer("everything", version="1.2.3")
        self._add_plain_tools()
        self._add_talking_tools()
        self._add_failing_tools()
        self._add_growth()
        self._add_texts()

    def _add_plain_tools(self) -> None:
        server = self.server

        @server.tool()
        async def echo(text: str) -> str:
            """Says it again."""
            self.calls.append(text)
            return text

        @server.tool()
        async def pid() -> str:
            """The process that serves this call."""
            return str(os.getpid())

        @server.tool()
        async def hidden_one() -> str:
            """For those who may."""
            return "secret"

    def _add_talking_tools(self) -> None:
        server = self.server

        @server.tool()
        async def count(ctx: Context, to: int = 3) -> str:
            """Reports progress, then answers."""
            for step in range(to):
                await ctx.report_progress(step + 1, to, f"step {step + 1}")
            return f"counted to {to}"

        @server.tool()
        async def talk(ctx: Context) -> str:
            """Logs, then answers."""
            await ctx.info("hello from the server")
            return "talked"

        @server.tool()
        async def ask(ctx: Context) -> str:
            """Asks the client's user."""
            answer = await ctx.elicit("Which colour?", Answer)
            return answer.data.colour if answer.action == "accept" else answer.action

        @server.tool()
        async def dream(ctx: Context) -> str:
            """Asks the client's model."""
            message = types.SamplingMessage(
                role="user", content=types.TextContent(type="text", text="a word?")
            )
            result = await ctx.session.create_message([message], max_tokens=5)
            return str(result.content.text)  # type: ignore[union-attr]

    def _add_failing_tools(self) -> None:
        server = self.server

        @server.tool()
        async def wait(name: str = "") -> str:
            """Never answers; notes when it is cancelled."""
            self.started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise
            return ""

        @server.tool()
        async def fail() -> str:
            """Fails."""
            raise ValueError("on purpose")

        @server.tool()
        async def crash() -> str:
            """Ends the process."""
            os._exit(3)

    def _add_growth(self) -> None:
        server = self.server

        @server.tool()
        async def grow(ctx: Context) -> str:
            """Adds a tool and says so."""

            async def grown() -> str:
                return "grown"

            server.add_tool(grown, name="grown")
            await ctx.session.send_tool_list_changed()
            return "more tools"

    def _add_texts(self) -> None:
        server = self.server

        @server.resource("memo:one")
        def memo() -> str:
            """A memo."""
            return "remember"

        @server.resource("memo:secret")
        def secret() -> str:
            """Another."""
            return "hidden"

        @server.prompt()
        def greet(name: str) -> str:
            """Greets."""
            return f"Hello, {name}"

    @asynccontextmanager
    async def http(self, **options: bool) -> AsyncIterator[Starlette]:
        app = self.server.streamable_http_app(**options)
        async with app.router.lifespan_context(app):
            yield app


if __name__ == "__main__":
    asyncio.run(Peer().server.run_stdio_async())
