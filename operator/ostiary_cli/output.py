"""What `ostiary up` prints: the table, the tokens, the commands to paste, or one line for scripts.

Formats only; where it goes is the caller's.
"""

import json
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary_operator.api import GROUP_KIND
from ostiary_proxy.config import GroupBackend, HttpBackend, Server, ServerReport

from .devtoken import LIFE_SECONDS
from .local import called, key_of
from .terminal import one_line

RIGHTS: Final = (
    "Servers run here with your own rights and no network isolation; on a cluster they get neither "
    "your rights nor an open network."
)
DAY: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Token:
    principal: str
    token: str


def ready_line(servers: Iterable[Server], tokens: Iterable[Token]) -> str:
    """The contract of `--output json`: one line, and these fields alone."""
    return json.dumps(
        {
            "endpoints": [
                {
                    "kind": called(server).partition(" ")[0],
                    "namespace": server.namespace,
                    "name": server.name,
                    "url": server.url,
                }
                for server in servers
            ],
            "tokens": [{"principal": it.principal, "token": it.token} for it in tokens],
        }
    )


def table(servers: Sequence[Server], reports: Mapping[str, ServerReport]) -> str:
    rows = [("ENDPOINT", "STATE", "TOOLS", "SERVER")]
    for server in servers:
        report = reports.get(key_of(server))
        rows.append(
            (
                server.url,
                "Not called yet" if _is_uncalled(server, report) else state_of(report),
                str(report.toolCount) if report and report.state == "Ready" else "-",
                _behind(server, report),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def _behind(server: Server, report: ServerReport | None) -> str:
    if isinstance(server.backend, GroupBackend):
        return one_line(
            "group of " + (", ".join(it.alias for it in server.backend.members) or "none")
        )
    return one_line(f"{report.serverName} {report.serverVersion}") if report else "-"


def _is_uncalled(server: Server, report: ServerReport | None) -> bool:
    outside = server.backend.outside if isinstance(server.backend, HttpBackend) else None
    starting = report is None or report.state == "Starting"
    return starting and outside is not None and outside.source == "remote"


def state_of(report: ServerReport | None) -> str:
    if report is None:
        return "Starting"
    if report.kind == GROUP_KIND:
        return _group_state(report)
    return f"{report.state} ({report.reason})" if report.reason else report.state


def _group_state(report: ServerReport) -> str:
    """A group answers whatever its members do; what a person wants to know is what they do."""
    lost = [it for it in report.members if it.state != "Ready"]
    if not report.members:
        return "No member"
    if all(it.state == "Waiting" for it in report.members):
        return "Starting"
    if len(lost) == len(report.members):
        return "Unavailable (no member answers)"
    return f"Ready (without {', '.join(it.alias for it in lost)})" if lost else "Ready"


def sentence(report: ServerReport) -> str:
    """Of a change: what it is now, and why."""
    state = state_of(report)
    lost = [f"{it.alias}: {it.message}" for it in report.members if it.message]
    lost += [
        f"{it.alias}: left out, for another member has the name too: {', '.join(it.conflicts)}"
        for it in report.members
        if it.conflicts
    ]
    why = "".join(f": {one_line(it)}" for it in (report.message, "; ".join(lost)) if it)
    return f"{report.kind} {report.namespace}/{report.name}: {state}{why}"


def how_to_use(servers: Sequence[Server], tokens: Sequence[Token]) -> Iterator[str]:
    program = program_name()
    for number, it in enumerate(tokens):
        yield f"Development token of {it.principal}, good for {LIFE_SECONDS // DAY} days:"
        name = "OSTIARY_TOKEN" if number == 0 else f"OSTIARY_TOKEN_{number + 1}"
        yield f"  export {name}={it.token}"
    if not servers:
        return
    yield "With the token exported, in another terminal:"
    yield f"  {program} tools {servers[0].url}"
    yield "To add them to Claude Code, for example:"
    for server in servers:
        yield (
            f"  claude mcp add --transport http {key_of(server).split('/')[1]} {server.url} "
            '--header "Authorization: Bearer $OSTIARY_TOKEN"'
        )


def call_command(url: str, words: Sequence[str]) -> str:
    return f"{program_name()} call {url} {shlex.join(words)}"


def program_name() -> str:
    """How this program was called, so that what is printed can be pasted."""
    called = Path(sys.argv[0])
    if called.name.startswith("__"):
        return "python -m ostiary_cli"
    found = shutil.which(called.name)
    if found and Path(found).resolve() == called.resolve():
        return called.name
    try:
        return shlex.quote(str(called.absolute().relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(str(called))
