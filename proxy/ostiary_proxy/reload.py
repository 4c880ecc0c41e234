"""Keeps the newest valid config document in force while files change beneath it.

A newer document that cannot be used never replaces one in force: that one serves on for 15
minutes, and then everybody is denied.  A proxy that starts on an unusable document denies all.
An unchanged document never goes stale.  How a document becomes a snapshot is `assemble`.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary_proxy.assemble import Assembler
from ostiary_proxy.config import CONFIG_FILE
from ostiary_proxy.document import Unusable, digest_of, parse_document
from ostiary_proxy.folders import Folders
from ostiary_proxy.runtime import Runtime, Snapshot

LAST_GOOD_SECONDS: Final = 15 * 60
LOOK_AGAIN_SECONDS: Final = 10.0
"""The files are compared this often even when nobody told of a change."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Files:
    """What was read: equal files need no second look."""

    document: bytes | None
    trouble: str
    keys: tuple[tuple[str, bytes], ...]


class Reloader:
    """One config folder, followed."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        assembler: Assembler,
        config_dir: Path,
        keys_dir: Path,
        timer: Callable[[], float] = time.monotonic,
        inotify: bool = True,
    ) -> None:
        self._runtime = runtime
        self._assembler = assembler
        self._config_dir = config_dir
        self._keys_dir = keys_dir
        self._timer = timer
        self._inotify = inotify
        self._files: _Files | None = None
        self._unusable_since: float | None = None
        self.loaded = asyncio.Event()
        """The first look is done, whatever it found."""

    async def run(self) -> None:
        """Load, then follow, until cancelled."""
        folders = (self._config_dir, self._keys_dir)
        async with Folders(folders, inotify=self._inotify) as watched:
            log.info("config=watched inotify=%s", watched.told)
            while True:
                await self.look()
                self.loaded.set()
                await watched.wait(self._patience())

    async def look(self) -> None:
        """Compare the files with what was read last, and act on a difference or on its age."""
        files = await asyncio.to_thread(self._read)
        if files != self._files:
            self._files = files
            result = await asyncio.to_thread(self._build, files)
            if isinstance(result, Snapshot):
                self._take(result)
            else:
                self._refuse(result)
        self._grow_old()

    def _patience(self) -> float:
        if self._unusable_since is None or self._runtime.deny_all:
            return LOOK_AGAIN_SECONDS
        left = self._unusable_since + LAST_GOOD_SECONDS - self._timer()
        return min(LOOK_AGAIN_SECONDS, max(0.0, left))

    def _read(self) -> _Files:
        keys = []
        for number in range(4):
            try:
                keys.append((str(number), (self._keys_dir / str(number)).read_bytes()))
            except OSError:
                continue
        try:
            document = (self._config_dir / CONFIG_FILE).read_bytes()
        except OSError as err:
            return _Files(None, f"cannot be read ({err.strerror})", tuple(keys))
        return _Files(document, "", tuple(keys))

    def _build(self, files: _Files) -> Snapshot | Unusable:
        if files.document is None:
            return Unusable((f"{CONFIG_FILE}: {files.trouble}",))
        config = parse_document(files.document, CONFIG_FILE, self._runtime.role)
        if isinstance(config, Unusable):
            return config
        return self._assembler.build(config, digest_of(files.document))

    def _take(self, snapshot: Snapshot) -> None:
        before = self._runtime.snapshot
        if before is not None and snapshot.generation < before.generation:
            # The file is the truth: an operator restored from a backup counts from there.
            log.warning("generation=%d previous=%d", snapshot.generation, before.generation)
        self._unusable_since = None
        self._runtime.swap(snapshot)
        log.info("config=enforced generation=%d keys=%s", snapshot.generation, snapshot.keys)

    def _refuse(self, why: Unusable) -> None:
        self._runtime.config_error = str(why)
        if self._unusable_since is None:
            self._unusable_since = self._timer()
        if self._runtime.snapshot is None:
            self._runtime.deny_all = True
        log.error("config=refused error=%r", str(why))
        self._runtime.changed()

    def _grow_old(self) -> None:
        snapshot = self._runtime.snapshot
        if self._unusable_since is None or snapshot is None or self._runtime.deny_all:
            return
        if self._timer() - self._unusable_since < LAST_GOOD_SECONDS:
            return
        self._runtime.snapshot = snapshot.denying_all()
        self._runtime.deny_all = True
        log.error("config=closed generation=%d reason=unusable-for-15-minutes", snapshot.generation)
        self._runtime.changed()
