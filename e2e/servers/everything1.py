"""A server on the SDK's first generation (mcp 1.x), which knows the legacy era alone.

python -m everything1 stdio
python -m everything1 http [--port N] [--stateless]"""

import argparse

from mcp.server.fastmcp import FastMCP


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("transport", choices=["stdio", "http"])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--stateless", action="store_true")
    options = parser.parse_args()
    build(options).run("stdio" if options.transport == "stdio" else "streamable-http")


if __name__ == "__main__":
    main()
