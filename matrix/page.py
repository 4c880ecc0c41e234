"""Writes docs/reference/matrix.md from the tests of the matrix that ran: `python -m matrix.page`.

Compares with the file as it stands, and fails when that is stale; `--write` renews it.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from matrix.plan import BUILD, CLIENTS, ERAS, FEATURES, OLD_WAYS, ROOT, SERVERS, TRANSPORTS, Peer

JUNIT: Final = BUILD / "junit.xml"
PAGE: Final = ROOT / "docs" / "reference" / "matrix.md"
ERA_NAMES: Final = {"legacy": "handshake", "modern": "stateless"}
TABLES: Final = ("test_bridge", "test_transports", "test_clients", "test_servers")
_NAME: Final = re.compile(r"test_(?P<feature>\w+)\[(?P<cell>[\w-]+)\]")
_ONE_ERA: Final = (
    "Not tried: logs that nobody asked for, with a handshake client, which asks once for all."
)
WAYS: Final = {"sse": "HTTP+SSE", "webSocket": "WebSocket"}
_LOCKED: Final = re.compile(r"^(mcp|fastmcp)==(\S+)", re.MULTILINE)
HEAD: Final = """\
# The matrix: what was seen to work, between whom

`make matrix` writes this page from the tests that ran, and CI fails when it is not what they say.
Every test has a real client, a real server and a whole proxy between them, over real sockets and
pipes. *Handshake* is the era of 2024-11-05 to 2025-11-25, *stateless* that of 2026-07-28
([protocol.md](protocol.md)); a server is reached over streamable HTTP and over stdio.
**yes**: with every server, client and transport that the column stands for. **-**: not tried; the
reason is below the table.
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """One test that ran."""

    table: str
    feature: str
    cell: tuple[str, ...]
    passed: bool | None
    """None: skipped, as it has no meaning there."""


def read(junit: Path) -> tuple[Ran, ...]:
    found = []
    for case in ElementTree.parse(junit).iter("testcase"):
        match = _NAME.fullmatch(case.get("name", ""))
        table = case.get("classname", "").rpartition(".")[2]
        if match and table in TABLES:
            failed = any(case.find(it) is not None for it in ("failure", "error"))
            passed = None if case.find("skipped") is not None else not failed
            found.append(Ran(table, match["feature"], tuple(match["cell"].split("-")), passed))
    return tuple(found)


def write(ran: Iterable[Ran], versions: Mapping[str, str]) -> str:
    results = {(it.table, it.feature, it.cell): it.passed for it in ran}
    own = [
        (f"{ERA_NAMES[client]} client, {ERA_NAMES[server]} server", (client, server))
        for client in ERAS
        for server in ERAS
    ]
    cells = [(title, [(*pair, way) for way in TRANSPORTS]) for title, pair in own]
    old = [
        (
            f"{ERA_NAMES[client]} client, {WAYS[way]}, {ERA_NAMES[server]} server",
            [(client, server, way)],
        )
        for client, server, way in OLD_WAYS
    ]
    clients = [
        (it.title, [(it.name, era, way) for era in ERAS for way in TRANSPORTS]) for it in CLIENTS
    ]
    servers = [
        (it.title, [(era, it.name, way) for era in ERAS for way in TRANSPORTS]) for it in SERVERS
    ]
    return "\n".join(
        [
            HEAD,
            f"## The Python SDK {versions['python2']} on both sides\n",
            *_table("test_bridge", cells, results),
            f"\n{_ONE_ERA}",
            "\n## Servers of HTTP+SSE and of WebSocket\n",
            f"The Python SDK {versions['python2']} on both sides. HTTP+SSE is 2024-11-05's: its "
            "servers are of the handshake era.\n",
            *_table("test_transports", old, results),
            f"\n{_ONE_ERA}",
            "\n## Other clients\n",
            "Each against a server of either era over either transport; the SDKs of 2024-11-05, "
            "2025-03-26 and 2025-06-18 as they were then, the first over HTTP+SSE to the proxy. "
            f"Python SDK {versions['python1']}, TypeScript SDK {versions['typescript1']}, "
            f"FastMCP {versions['fastmcp4']}, Inspector {versions['inspector2']} (`--cli`).\n",
            *_table("test_clients", clients, results),
            *_reasons(CLIENTS),
            "\n## Other servers\n",
            "Each over either transport, with a client of either era (Python SDK "
            f"{versions['python2']}). FastMCP speaks both eras: `protocol` pins it to one.\n",
            *_table("test_servers", servers, results),
            *_reasons(SERVERS),
            f"\n{_ONE_ERA}",
            "",
        ]
    )


def _table(
    table: str,
    columns: list[tuple[str, list[tuple[str, ...]]]],
    results: Mapping[tuple[str, str, tuple[str, ...]], bool | None],
) -> list[str]:
    lines = [_row("", *(title for title, _ in columns)), "|" + "---|" * (len(columns) + 1)]
    for feature in FEATURES:
        said = []
        for _, cells in columns:
            keys = {cell: (table, feature, cell) for cell in cells}
            skipped = {cell for cell, key in keys.items() if results.get(key, True) is None}
            said.append(_said({it: results.get(keys[it]) for it in cells if it not in skipped}))
        lines.append(_row(feature.replace("_", " "), *said))
    return lines


def _said(outcomes: Mapping[tuple[str, ...], bool | None]) -> str:
    if all(it is None for it in outcomes.values()):
        return "-"
    if all(outcomes.values()):
        return "yes"
    works = ", ".join("-".join(cell) for cell, passed in outcomes.items() if passed)
    return f"only {works}" if works else "no"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _reasons(peers: Iterable[Peer]) -> list[str]:
    reasons: dict[str, dict[str, None]] = {}
    for peer in peers:
        for feature, reason in peer.lacks.items():
            reasons.setdefault(reason, {})[feature.replace("_", " ")] = None
    told = [f"- {reason}: {', '.join(features)}." for reason, features in reasons.items()]
    return ["\nNot tried:\n", *told] if told else []


def locked() -> dict[str, str]:
    """The versions that `make` installs."""
    lock = {
        name: dict(_LOCKED.findall((ROOT / "requirements" / f"{name}.txt").read_text()))
        for name in ("dev", "matrix-python1", "matrix-fastmcp4")
    }
    npm = (ROOT / "matrix" / "npm" / "package.json").read_text()
    named = dict(re.findall(r'"@modelcontextprotocol/(\w+)": "([\d.]+)"', npm))
    return {
        "python2": lock["dev"]["mcp"],
        "python1": lock["matrix-python1"]["mcp"],
        "fastmcp4": lock["matrix-fastmcp4"]["fastmcp"],
        "typescript1": named["sdk"],
        "inspector2": named["inspector"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="matrix.page", description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew docs/reference/matrix.md")
    options = parser.parse_args()
    page = write(read(JUNIT), locked())
    if options.write:
        PAGE.write_text(page)
    if PAGE.is_file() and PAGE.read_text() == page:
        print(f"{PAGE.relative_to(ROOT)} says what the tests said.")
        return 0
    print(f"{PAGE.relative_to(ROOT)} is not what the tests said: run", file=sys.stderr)
    print("    .venv/bin/python -m matrix.page --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
