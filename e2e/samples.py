"""The servers that the product tests apply: which image, how it is asked, what it must answer."""

from dataclasses import dataclass, field
from typing import Any, Final

from e2e.cluster.images.recipes import GO_SERVER, SDK1_SERVERS, SDK_SERVERS, TIME_SERVER

PORT: Final = 8000


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    spec: dict[str, Any]
    eras: tuple[str, ...]
    """What the server itself speaks."""
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


STDIO: Final = Sample(
    "sdk-stdio",
    {"image": SDK_SERVERS, "command": ["python3", "-m", "everything", "stdio"]},
    ("legacy", "modern"),
    stateless_eras=("modern",),
)
HTTP: Final = Sample("sdk-http", over_http(SDK_SERVERS, "everything"), ("legacy", "modern"))
SESSIONLESS: Final = Sample(
    "sdk-http-sessionless",
    over_http(SDK_SERVERS, "everything", "--stateless"),
    ("legacy", "modern"),
    stateless_eras=("modern", "legacy"),
)
STUBBORN: Final = Sample(
    "sdk-http-ignoring-sigterm",
    over_http(SDK_SERVERS, "everything", "--stateless", "--ignore-sigterm"),
    ("legacy", "modern"),
    stateless_eras=("modern", "legacy"),
)
OLD_STDIO: Final = Sample(
    "sdk1-stdio",
    {"image": SDK1_SERVERS, "command": ["python3", "-m", "everything1", "stdio"]},
    ("legacy",),
)
OLD_HTTP: Final = Sample("sdk1-http", over_http(SDK1_SERVERS, "everything1"), ("legacy",))
TIME: Final = Sample(
    "mcp-server-time",
    {"image": TIME_SERVER, "command": ["python3", "-m", "mcp_server_time"]},
    ("legacy", "modern"),
    tool="convert_time",
    arguments={"source_timezone": "Etc/UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"},
    expected="21:00",
)
GO: Final = Sample("go-stdio", {"image": GO_SERVER, "command": ["/gostdio"]}, ("legacy",))

ECHOING: Final = (STDIO, HTTP, SESSIONLESS, OLD_STDIO, OLD_HTTP, TIME, GO)
ROLLING: Final = (STDIO, SESSIONLESS, STUBBORN)
TOOLS: Final = ("echo", "echo_upper", "add", "count", "slow", "big", "environment", "fail")
"""Of the SDK samples, but `crash`."""
