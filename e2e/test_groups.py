"""A group on real nodes: members of three namespaces and five kinds, one of them broken.

How soon a withdrawn consent is felt is printed and written to build/e2e-groups.json: reported, not
judged.  What fails is a member that is called, or listed, half a minute later."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from e2e.cluster.paths import ROOT
from e2e.cluster.plugin import NamespaceFactory
from e2e.cluster.waiting import eventually
from e2e.everyday import (
    ARGUMENTS,
    HEALTHY,
    STANDING,
    TEXT,
    TOKEN,
    Everyday,
    everyday_of,
    made,
    own_tools,
    pods_of,
    text_of,
    watching,
)
from e2e.groups import (
    NAME,
    NAMED,
    PLANNER,
    listing,
    stands,
    state_of,
    way_to,
)
from e2e.internet import HTTPS, PUBLIC, standing
from e2e.reach import reached
from e2e.rolling import (
    call_of,
    list_all,
    loaded,
    lost_nothing,
    note_of,
    prompt_of,
    report,
    restart,
    without_operator,
)
from e2e.samples import STDIO
from e2e.world import (
    World,
    accounts,
    condition,
    labelled,
    modern_call,
    policy,
    url,
    walled_off,
)

SECONDS: Final = 30


@pytest.fixture(scope="module")
def everyday(
    world: World,
    make_shared_namespace: NamespaceFactory,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Everyday]:
    with standing(world.kubectl, tmp_path_factory.mktemp("vendor")) as vendor:
        yield made(world, make_shared_namespace, vendor)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_every_tool_of_every_healthy_member_is_listed_and_called(
    everyday: Everyday, era: str
) -> None:
    caller, target = everyday.caller, everyday.groups.url
    own = {alias: own_tools(everyday, alias) for alias in HEALTHY}
    calls = [
        (f"{alias}_{tool}", ARGUMENTS[tool])
        for alias, tools in own.items()
        for tool in sorted(tools - {"crash"})
    ]

    seen = caller.mcp(target, "each", json.dumps(calls), token=TOKEN, era=era)

    expected = {f"{alias}_{tool}" for alias, tools in own.items() for tool in tools}
    assert {tool["name"] for tool in seen["tools"]} == expected
    assert (seen["protocolVersion"] >= "2026") == (era == "modern")
    for alias in HEALTHY:
        assert text_of(seen["results"][f"{alias}_echo"]) == TEXT
        assert text_of(seen["results"][f"{alias}_add"]) == "3"
    failed = {tool for tool, result in seen["results"].items() if result.get("isError")}
    assert failed == {f"{alias}_fail" for alias in HEALTHY if "fail" in own[alias]}


def test_the_status_tells_the_truth_at_a_glance(world: World, everyday: Everyday) -> None:
    found = everyday.groups.eventually(stands(**STANDING))
    counts = {alias: state_of(found, alias).get("tools") for alias in STANDING}

    for alias in HEALTHY:
        assert counts[alias] == len(own_tools(everyday, alias))
        namespace, name = everyday.members[alias]
        assert state_of(found, alias)["server"] == f"{namespace}/{name}"
    assert counts["broken"] is None
    assert state_of(found, "broken")["message"]
    assert condition(found, "Ready")["status"] == "True"
    assert "broken" in condition(found, "Ready")["message"]
    total = sum(counts[alias] for alias in HEALTHY)
    row = world.kubectl("-n", everyday.groups.namespace, "get", "mcpgroups").splitlines()
    assert row[0].split() == ["NAME", "READY", "SERVERS", "TOOLS", "URL", "AGE"]
    shown = [NAME, "True", "4/5", str(total), everyday.groups.url]
    assert row[1].split()[:5] == shown


def test_each_member_has_a_way_of_its_own_untouched(everyday: Everyday) -> None:
    for alias in HEALTHY:
        target = way_to(everyday.groups.namespace, alias)
        call = json.dumps([("echo", {"text": TEXT})])
        seen = everyday.caller.mcp(target, "each", call)

        assert {tool["name"] for tool in seen["tools"]} == own_tools(everyday, alias)
        assert text_of(seen["results"]["echo"]) == TEXT


def test_a_policy_on_the_group_narrows_what_the_members_policies_allow(
    world: World, everyday: Everyday
) -> None:
    agents, caller, target = everyday.groups.namespace, everyday.caller, everyday.groups.url
    token = caller.token(target)
    ceiling = policy(agents, "narrow", NAME, [accounts([PLANNER])], tools=["echo*"])
    ceiling["spec"]["targetRefs"][0]["kind"] = "MCPGroup"
    ceiling["spec"]["rules"][0]["allow"]["servers"] = ["clock"]
    world.kubectl.apply(ceiling)
    try:
        world.enforced(agents, "narrow")
        listed = listing(caller, target, token).json()["result"]["tools"]
        assert {tool["name"] for tool in listed} == {"clock_echo", "clock_echo_upper"}
        for tool in ("clock_echo", "clock_add", "modern_echo"):
            arguments = ARGUMENTS[tool.partition("_")[2]]
            answer = modern_call(caller, target, tool, arguments, token)
            assert ("result" in answer.json()) == (tool == "clock_echo"), answer
    finally:
        world.kubectl("-n", agents, "delete", "mcpaccesspolicies.ostiary.dev", "narrow")
    everyday.groups.eventually(stands(**STANDING), SECONDS)
    eventually(
        lambda: (
            "result" in modern_call(caller, target, "modern_echo", STDIO.arguments, token).json()
        ),
        seconds=SECONDS,
        what="what the members' policies allow",
    )


def test_nobody_else_reaches_the_gateway_or_a_member(
    world: World, everyday: Everyday, make_namespace: NamespaceFactory
) -> None:
    stranger = world.caller(make_namespace("strangers"), PLANNER)
    gateways = [pod["status"]["podIP"] for pod in everyday.groups.pods()]
    members = [pods_of(world, *everyday.members[alias])[0] for alias in HEALTHY]
    closed = [everyday.groups.url, *(f"http://{ip}:8080/mcp" for ip in (*gateways, *members))]

    for target in closed:
        assert walled_off(stranger.http(target, {}, seconds=3)), target
    # the same addresses, for comparison, from where the policies' callers are
    for target in closed:
        assert everyday.caller.http(target, {}, seconds=5).status, target


def test_a_gateway_reaches_its_members_and_nothing_else(world: World, everyday: Everyday) -> None:
    api = world.kubectl.get("service", "kubernetes", "default")
    (apart,) = pods_of(world, *everyday.apart)
    closed = [(PUBLIC, HTTPS), (api["spec"]["clusterIP"], 443), (apart, 8080)]
    agents = everyday.groups.namespace

    for pod in everyday.groups.pods():
        name = pod["metadata"]["name"]
        for alias in everyday.members:
            (address,) = pods_of(world, *everyday.members[alias])
            assert reached(world, agents, name, "proxy", address, 8080), alias
            assert not reached(world, agents, name, "proxy", address, 8000), alias
        for host, port in closed:
            assert not reached(world, agents, name, "proxy", host, port), (host, port)


@pytest.mark.timeout(300)
def test_either_side_takes_its_consent_back(
    world: World, everyday: Everyday, capsys: pytest.CaptureFixture[str]
) -> None:
    agents, (tools, name) = everyday.groups.namespace, everyday.members["clock"]
    shop, abroad = everyday.members["modern"][0], everyday.members["saas"][0]

    def expose(namespaces: Mapping[str, Any]) -> None:
        change = json.dumps({"spec": {"exposeTo": {"namespaces": namespaces}}})
        kind = ("patch", "mcpservers.ostiary.dev", name, "--type=merge", "-p", change)
        world.kubectl("-n", tools, *kind)

    def compose(but: str = "") -> None:
        world.kubectl.apply(everyday_of(agents, tools, shop, abroad, but=but))

    sides = {
        "the server's": (
            lambda: expose({"from": "Same", "selector": None}),
            lambda: expose(labelled(**{NAMED: agents})),
        ),
        "the group's": (lambda: compose(but=name), compose),
    }
    figures: dict[str, dict[str, float]] = {}
    with watching(everyday, "clock_echo") as until:
        until(True)
        for side, (withdraw, give) in sides.items():
            for what, change, wanted in (("withdrawn", withdraw, False), ("given", give, True)):
                change()
                accepted = time.time()
                seen = until(wanted)
                figures[f"{side} consent {what}"] = {
                    key: round(max(0.0, t - accepted), 3) for key, t in sorted(seen.items())
                }
                after(everyday, what, side)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "e2e-groups.json").write_text(json.dumps(figures, indent=1))
    with capsys.disabled():
        print(f"\nconsent, seconds until it is felt: {json.dumps(figures)}")


def after(everyday: Everyday, what: str, side: str) -> None:
    """How it stays: nothing of the member is left here, and the others are as they were."""
    caller, target = everyday.caller, everyday.groups.url
    if what == "given":
        everyday.groups.eventually(stands(**STANDING), SECONDS)
        return
    token = caller.token(target)
    names = {it["name"] for it in listing(caller, target, token).json()["result"]["tools"]}
    assert names
    assert not {name for name in names if name.startswith("clock_")}
    for _ in range(10):
        refused = modern_call(caller, target, "clock_echo", STDIO.arguments, token)
        assert "result" not in refused.json(), refused
    others = modern_call(caller, target, "modern_echo", STDIO.arguments, token)
    assert "result" in others.json(), others
    state = "NoConsent" if side == "the server's" else None
    everyday.groups.eventually(lambda it: state_of(it, "clock").get("state") == state, SECONDS)
    # its own callers are none of the group's business
    own = url(*everyday.members["clock"])
    answer = modern_call(caller, own, "echo", STDIO.arguments, caller.token(own))
    assert "result" in answer.json(), answer
    with_token_of_the_group = modern_call(caller, own, "echo", STDIO.arguments, token)
    assert with_token_of_the_group.status == 401


@pytest.mark.timeout(900)
def test_nobody_needs_the_operator_while_members_of_every_kind_are_rolled(
    world: World, everyday: Everyday, capsys: pytest.CaptureFixture[str]
) -> None:
    """With sessions in the members and without: none of the calls is lost."""
    requests = [it for alias in HEALTHY for it in (call_of(alias), list_all())]
    more = [(prompt_of(alias), note_of(alias)) for alias in HEALTHY if alias != "legacy"]
    requests += [it for pair in more for it in pair]
    with (
        loaded(everyday.groups, everyday.caller, requests) as seen,
        without_operator(world.kubectl),
    ):
        broken, name = everyday.members["broken"]
        world.kubectl("-n", broken, "rollout", "restart", f"deployment/{name}")
        for namespace, name in (everyday.members[alias] for alias in HEALTHY):
            restart(world, namespace, name, f"ostiary.dev/server={name}")
    report("members of every kind are rolled without an operator", seen, capsys)
    lost_nothing(seen)
    everyday.groups.eventually(stands(**STANDING))
