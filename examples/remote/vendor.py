"""Plays a vendor's MCP server: streamable HTTP, for whoever has the key.

Run it beside `ostiary up examples/remote`; on a cluster the vendor runs it.
"""

import argparse
import hmac

import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.types import ASGIApp, Receive, Scope, Send


class KeyRequired:
    """Answers 401 to everybody else."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._wanted = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] != "http" or hmac.compare_digest(given, self._wanted):
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def serve() -> MCPServer:
    server = MCPServer("vendor")

    @server.tool()
    def order_status(number: str) -> str:
        """Where an order is."""
        return f"Order {number} is on its way."

    return server


def main() -> None:
    parser = argparse.ArgumentParser(description="A vendor's server that wants a key.")
    parser.add_argument("--port", type=int, default=8933)
    parser.add_argument("--key", default="demo-key")
    options = parser.parse_args()
    app = KeyRequired(serve().streamable_http_app(), options.key)
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
