"""Two replicas of a stdio server with a process per session, and a client that knows of neither.

Every request of it is a new connection to the Service, so that half of them reach the pod that
does not hold their session."""

import json
import re

from e2e.cluster.waiting import eventually
from e2e.samples import STDIO
from e2e.world import HERE, Caller, World, accounts, policy, server, url

SESSIONS = 8
CALLS = 125
"""Of each session: 1,000 together."""


def test_no_request_reaches_the_wrong_process_and_an_owner_that_dies_is_replaced(
    world: World, namespace: str
) -> None:
    stdio = {"transport": {"stdio": {"process": "PerSession"}}}
    world.kubectl.apply(
        server(namespace, "it", STDIO.spec | stdio | {"replicas": 2}),
        policy(namespace, "all", "it", [accounts(["*"])]),
    )
    world.ready(namespace, "it")
    world.enforced(namespace, "all")
    caller = world.caller(namespace)

    seen = json.loads(direct(caller, "open", str(SESSIONS), str(CALLS)))

    assert not seen["failures"]
    assert len(seen["sessions"]) >= SESSIONS
    for session in seen["sessions"]:
        # each process counts: a request that went astray would show in two of them
        assert session["counted"] == list(range(1, CALLS + 1))
        assert len(session["pids"]) == 1
    owners = {session["host"] for session in seen["sessions"]}
    pods = {pod["metadata"]["name"]: pod for pod in world.pods(namespace, "it")}
    assert owners == set(pods)
    hops = {name: forwarded(world, namespace, name) for name in pods}
    assert sum(hops.values()) > SESSIONS * CALLS / 4
    assert all(hops.values())

    lost = seen["sessions"][0]
    kept = next(s for s in seen["sessions"] if s["host"] != lost["host"])
    die(world, caller, namespace, pods[lost["host"]])
    after = json.loads(direct(caller, "call", lost["id"], "count", "{}"))
    assert after["calls"] == 1, "a process of its own, from the session's id alone"
    # the sessions of the pod that stayed go on where they were
    went_on = json.loads(direct(caller, "call", kept["id"], "count", "{}"))
    assert went_on["calls"] == CALLS + 1


def direct(caller: Caller, *arguments: str) -> str:
    target = url(caller.namespace, "it")
    token = {"TOKEN": caller.token(target)}
    return caller.python(HERE / "direct.py", target, *arguments, env=token, seconds=300)


def forwarded(world: World, namespace: str, pod: str) -> int:
    """Requests that this pod sent on to the owner of their session."""
    script = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9464/metrics').read().decode())"
    python = "/opt/ostiary/venv/bin/python3"
    done = world.kubectl.exec(pod, python, "-c", script, namespace=namespace, container="proxy")
    found = re.findall(r"^ostiary_forwarded_requests_total\{.*\} (\S+)$", done.stdout, re.MULTILINE)
    return int(sum(map(float, found)))


def die(world: World, caller: Caller, namespace: str, pod: dict) -> None:
    """Without any grace, and for certain: one late answer is none of a dead pod."""
    name, address = pod["metadata"]["name"], pod["status"]["podIP"]
    world.kubectl("-n", namespace, "delete", "pod", name, "--grace-period=0", "--force")
    eventually(
        lambda: not any(caller.http(f"http://{address}:8080/mcp", seconds=1).status for _ in "123"),
        seconds=60,
        what="nobody answers at its address",
    )
