"""Background programs with a log and a pid file: start, look, stop.

A pid file also holds when the process started, so that a number the kernel
gave to somebody else since is never mistaken for ours, let alone killed."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from e2e.cluster.paths import Broken


class Processes:
    """The programs of one run folder.  Another process may take over the folder later."""

    def __init__(self, folder: Path, *, die_with_us: bool = False) -> None:
        self._folder = folder
        self._own: dict[str, int] = {}  # our children, which are ours to reap
        self._guard = _guard() if die_with_us else []

    def start(
        self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None
    ) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            child = subprocess.Popen(
                [*self._guard, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=None if env is None else {**os.environ, **env},
                start_new_session=True,
            )
        # It may outlive us, and is looked at by its pid: Popen has no more part in it.
        child.returncode = 0
        self._own[name] = child.pid
        record = {"pid": child.pid, "started": _started(child.pid)}
        self._record(name).write_text(json.dumps(record))

    def alive(self, name: str) -> bool:
        return self.pid(name) is not None

    def pid(self, name: str) -> int | None:
        """The pid of the running program, or None if it is not running."""
        self._reap(name)
        try:
            record = json.loads(self._record(name).read_text())
        except (OSError, ValueError):
            return None
        started = _started(record["pid"])
        return record["pid"] if started and started == record["started"] else None

    def kill(self, name: str, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal, if it runs, and wait until it is gone."""
        pid = self.pid(name)
        if pid is not None:
            _send(pid, with_signal)
            if not self._gone(name, seconds=10):
                raise Broken(f"{name} (pid {pid}) does not end; see {self.log(name)}")
        self._forget(name)

    def stop(self, name: str, *, seconds: float = 10) -> None:
        """Ask it to end, insist after `seconds`."""
        pid = self.pid(name)
        if pid is not None:
            _send(pid, signal.SIGTERM)
            if self._gone(name, seconds=seconds):
                self._forget(name)
                return
        self.kill(name)

    def names(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("*.pid"))

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def log_tail(self, name: str, *, size: int = 1500) -> str:
        try:
            return self.log(name).read_text(errors="replace")[-size:]
        except OSError:
            return "(no log)"

    def _record(self, name: str) -> Path:
        return self._folder / f"{name}.pid"

    def _reap(self, name: str) -> None:
        if (own := self._own.get(name)) is None:
            return
        reaped, _ = os.waitpid(own, os.WNOHANG)
        if reaped:
            del self._own[name]

    def _gone(self, name: str, *, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.alive(name):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _forget(self, name: str) -> None:
        self._record(name).unlink(missing_ok=True)


def _guard() -> list[str]:
    """A prefix that has the kernel end the program when its starter dies (Linux only)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _send(pid: int, which: signal.Signals) -> None:
    try:
        os.kill(pid, which)
    except ProcessLookupError:
        return


def _started(pid: int) -> str:
    """When a process began, in the kernel's own words; empty if it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "" if Path("/proc/self").exists() else _started_by_ps(pid)
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" and not _has_threads(pid) else fields[19]


def _has_threads(pid: int) -> bool:
    """The first thread of a killed program may be a zombie while others still hold its ports."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def _started_by_ps(pid: int) -> str:
    asked = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()
