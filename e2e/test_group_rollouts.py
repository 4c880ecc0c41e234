"""A group under load while its parts are replaced: members, gateways, and nobody to operate them.

What is rolled in order loses no call.  What is killed loses at most the calls that it was carrying
out, and nothing that is safe to send again: figures are printed, and written to
build/e2e-group-rollouts.json."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from e2e.cluster.paths import ROOT
from e2e.cluster.plugin import NamespaceFactory
from e2e.cluster.waiting import eventually
from e2e.groups import PLANNER, Groups, by_name, group, group_url, member, stands
from e2e.samples import SESSIONLESS, STDIO
from e2e.test_trouble import kill, killer
from e2e.world import HERE, Caller, World

LONGEST: Final = 300
STOP: Final = "/tmp/stop"
ALIASES: Final = ("http", "stdio")
ERAS: Final = ("legacy", "modern")
SYSTEM: Final = "ostiary-system"
OPERATOR: Final = "deployment/ostiary-operator"
SAFE: Final = ("prompts/get", "resources/read", "tools/list")
Seen = dict[str, dict[str, Any]]


class Rolled:
    """The group, and where its members are."""

    def __init__(self, world: World, agents: str, tools: str, caller: Caller) -> None:
        self.world, self.caller = world, caller
        self.groups, self.tools = Groups(world, agents), tools

    def settled(self) -> None:
        self.groups.eventually(stands(**dict.fromkeys(ALIASES, "Ready")))

    def restart(self, namespace: str, name: str) -> None:
        """New pods for all of a Deployment, in order, until nothing is left of the old ones."""
        what = f"deployment/{name}"
        before = self.uids(namespace)
        self.world.kubectl("-n", namespace, "rollout", "restart", what)
        status = ("rollout", "status", what, "--timeout=180s")
        self.world.kubectl("-n", namespace, *status, seconds=190)
        label = self.label(namespace, name)
        eventually(
            lambda: not before & self.uids(namespace, label),
            seconds=120,
            what=f"the old pods of {name} are gone",
            every=0.5,
        )

    def label(self, namespace: str, name: str) -> str:
        kind = "server" if namespace == self.tools else "group"
        return f"ostiary.dev/{kind}={name.removesuffix('-group')}"

    def uids(self, namespace: str, label: str = "ostiary.dev/server") -> set[str]:
        pods = self.world.kubectl.json("-n", namespace, "get", "pods", "-l", label)["items"]
        return {pod["metadata"]["uid"] for pod in pods}


@pytest.fixture(scope="module")
def rolled(world: World, make_shared_namespace: NamespaceFactory) -> Rolled:
    tools, agents = make_shared_namespace("tools"), make_shared_namespace("agents")
    world.kubectl.apply(
        *member(tools, "stdio", STDIO.spec | {"replicas": 2}, agents),
        *member(tools, "http", SESSIONLESS.spec | {"replicas": 2}, agents),
        group(agents, [by_name(tools, name) for name in ALIASES], replicas=2),
    )
    world.kubectl.create(killer(agents, world.client_image))
    world.kubectl.create(killer(tools, world.client_image))
    caller = world.caller(agents, PLANNER, audience=group_url(agents))
    for namespace in (agents, tools):
        world.kubectl.wait("condition=Ready", "pod/killer", namespace, 120)
    found = Rolled(world, agents, tools, caller)
    found.settled()
    return found


def requests() -> list[list[Any]]:
    """One of each kind to each member, in turn."""
    found: list[list[Any]] = []
    for alias in ALIASES:
        found += [
            ["tools/call", {"name": f"{alias}_echo", "arguments": {"text": alias}}],
            ["prompts/get", {"name": f"{alias}_greet", "arguments": {"name": alias}}],
            ["tools/list", {}],
        ]
    return found


@contextmanager
def loaded(rolled: Rolled, *flags: str) -> Iterator[Seen]:
    """Load of both eras as long as the block takes; what it saw, by era, is there afterwards."""
    world, caller, seen = rolled.world, rolled.caller, Seen()
    world.kubectl.exec(caller.pod, "rm", "-f", STOP, namespace=caller.namespace)
    tokens = {era: caller.token(rolled.groups.url) for era in ERAS}

    def stream(era: str) -> None:
        printed = caller.python(
            HERE / "group_load.py",
            *(rolled.groups.url, json.dumps(requests())),
            *("--era", era, "--seconds", str(LONGEST), "--until", STOP),
            *("--connections", "4", *flags),
            env={"TOKEN": tokens[era]},
            seconds=LONGEST + 90,
        )
        seen[era] = json.loads(printed)

    loads = [threading.Thread(target=stream, args=(era,)) for era in ERAS]
    before = served(rolled)
    for load in loads:
        load.start()
    try:
        eventually(lambda: served(rolled) >= before + 40, seconds=90, what="load", every=0.5)
        yield seen
        now = served(rolled)
        eventually(lambda: served(rolled) >= now + 40, seconds=90, what="load after it", every=0.5)
        assert all(load.is_alive() for load in loads), "the load ended before the rollout"
    finally:
        world.kubectl.exec(caller.pod, "touch", STOP, namespace=caller.namespace)
        for load in loads:
            load.join()
    assert set(seen) == set(ERAS)


def served(rolled: Rolled) -> int:
    """Calls in the audit of the gateway's living pods: it only matters that there are more."""
    logs = [
        rolled.world.kubectl.run(
            "-n", rolled.groups.namespace, "logs", pod["metadata"]["name"], "-c", "proxy"
        ).stdout
        for pod in rolled.groups.pods()
    ]
    return sum(log.count('"method":"tools/call"') for log in logs)


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


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ALIASES)
def test_rolling_a_member_loses_no_call(
    rolled: Rolled, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with loaded(rolled) as seen:
        rolled.restart(rolled.tools, name)
    report(f"a member is rolled: {name}", seen, capsys)
    lost_nothing(seen)
    rolled.settled()


@pytest.mark.timeout(900)
def test_rolling_the_gateway_loses_no_call(
    rolled: Rolled, capsys: pytest.CaptureFixture[str]
) -> None:
    with loaded(rolled) as seen:
        rolled.restart(rolled.groups.namespace, "everyday-group")
    report("the gateway is rolled", seen, capsys)
    lost_nothing(seen)
    rolled.settled()


@pytest.mark.timeout(900)
def test_clients_go_on_when_a_gateway_is_killed(
    rolled: Rolled, capsys: pytest.CaptureFixture[str]
) -> None:
    with loaded(rolled, "--again") as seen:
        victim = rolled.groups.pods()[0]
        kill(rolled.world, rolled.groups.namespace, victim, "proxy")
    report("a gateway is killed", seen, capsys)
    lost_nothing(seen)
    assert sum(one["again"] for one in seen.values()), "nobody was on the one that was killed"
    rolled.settled()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ALIASES)
