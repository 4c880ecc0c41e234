"""Tells when something in a few folders may have changed.  Does not read the files.

Linux says so itself (inotify, by ctypes: there is nothing to install); elsewhere, or where inotify
is refused (also: a folder is not there yet), the folders are looked at four times a second.
"""

import asyncio
import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

POLL_SECONDS: Final = 0.25

# From <sys/inotify.h>; the flags of inotify_init1 are those of open(2).
_IN_MODIFY: Final = 0x002
_IN_CLOSE_WRITE: Final = 0x008
_IN_MOVED_FROM: Final = 0x040
_IN_MOVED_TO: Final = 0x080
_IN_CREATE: Final = 0x100
_IN_DELETE: Final = 0x200
_IN_DELETE_SELF: Final = 0x400
_IN_MOVE_SELF: Final = 0x800
_WATCHED: Final = (
    _IN_MODIFY
    | _IN_CLOSE_WRITE
    | _IN_MOVED_FROM
    | _IN_MOVED_TO
    | _IN_CREATE
    | _IN_DELETE
    | _IN_DELETE_SELF
    | _IN_MOVE_SELF
)

Signature = tuple[tuple[str, str, int, int, int], ...]


class Folders:
    """Watches from entry to exit.  `wait` returns at a change since the last `wait`, or in time."""

    def __init__(self, folders: Sequence[Path], *, inotify: bool = True) -> None:
        self._folders = tuple(folders)
        self._inotify = inotify
        self._fd = -1
        self._changed = asyncio.Event()
        self._signature: Signature = ()

    @property
    def told(self) -> bool:
        """The system tells of changes; otherwise the folders are polled."""
        return self._fd >= 0

    async def __aenter__(self) -> Self:
        if self._inotify and sys.platform == "linux":
            self._fd = _watch(self._folders)
        if self.told:
            asyncio.get_running_loop().add_reader(self._fd, self._read)
        else:
            self._signature = await asyncio.to_thread(look, self._folders)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.told:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    async def wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                if self.told:
                    await self._changed.wait()
                else:
                    await self._poll()
        except TimeoutError:
            pass
        self._changed.clear()

    async def _poll(self) -> None:
        while True:
            found = await asyncio.to_thread(look, self._folders)
            if found != self._signature:
                self._signature = found
                return
            await asyncio.sleep(POLL_SECONDS)

    def _read(self) -> None:
        try:
            while os.read(self._fd, 65536):
                pass
        except BlockingIOError:
            pass
        self._changed.set()


def look(folders: Sequence[Path]) -> Signature:
    """What can be seen of the folders' entries without opening them."""
    seen = []
    for folder in folders:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            try:
                link = os.readlink(entry.path) if entry.is_symlink() else ""
                stat = entry.stat()
            except OSError:
                continue
            seen.append((entry.path, link, stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return tuple(seen)


def _watch(folders: Sequence[Path]) -> int:
    """A descriptor to read, or -1 where the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if fd < 0:
        return -1
    for folder in folders:
        if libc.inotify_add_watch(fd, os.fsencode(folder), _WATCHED) < 0:
            os.close(fd)
            return -1
    return fd
