"""Runs `ostiary audit verify` and `ostiary why`: reads files or the cluster's logs, and prints."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ostiary_cli import kubectl
from ostiary_cli.endpoint import EVENT_ID, WRONG, CallFailed
from ostiary_cli.terminal import shown

from .chains import Line, audit_line, check_heads, follow, head_line
from .here import trail_of
from .words import told

NO: Final = 1
SELECTED: Final = "app.kubernetes.io/managed-by=ostiary"
"""Pods of servers and of gateways; the operator's own are managed by its chart."""


def run(arguments: argparse.Namespace) -> int:
    """Raises CallFailed."""
    return _verify(arguments) if arguments.command == "audit" else _why(arguments)


def _verify(arguments: argparse.Namespace) -> int:
    found = follow(_lines(_files(arguments.files) or ["-"]), from_middle=arguments.from_middle)
    gap = found.gap
    if not gap and not found.lines:
        raise CallFailed("There is no audit line in what was read.", code=WRONG)
    if not gap and arguments.heads:
        heads = [it for file, n, text in _read(arguments.heads) if (it := head_line(file, n, text))]
        if not heads:
            why = f"{arguments.heads}: no line tells a chain's head: is it the operator's log?"
            raise CallFailed(why, code=WRONG)
        gap = check_heads(found, heads)
    if arguments.output == "json":
        chains = [
            {"pod": it.pod, "podUid": it.pod_uid, "began": it.began, "first": it.first}
            | {"last": it.last, "head": it.digests[-1]}
            for it in found.chains
        ]
        print(json.dumps({"whole": not gap, "gap": gap, "lines": found.lines, "chains": chains}))
    elif gap:
        print(shown(f"gap: {gap}"))
    else:
        for chain in found.chains:
            head = f"head {chain.digests[-1]}"
            print(shown(f"whole: {chain.name}: lines {chain.first} to {chain.last}, {head}"))
    return NO if gap else 0


def _why(arguments: argparse.Namespace) -> int:
    ident = arguments.id.strip().upper()
    if not EVENT_ID.fullmatch(ident):
        raise CallFailed(f"{arguments.id}: write the 26 characters of the id.", code=WRONG)
    files = _files(arguments.files)
    if not (files or arguments.namespace or arguments.all_namespaces):
        # Started in the folder of an `ostiary up`: that is the nearest.
        files = [str(near)] if (near := trail_of(Path())).is_file() else []
    lines = _lines(files) if files else _logged(arguments)
    found = [line for line in lines if line.data.get("id") == ident]
    if arguments.output == "json":
        for line in found:
            print(json.dumps(line.data))
    for line in found if arguments.output == "text" else ():
        print(shown("\n".join([*told(line.data), f"  read    {line.where}"])))
    if not found:
        where = ", ".join(files) or "the logs of the proxies that run now"
        print(shown(f"{ident} is not in {where}."), file=sys.stderr)
    return 0 if found else NO


def _lines(files: list[str]) -> Iterator[Line]:
    for file in files:
        for name, number, text in _read(file):
            line = audit_line(name, number, text)
            if line is not None:
                yield line


def _files(named: list[str]) -> list[str]:
    """A folder stands for the trail that `ostiary up` keeps in it."""
    return [str(trail_of(Path(it))) if Path(it).is_dir() else it for it in named]


def _read(file: str) -> Iterator[tuple[str, int, bytes]]:
    """Raises CallFailed."""
    if file == "-":
        yield from (("standard input", n, text) for n, text in enumerate(sys.stdin.buffer, 1))
        return
    try:
        with open(file, "rb") as opened:
            yield from ((file, number, text) for number, text in enumerate(opened, 1))
    except OSError as err:
        raise CallFailed(f"{file}: cannot be read ({err.strerror}).", code=WRONG) from err


def _logged(arguments: argparse.Namespace) -> Iterator[Line]:
    """Of every proxy, the newest of its namespace's first."""
    where: tuple[str, ...] = ("-A",) if arguments.all_namespaces else ()
    if arguments.namespace:
        where = ("-n", arguments.namespace)
    for pod in kubectl.read("get", "pods", *where, "-l", SELECTED)["items"]:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        try:
            text = kubectl.kubectl("-n", namespace, "logs", name, "-c", "proxy")
        except CallFailed as err:
            print(shown(f"pod {namespace}/{name}: {err}"), file=sys.stderr)
            continue
        for number, line in enumerate(text.encode().splitlines(), 1):
            found = audit_line(f"pod {namespace}/{name}", number, line)
            if found is not None:
                yield found
