"""A group under load while its parts are replaced: members, gateways, and nobody to operate them.

What is rolled in order loses no call.  What is killed loses at most the calls that it was carrying
out, and nothing that is safe to send again: figures are printed, and written to
build/e2e-group-rollouts.json."""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

import pytest
from e2e.cluster.plugin import NamespaceFactory
from e2e.cluster.waiting import eventually
from e2e.groups import NAME, PLANNER, Groups, by_name, group, group_url, member, stands
from e2e.rolling import (
    Request,
    Seen,
    call_of,
    list_all,
    loaded,
    lost_nothing,
    lost_nothing_safe,
    prompt_of,
    report,
    restart,
    uids,
    without_operator,
)
from e2e.samples import SESSIONLESS, STDIO
from e2e.test_trouble import kill, killer
from e2e.world import Caller, World

ALIASES: Final = ("http", "stdio")
REQUESTS: Final[list[Request]] = [
    it for alias in ALIASES for it in (call_of(alias), prompt_of(alias), list_all())
]
"""One of each kind to each member, in turn."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """The group, and where its members are."""

    world: World
    groups: Groups
    tools: str
    caller: Caller

    def settled(self) -> None:
        self.groups.eventually(stands(**dict.fromkeys(ALIASES, "Ready")))

    def load(self, *flags: str) -> AbstractContextManager[Seen]:
        return loaded(self.groups, self.caller, REQUESTS, *flags)

    def restart_member(self, name: str) -> None:
        restart(self.world, self.tools, name, f"ostiary.dev/server={name}")


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
    found = Rolled(world, Groups(world, agents), tools, caller)
    found.settled()
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ALIASES)
def test_rolling_a_member_loses_no_call(
    rolled: Rolled, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with rolled.load() as seen:
        rolled.restart_member(name)
    report(f"a member is rolled: {name}", seen, capsys)
    lost_nothing(seen)
    rolled.settled()


@pytest.mark.timeout(900)
def test_rolling_the_gateway_loses_no_call(
    rolled: Rolled, capsys: pytest.CaptureFixture[str]
) -> None:
    with rolled.load() as seen:
        label = f"ostiary.dev/group={NAME}"
        restart(rolled.world, rolled.groups.namespace, f"{NAME}-group", label)
    report("the gateway is rolled", seen, capsys)
    lost_nothing(seen)
    rolled.settled()


@pytest.mark.timeout(900)
def test_clients_go_on_when_a_gateway_is_killed(
    rolled: Rolled, capsys: pytest.CaptureFixture[str]
) -> None:
    with rolled.load("--again") as seen:
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
    with rolled.load("--again") as seen:
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
    with rolled.load() as seen, without_operator(rolled.world.kubectl):
        for name in ALIASES:
            rolled.restart_member(name)
    report("every member is rolled without an operator", seen, capsys)
    lost_nothing(seen)
    rolled.settled()


@pytest.mark.timeout(900)
def test_a_member_is_scaled_out_and_in_under_load(
    rolled: Rolled, capsys: pytest.CaptureFixture[str]
) -> None:
    with rolled.load() as seen:
        for replicas in (4, 2):
            change = json.dumps({"spec": {"replicas": replicas}})
            kind = ("patch", "mcpservers.ostiary.dev", "http", "--type=merge", "-p", change)
            rolled.world.kubectl("-n", rolled.tools, *kind)
            eventually(
                lambda replicas=replicas: (
                    len(uids(rolled.world, rolled.tools, "ostiary.dev/server=http")) == replicas
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
