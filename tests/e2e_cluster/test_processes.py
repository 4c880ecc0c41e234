"""Pid files that are never wrong about whose process it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

from e2e.cluster.processes import Processes
from e2e.cluster.waiting import eventually

HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_started_program_is_alive_until_it_is_stopped(tmp_path: Path) -> None:
    ours = Processes(tmp_path)
    ours.start("sleeper", ["sleep", "60"])
    assert ours.alive("sleeper")

    ours.stop("sleeper")

    assert not ours.alive("sleeper")
    assert ours.names() == []


def test_another_process_takes_the_folder_over(tmp_path: Path) -> None:
    first = Processes(tmp_path)
    first.start("sleeper", ["sleep", "60"])

    second = Processes(tmp_path)

    assert second.pid("sleeper") == first.pid("sleeper")
    first.stop("sleeper")
    assert not second.alive("sleeper")


def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        record = {"pid": stranger.pid, "started": "1"}
        (tmp_path / "sleeper.pid").write_text(json.dumps(record))

        ours = Processes(tmp_path)
        ours.stop("sleeper")

        assert stranger.poll() is None
        assert not ours.alive("sleeper")
    finally:
        stranger.kill()
        stranger.wait()


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    ours = Processes(tmp_path)
    marker = tmp_path / "ready"
    ours.start("stubborn", ["sh", "-c", f"trap '' TERM; touch {marker}; exec sleep 60"])
    while not marker.exists():
        assert ours.alive("stubborn"), ours.log_tail("stubborn")

    pid = ours.pid("stubborn")
    ours.stop("stubborn", seconds=0.1)

    assert pid is not None
    assert not os.path.exists(f"/proc/{pid}/fd")


def test_a_program_is_alive_until_its_last_thread_is_gone(tmp_path: Path) -> None:
    """A thread that is left holds its files and ports, though the first one is a zombie."""
    ours = Processes(tmp_path)
    ours.start("headless", [sys.executable, "-c", HEADLESS])
    pid = ours.pid("headless")
    stat = Path(f"/proc/{pid}/stat")
    eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", what="a zombie")

    assert ours.alive("headless")

    ours.kill("headless")
    assert not stat.exists()
