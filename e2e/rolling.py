"""A group under load of both eras while its pods are replaced, and what the load saw of it."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pytest
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.paths import ROOT
from e2e.cluster.waiting import eventually
from e2e.groups import Groups
from e2e.world import HERE, Caller, World

LONGEST: Final = 300
STOP: Final = "/tmp/stop"
ERAS: Final = ("legacy", "modern")
SAFE: Final = ("prompts/get", "resources/read", "tools/list")
SYSTEM: Final = "ostiary-system"
OPERATOR: Final = "deployment/ostiary-operator"
Seen = dict[str, dict[str, Any]]
Request = list[Any]


def call_of(alias: str) -> Request:
    return ["tools/call", {"name": f"{alias}_echo", "arguments": {"text": alias}}]


def prompt_of(alias: str) -> Request:
    return ["prompts/get", {"name": f"{alias}_greet", "arguments": {"name": alias}}]


def note_of(alias: str) -> Request:
    return ["resources/read", {"uri": f"{alias}+memo://today"}]


def list_all() -> Request:
    return ["tools/list", {}]


@contextmanager
def loaded(
    groups: Groups, caller: Caller, requests: Sequence[Request], *flags: str
) -> Iterator[Seen]:
    """Load of both eras as long as the block takes; what it saw, by era, is there afterwards."""
    world, seen = groups.world, Seen()
    world.kubectl.exec(caller.pod, "rm", "-f", STOP, namespace=caller.namespace)
    tokens = {era: caller.token(groups.url) for era in ERAS}

    def stream(era: str) -> None:
        printed = caller.python(
            HERE / "group_load.py",
            *(groups.url, json.dumps(requests)),
            *("--era", era, "--seconds", str(LONGEST), "--until", STOP),
            *("--connections", "4", *flags),
            env={"TOKEN": tokens[era]},
            seconds=LONGEST + 90,
        )
        seen[era] = json.loads(printed)

    loads = [threading.Thread(target=stream, args=(era,)) for era in ERAS]
    before = served(groups)
    for load in loads:
        load.start()
    try:
        eventually(lambda: served(groups) >= before + 40, seconds=90, what="load", every=0.5)
        yield seen
        now = served(groups)
        eventually(lambda: served(groups) >= now + 40, seconds=90, what="load after it", every=0.5)
        assert all(load.is_alive() for load in loads), "the load ended before the rollout"
    finally:
        world.kubectl.exec(caller.pod, "touch", STOP, namespace=caller.namespace)
        for load in loads:
            load.join()
    assert set(seen) == set(ERAS)


def served(groups: Groups) -> int:
    """Calls in the audit of the gateway's living pods: it only matters that there are more."""
    logs = [
        groups.world.kubectl.run(
            "-n", groups.namespace, "logs", pod["metadata"]["name"], "-c", "proxy"
        ).stdout
        for pod in groups.pods()
    ]
    return sum(log.count('"method":"tools/call"') for log in logs)


def restart(world: World, namespace: str, name: str, label: str) -> None:
    """New pods for all of a Deployment, in order, until nothing is left of the old ones.
    `label`: of its pods, and of no others."""
    before = uids(world, namespace, label)
    world.kubectl("-n", namespace, "rollout", "restart", f"deployment/{name}")
    status = ("rollout", "status", f"deployment/{name}", "--timeout=180s")
    world.kubectl("-n", namespace, *status, seconds=190)
    eventually(
        lambda: not before & uids(world, namespace, label),
        seconds=120,
        what=f"the old pods of {name} are gone",
        every=0.5,
    )


def uids(world: World, namespace: str, label: str) -> set[str]:
    pods = world.kubectl.json("-n", namespace, "get", "pods", "-l", label)["items"]
    return {pod["metadata"]["uid"] for pod in pods}


@contextmanager
def without_operator(kubectl: Kubectl) -> Iterator[None]:
    kubectl("-n", SYSTEM, "scale", OPERATOR, "--replicas=0")
    try:
        kubectl(
            *("-n", SYSTEM, "wait", "--for=delete", "pod"),
            *("-l", "app.kubernetes.io/name=ostiary", "--timeout=60s"),
            seconds=70,
        )
        yield
    finally:
        kubectl("-n", SYSTEM, "scale", OPERATOR, "--replicas=1")
    kubectl("-n", SYSTEM, "rollout", "status", OPERATOR, "--timeout=60s", seconds=70)


def report(what: str, seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "build" / "e2e-group-rollouts.json"
    path.parent.mkdir(exist_ok=True)
    figures = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**figures, what: seen}, indent=1))
    with capsys.disabled():
        for era, one in sorted(seen.items()):
            print(f"\n{what}, {era}: {json.dumps(one)}")


def lost_nothing(seen: Seen) -> None:
    for era, one in seen.items():
        assert one["calls"] > 100, era
        assert one["failed"] == 0, (era, one["failures"])


def lost_nothing_safe(seen: Seen) -> None:
    """A tools/call that was being carried out may be lost, and is not sent again by anybody."""
    for era, one in seen.items():
        assert one["calls"] > 100, era
        for method in set(SAFE) & set(one["by_method"]):
            assert one["by_method"][method]["failed"] == 0, (era, one["failures"])
