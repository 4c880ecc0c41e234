"""A server on the SDK's first generation (mcp 1.x), which knows the legacy era alone.

python -m everything1 stdio
python -m everything1 http [--port N] [--stateless]
python -m everything1 sse [--port N]
python -m everything1 ws [--port N]"""

import argparse

import uvicorn
from mcp.server.fastmcp import FastMCP
from mcp.server.websocket import websocket_server
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket


def build(options: argparse.Namespace) -> FastMCP:
    server = FastMCP("everything1", port=options.port, stateless_http=options.stateless)

    @server.tool()
    def echo(text: str) -> str:
        """Say it back."""
        return text

    @server.tool()
    def add(a: int, b: int) -> int:
        """The sum of two numbers."""
        return a + b

    return server


def serve_websocket(server: FastMCP, port: int) -> None:
    lowlevel = server._mcp_server  # FastMCP itself has no such transport; the SDK has

    async def serve(socket: WebSocket) -> None:
        async with websocket_server(socket.scope, socket.receive, socket.send) as streams:
            await lowlevel.run(*streams, lowlevel.create_initialization_options())

    app = Starlette(routes=[WebSocketRoute("/ws", serve)])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


TRANSPORTS = {"stdio": "stdio", "http": "streamable-http", "sse": "sse"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("transport", choices=[*TRANSPORTS, "ws"])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--stateless", action="store_true")
    options = parser.parse_args()
    server = build(options)
    if options.transport == "ws":
        serve_websocket(server, options.port)
    else:
        server.run(TRANSPORTS[options.transport])


if __name__ == "__main__":
    main()
