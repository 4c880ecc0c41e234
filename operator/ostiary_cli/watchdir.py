"""Notices that the manifests of a folder changed: by looking, so that it is the same everywhere.

A look is one listing with times, sizes and inodes, so that nothing an editor does is missed: rename
over, truncate and write, delete; nor a change on a mounted folder, of which no event is told.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from .manifests import SUFFIXES

INTERVAL: Final = 0.25

Look = frozenset[tuple[str, int, int, int]]


def look(folder: Path) -> Look:
    """What the folder holds: name, time, size and inode of each manifest.  Blocking, and short."""
    found = set()
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return frozenset()
    for path in entries:
        if path.suffix not in SUFFIXES or path.name.startswith("."):
            continue
        try:
            at = path.stat()
        except OSError:
            continue  # gone between the listing and the look
        found.add((path.name, at.st_mtime_ns, at.st_size, at.st_ino))
    return frozenset(found)


async def changes(folder: Path, before: Look, *, interval: float = INTERVAL) -> AsyncIterator[Look]:
    """Each later look that differs, once it holds still: a save is often two writes."""
    seen = before
    while True:
        await asyncio.sleep(interval)
        now = await asyncio.to_thread(look, folder)
        if now == seen:
            continue
        settled = await _settled(folder, now, interval)
        seen = settled
        yield settled


async def _settled(folder: Path, now: Look, interval: float) -> Look:
    while True:
        await asyncio.sleep(interval / 5)
        again = await asyncio.to_thread(look, folder)
        if again == now:
            return now
        now = again
