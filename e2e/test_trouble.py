"""What goes wrong in a pod is said in the status within seconds, and harms no neighbour."""

import json

import pytest
from e2e.cluster.waiting import eventually
from e2e.samples import HTTP, STDIO
from e2e.world import World, accounts, condition, modern_call, policy, says, server, url

BROKEN = {
    "an image that does not exist": (
        STDIO.spec | {"image": "localhost/no-such-image:1"},
        {"ImagePullFailed"},
    ),
    "a command that exits": (
        STDIO.spec | {"command": ["python3", "-c", "raise SystemExit(3)"]},
        {"BackendUnavailable", "CrashLooping"},
    ),
    "a command that is not there": (
        STDIO.spec | {"command": ["no-such-command"]},
        {"BackendUnavailable", "CrashLooping"},
    ),
    "a server that never answers": (
        STDIO.spec
        | {"command": ["python3", "-c", "import time; time.sleep(10000)"], "startupSeconds": 10},
        {"BackendUnavailable"},
    ),
    "a server that writes garbage": (
        STDIO.spec
        | {
            "command": [
                "python3",
                "-uc",
                "import sys\nfor line in sys.stdin: print('garbage ' * 9)",
            ]
        },
        {"BackendUnavailable"},
    ),
    "an HTTP server that never listens": (
        HTTP.spec | {"command": ["python3", "-c", "import time; time.sleep(10000)"]},
        {"BackendUnavailable"},
    ),
}


@pytest.mark.parametrize(("spec", "reasons"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_server_says_what_is_wrong(world: World, namespace: str, spec, reasons) -> None:
    world.kubectl.apply(server(namespace, "broken", spec), server(namespace, "fine", STDIO.spec))

    found = world.eventually(
        namespace,
        "broken",
        lambda o: (
            condition(o, "Ready").get("status") == "False"
            and condition(o, "Ready").get("reason") in reasons
        ),
        seconds=120,
    )

    assert len(condition(found, "Ready")["message"]) > 20
    world.ready(namespace, "fine")


def test_a_missing_secret_is_waited_for(world: World, namespace: str) -> None:
    variable = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "late", "key": "key"}}}
    world.kubectl.apply(server(namespace, "it", STDIO.spec | {"env": [variable]}))
    found = world.eventually(namespace, "it", says("ResolvedRefs", "False", "SecretNotFound"), 120)
    assert "late" in condition(found, "ResolvedRefs")["message"]

    world.kubectl("-n", namespace, "create", "secret", "generic", "late", "--from-literal=key=x")

    world.ready(namespace, "it", seconds=240)


@pytest.mark.parametrize("sample", [STDIO, HTTP], ids=lambda s: s.name)
@pytest.mark.parametrize("victim", ["backend", "proxy"])
def test_what_is_killed_comes_back(world: World, namespace: str, sample, victim: str) -> None:
    world.kubectl.apply(
        server(namespace, "it", sample.spec), policy(namespace, "all", "it", [accounts(["*"])])
    )
    world.ready(namespace, "it")
    world.enforced(namespace, "all")
    caller = world.caller(namespace)
    target = url(namespace, "it")
    token = caller.token(target)
    assert _called(caller, target, token, sample) == 200
    (pod,) = world.pods(namespace, "it")

    _kill(world, namespace, pod, victim)

    eventually(
        lambda: _called(caller, target, token, sample) == 200,
        seconds=120,
        what="a call after the kill",
        every=0.3,
    )
    world.ready(namespace, "it")


def _called(caller, target: str, token: str, sample) -> int:
    answer = modern_call(caller, target, sample.tool, sample.arguments, token)
    return answer.status if answer.status == 200 and "result" in answer.json() else 0


def _kill(world: World, namespace: str, pod, victim: str) -> None:
    """SIGKILL by a process of the same container, which the test images' Python can send."""
    container = "proxy" if victim == "proxy" else pod["spec"]["containers"][0]["name"]
    script = (
        "import os, signal\n"
        "me = os.getpid()\n"
        "for p in sorted((int(p) for p in os.listdir('/proc') if p.isdigit()), reverse=True):\n"
        "    if p not in (me, 1): os.kill(p, signal.SIGKILL)\n"
        "os.kill(1, signal.SIGTERM)\n"
    )
    world.kubectl.exec(
        pod["metadata"]["name"],
        *("/usr/bin/python3", "-c", script),
        namespace=namespace,
        container=container,
    )


def test_the_status_repeats_no_secret(world: World, namespace: str) -> None:
    canary = "canary-8f1c2d"
    world.kubectl("-n", namespace, "create", "secret", "generic", "s", f"--from-literal=k={canary}")
    variable = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    world.kubectl.apply(server(namespace, "it", STDIO.spec | {"env": [variable]}))
    world.ready(namespace, "it")

    seen = json.dumps(
        [
            world.kubectl.json("-n", namespace, "get", kind)
            for kind in ("mcpservers.ostiary.dev", "deployments", "configmaps", "pods", "events")
        ]
    )

    assert canary not in seen
