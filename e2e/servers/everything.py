"""A small MCP server on the Python SDK that does what the tests ask for: echo, wait, fail, count.

python -m everything stdio
python -m everything http [--host H] [--port N] [--stateless] [--ignore-sigterm] [--certificate F]
python -m everything sse [--host H] [--port N]"""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator

import anyio
import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("everything", version="1.0.0", instructions="A server for tests.")
calls = 0


@server.tool()
def echo(text: str) -> str:
    """Say it back."""
    return text


@server.tool()
def echo_upper(text: str) -> str:
    """Say it back, louder."""
    return text.upper()


@server.tool()
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


@server.tool()
def count() -> dict[str, int]:
    """How often this process was asked, and which process that is."""
    global calls
    calls += 1
    return {"calls": calls, "pid": os.getpid()}


@server.tool()
async def slow(seconds: float, context: Context, steps: int = 4) -> str:
    """Take a while, with a progress notification at every step."""
    for step in range(steps):
        await anyio.sleep(seconds / steps)
        await context.report_progress(step + 1, steps, f"step {step + 1} of {steps}")
    return f"waited {seconds} s"


@server.tool()
def big(kilobytes: int) -> str:
    """A long text."""
    return "x" * 1024 * kilobytes


@server.tool()
def environment(name: str) -> str:
    """A variable of this process."""
    return os.environ.get(name, "")


@server.tool()
def header(name: str, context: Context) -> str:
    """A header of the request that this call came with."""
    return (context.headers or {}).get(name, "")


@server.tool()
def fail(message: str) -> str:
    """A tool error, which is a result."""
    raise ValueError(message)


@server.tool()
def crash() -> str:
    """End this process at once."""
    os._exit(9)


@server.resource("memo://today")
def today() -> str:
    """A fixed note."""
    return "nothing to do"


@server.resource("memo://notes/{name}")
def note(name: str) -> str:
    """A note by its name."""
    return f"note {name}"


@server.prompt()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}."


class Stubborn(uvicorn.Server):
    """Goes on serving whatever signal comes."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        yield


def serve_http(options: argparse.Namespace) -> None:
    if options.transport == "sse":
        app = server.sse_app(host=options.host)
    else:
        app = server.streamable_http_app(
            stateless_http=options.stateless, json_response=options.json, host=options.host
        )
    tls = {"ssl_certfile": options.certificate, "ssl_keyfile": options.key}
    config = uvicorn.Config(app, host=options.host, port=options.port, log_level="warning", **tls)
    kind = Stubborn if options.ignore_sigterm else uvicorn.Server
    kind(config).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("transport", choices=["stdio", "http", "sse"])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--stateless", action="store_true")
    parser.add_argument("--json", action="store_true", help="answer with JSON, never a stream")
    parser.add_argument("--ignore-sigterm", action="store_true")
    parser.add_argument("--certificate", help="a PEM file: speak TLS")
    parser.add_argument("--key", help="the certificate's key")
    options = parser.parse_args()
    print(f"everything: {options.transport}", file=sys.stderr)
    if options.transport == "stdio":
        server.run("stdio")
    else:
        serve_http(options)


if __name__ == "__main__":
    main()
