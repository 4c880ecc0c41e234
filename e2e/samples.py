"""The servers that the product tests apply: which image, how it is asked, what it must answer."""

from dataclasses import dataclass, field
from typing import Any, Final

from e2e.cluster.images.recipes import GO_SERVER, SDK1_SERVERS, SDK_SERVERS, TIME_SERVER

PORT: Final = 8000


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    spec: dict[str, Any]
    tool: str = "echo"
    arguments: dict[str, Any] = field(default_factory=lambda: {"text": "good morning"})
    expected: str = "good morning"
    stateless_eras: tuple[str, ...] = ()
    """Eras in which no process keeps anything of a caller between two calls."""


def over_http(image: str, module: str, *flags: str) -> dict[str, Any]:
    return {
        "image": image,
        "command": ["python3", "-m", module, "http", "--port", str(PORT), *flags],
        "transport": {"streamableHTTP": {"port": PORT, "path": "/mcp"}},
    }


def over_port(image: str, module: str, transport: str, kind: str) -> dict[str, Any]:
    return {
        "image": image,
        "command": ["python3", "-m", module, transport, "--port", str(PORT)],
        "transport": {kind: {"port": PORT, "path": f"/{transport}"}},
    }


STDIO: Final = Sample(
    "sdk-stdio",
    {"image": SDK_SERVERS, "command": ["python3", "-m", "everything", "stdio"]},
    stateless_eras=("modern",),
)
HTTP: Final = Sample("sdk-http", over_http(SDK_SERVERS, "everything"))
SESSIONLESS: Final = Sample(
    "sdk-http-sessionless",
    over_http(SDK_SERVERS, "everything", "--stateless"),
    stateless_eras=("modern", "legacy"),
)
STUBBORN: Final = Sample(
    "sdk-http-ignoring-sigterm",
    over_http(SDK_SERVERS, "everything", "--stateless", "--ignore-sigterm"),
    stateless_eras=("modern", "legacy"),
)
LISTENING_WIDE: Final = Sample(
    "sdk-http-on-every-address",
    over_http(SDK_SERVERS, "everything", "--host", "0.0.0.0"),
)
OLD_STDIO: Final = Sample(
    "sdk1-stdio",
    {"image": SDK1_SERVERS, "command": ["python3", "-m", "everything1", "stdio"]},
)
OLD_HTTP: Final = Sample("sdk1-http", over_http(SDK1_SERVERS, "everything1"))
SSE: Final = Sample("sdk-sse", over_port(SDK_SERVERS, "everything", "sse", "sse"))
OLD_SSE: Final = Sample("sdk1-sse", over_port(SDK1_SERVERS, "everything1", "sse", "sse"))
OLD_WEBSOCKET: Final = Sample(
    "sdk1-websocket", over_port(SDK1_SERVERS, "everything1", "ws", "webSocket")
)
TIME: Final = Sample(
    "mcp-server-time",
    {"image": TIME_SERVER, "command": ["python3", "-m", "mcp_server_time"]},
    tool="convert_time",
    arguments={"source_timezone": "Etc/UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"},
    expected="21:00",
)
GO: Final = Sample("go-stdio", {"image": GO_SERVER, "command": ["/gostdio"]})

ECHOING: Final = (
    *(STDIO, HTTP, SESSIONLESS, SSE),
    *(OLD_STDIO, OLD_HTTP, OLD_SSE, OLD_WEBSOCKET),
    *(TIME, GO),
)
ROLLING: Final = (STDIO, SESSIONLESS, STUBBORN)
TOOLS: Final = ("echo", "echo_upper", "add", "count", "slow", "big", "environment", "fail")
"""Of the SDK samples, but `crash`."""
