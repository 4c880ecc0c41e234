"""What a list of tools says, read a bounded part in each turn of the loop.

The list is a server's word: 500 tools of 16 KiB each would otherwise hold everybody up for a
quarter of a second.  Nothing here asks the server anything.
"""

import asyncio
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from ostiary_proxy.config import Effect, SuspectReport, ToolReport
from ostiary_proxy.lint import MOST_READ, Lint
from ostiary_proxy.message import Json, is_shallow
from ostiary_proxy.mirror import Mirror, mirrors
from ostiary_proxy.tool_digest import hints, report, twin, whole

MOST_TOOLS: Final = 5000
LONGEST_NAME: Final = 128
A_TURN: Final = MOST_READ
"""Characters of tools that are read before others have their turn..."""
A_TOOL: Final = 512
"""...where each tool counts for so many, beside what is read of it."""


@dataclass(frozen=True, slots=True)
class Study:
    tools: tuple[ToolReport, ...] = ()
    digest: str = ""
    mirrored: Mapping[str, tuple[Mirror, ...]] = field(default_factory=dict)
    """By tool: the arguments that headers repeat."""
    hints: Mapping[str, tuple[Effect, ...]] = field(default_factory=dict)
    """By tool: the effects that its own annotations claim."""
    twins: Mapping[str, str] = field(default_factory=dict)
    """By the digest that a tool has for clients of the other era: its own."""
    suspects: tuple[SuspectReport, ...] = ()


async def studied(tools: Iterable[Json]) -> Study:
    turns = turn_by_turn(tools)
    while True:
        try:
            next(turns)
        except StopIteration as done:
            study: Study = done.value
            return study
        await asyncio.sleep(0)


def turn_by_turn(tools: Iterable[Json]) -> Generator[int, None, Study]:
    """Yields what a turn has read; returns what the tools say."""
    lint, spent = Lint(), 0
    reports: list[ToolReport] = []
    mirrored: dict[str, tuple[Mirror, ...]] = {}
    claimed: dict[str, tuple[Effect, ...]] = {}
    twins: dict[str, str] = {}
    for tool in islice(tools, MOST_TOOLS):
        cost = A_TOOL
        if _named(tool) and is_shallow(tool):
            known = report(tool)
            reports.append(known)
            mirrored |= mirrors([tool])
            # Of a name that is listed twice nothing is taken for granted.
            claimed[known.name] = () if known.name in claimed else hints(tool)
            if other := twin(tool):
                twins[other] = known.digest
            cost += lint.read(tool)
        spent += cost
        if spent >= A_TURN:
            yield spent
            spent = 0
    yield spent
    return Study(
        tools=tuple(reports),
        digest=whole(tuple(reports)),
        mirrored=mirrored,
        hints={name: effects for name, effects in claimed.items() if effects},
        twins=twins,
        suspects=lint.suspects,
    )


def _named(tool: Json) -> bool:
    name = tool.get("name")
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME
