"""What a container of a cluster can reach, and what it is answered."""

import json
from collections.abc import Mapping
from typing import Any, Final

from e2e.world import HERE, Answer, World

_PYTHON: Final = {"proxy": "/opt/ostiary/venv/bin/python3"}
"""Where it is none of the path's."""


def reached(world: World, namespace: str, pod: str, container: str, host: str, port: int) -> bool:
    """Does a connection from this container come about?"""
    script = (
        "import socket, sys\n"
        "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()\n"
        "except OSError as err: print('no:', err)\n"
        "else: print('yes')\n"
    )
    python = _PYTHON.get(container, "python3")
    done = world.kubectl.exec(
        *(pod, python, "-c", script, host, str(port)), namespace=namespace, container=container
    )
    assert done.stdout.startswith(("yes", "no:")), done.stderr
    return done.stdout.startswith("yes")


def asked(
    world: World,
    namespace: str,
    pod: str,
    target: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    *,
    container: str = "proxy",
) -> Answer:
    """One plain HTTP request from this container, as by `Caller.http`."""
    given = {"url": target, "body": dict(body), "headers": dict(headers), "timeout": 5}
    python = _PYTHON.get(container, "python3")
    printed = world.kubectl(
        *("-n", namespace, "exec", "-i", pod, "-c", container, "--", python, "-"),
        json.dumps(given),
        stdin=(HERE / "ask.py").read_text(),
    )
    return Answer(**json.loads(printed))
