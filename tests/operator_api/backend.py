"""A real MCP server for the pods of these tests: streamable HTTP, any free port of loopback.

`python backend.py` prints its port and serves until it is ended."""

import socket

import uvicorn
from mcp.server.mcpserver import MCPServer

server = MCPServer("clock", version="4.5.6")


@server.tool()
def now() -> str:
    """What the clock says."""
    return "noon"


@server.tool()
def wind() -> str:
    """Winds the clock."""
    return "done"


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(server.streamable_http_app(), log_level="warning")
        uvicorn.Server(config).run(sockets=[listener])
