"""A rolling update under a steady stream of kept connections loses no call."""

import json
import threading
from typing import Any

import pytest
from e2e.cluster.waiting import eventually
from e2e.samples import ROLLING, Sample
from e2e.world import HERE, Caller, World, accounts, condition, policy, server, url

LONGEST = 300
"""Seconds of load at most; it is stopped as soon as the last old pod is gone."""
STOP = "/tmp/stop"


def started(world: World, namespace: str, sample: Sample) -> Caller:
    spec = sample.spec | {"replicas": 2, "terminationGracePeriodSeconds": 25}
    world.kubectl.apply(
        server(namespace, "it", spec), policy(namespace, "all", "it", [accounts(["*"])])
    )
    world.ready(namespace, "it")
    world.enforced(namespace, "all")
    return world.caller(namespace)


def roll(world: World, namespace: str) -> None:
    """A change that makes new pods, as a user would make it."""
    change = {"spec": {"env": [{"name": "ROLLED", "value": "1"}]}}
    world.kubectl(
        *("-n", namespace, "patch", "mcpservers.ostiary.dev", "it"),
        *("--type=merge", "-p", json.dumps(change)),
    )


def rolled(world: World, namespace: str) -> bool:
    """Two new pods are ready, and nothing is left of the old ones."""
    selected = ("get", "pods", "-l", "ostiary.dev/server=it")
    pods = world.kubectl.json("-n", namespace, *selected)["items"]
    fresh = [
        p
        for p in pods
        if any(e.get("name") == "ROLLED" for e in p["spec"]["containers"][0].get("env", []))
        and condition(p, "Ready").get("status") == "True"
    ]
    return len(pods) == len(fresh) == 2


def called(world: World, namespace: str) -> bool:
    """The load has begun: some pod's audit has a call."""
    names = [pod["metadata"]["name"] for pod in world.pods(namespace, "it")]
    logs = [world.kubectl("-n", namespace, "logs", name, "-c", "proxy") for name in names]
    return any('"method":"tools/call"' in log for log in logs)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("sample", "era"),
    [(s, era) for s in ROLLING for era in s.stateless_eras],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_rolling_update_loses_no_call(
    world: World, namespace: str, sample: Sample, era: str, capsys: Any
) -> None:
    caller = started(world, namespace, sample)
    target = url(namespace, "it")
    printed: list[str] = []

    def stream() -> None:
        printed.append(
            caller.python(
                HERE / "load.py",
                *(target, sample.tool, json.dumps(sample.arguments)),
                *("--era", era, "--seconds", str(LONGEST), "--until", STOP),
                env={"TOKEN": caller.token(target)},
                seconds=LONGEST + 60,
            )
        )

    load = threading.Thread(target=stream)
    load.start()
    try:
        eventually(lambda: called(world, namespace), seconds=60, what="the first call")
        roll(world, namespace)
        eventually(lambda: rolled(world, namespace), seconds=240, what="two new pods", every=0.5)
        assert load.is_alive(), "the load ended before the rollout"
    finally:
        world.kubectl.exec(caller.pod, "touch", STOP, namespace=namespace)
        load.join()

    seen = json.loads(printed[0])
    with capsys.disabled():
        print(f"\nrolling update, {sample.name}, {era}: {seen}")
    assert seen["calls"] > 100
    assert seen["failed"] == 0, seen["failures"]
