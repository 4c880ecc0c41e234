"""A caller who holds on to an endpoint, by revoked.py in his pod, and what is heard of him."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from e2e.cluster.paths import kubectl_binary
from e2e.world import HERE, Caller

OPEN: Final = frozenset({"open"})
ENDS: Final = frozenset({"call", "get", "listen"})
HEARD: Final = frozenset({"get heard", "listen heard"})
Until = Callable[[frozenset[str], float], dict[str, Any]]


@contextmanager
def holding(
    caller: Caller, target: str, token: str, tool: str, arguments: Any, ca: str = ""
) -> Iterator[Until]:
    """Gives a function that waits until each of these was told, for so many seconds: the first
    event of each.  `ca`: as `Caller.http` has it."""
    command = [
        *(kubectl_binary(), "--kubeconfig", str(caller.kubectl.kubeconfig)),
        *("-n", caller.namespace, "exec", caller.pod, "--", "env", f"TOKEN={token}"),
        *([f"SSL_CERT_FILE={ca}"] if ca else []),
        *("timeout", "180", "python3", "-uc", (HERE / "revoked.py").read_text()),
        *(target, tool, json.dumps(arguments)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:

        def until(wanted: frozenset[str], seconds: float) -> dict[str, Any]:
            return _told(process.stdout, wanted, time.time() + seconds)

        try:
            yield until
        finally:
            process.kill()


def _told(lines: Any, wanted: frozenset[str], until: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while wanted - found.keys():
        assert time.time() < until, f"still going on: {wanted - found.keys()}"
        line = lines.readline()
        assert line, "the caller's script ended"
        event = json.loads(line)
        found.setdefault(event["what"], event)
    return found
