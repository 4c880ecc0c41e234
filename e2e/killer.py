"""Kills every process of one container, its first one too, as a machine out of memory would.

    python3 killer.py CONTAINER_ID

Runs in a pod that sees the node's processes (hostPID) as root: a container's own first process is
deaf to SIGKILL from within.  Prints how many it killed."""

import contextlib
import os
import signal
import sys
from pathlib import Path


def belongs(pid: int, container: str) -> bool:
    try:
        return container in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


def main() -> None:
    container = sys.argv[1].rpartition("/")[2]
    everybody = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    victims = [pid for pid in everybody if belongs(pid, container)]
    killed = 0
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):  # it went with the container's first process
            os.kill(pid, signal.SIGKILL)
            killed += 1
    print(killed)


main()