def test_clients_go_on_when_a_member_is_killed(
    rolled: Rolled, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with loaded(rolled, "--again") as seen:
        pod = rolled.world.pods(rolled.tools, name)[0]["metadata"]["name"]
        now = ("delete", "pod", pod, "--grace-period=0", "--force")
        rolled.world.kubectl("-n", rolled.tools, *now)
        rolled.world.ready(rolled.tools, name)
    report(f"a member is killed: {name}", seen, capsys)
    lost_nothing_safe(seen)
    rolled.settled()


@pytest.mark.timeout(900)
def test_nobody_needs_the_operator_while_every_member_is_rolled(
    rolled: Rolled, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl = rolled.world.kubectl
    with loaded(rolled) as seen:
        kubectl("-n", SYSTEM, "scale", OPERATOR, "--replicas=0")
        try:
            kubectl(
                *("-n", SYSTEM, "wait", "--for=delete", "pod"),
                *("-l", "app.kubernetes.io/name=ostiary", "--timeout=60s"),
                seconds=70,
            )
            for name in ALIASES:
                rolled.restart(rolled.tools, name)
        finally:
            kubectl("-n", SYSTEM, "scale", OPERATOR, "--replicas=1")
    kubectl("-n", SYSTEM, "rollout", "status", OPERATOR, "--timeout=60s", seconds=70)
    report("every member is rolled without an operator", seen, capsys)
    lost_nothing(seen)
    rolled.settled()


@pytest.mark.timeout(900)
def test_a_member_is_scaled_out_and_in_under_load(
    rolled: Rolled, capsys: pytest.CaptureFixture[str]
) -> None:
    with loaded(rolled) as seen:
        for replicas in (4, 2):
            change = json.dumps({"spec": {"replicas": replicas}})
            kind = ("patch", "mcpservers.ostiary.dev", "http", "--type=merge", "-p", change)
            rolled.world.kubectl("-n", rolled.tools, *kind)
            eventually(
                lambda replicas=replicas: (
                    len(rolled.uids(rolled.tools, "ostiary.dev/server=http")) == replicas
                    and rolled.world.server(rolled.tools, "http")["status"]["readyReplicas"]
                    == replicas
                ),
                seconds=180,
                what=f"{replicas} pods",
                every=0.5,
            )
    report("a member is scaled out and in", seen, capsys)
    lost_nothing(seen)
    rolled.settled()
