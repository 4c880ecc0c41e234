"""One policy, two walls: the network and the proxy, seen from real pods."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from e2e.cluster.plugin import NamespaceFactory
from e2e.cluster.waiting import eventually
from e2e.samples import HTTP, LISTENING_WIDE, PORT, STDIO, TOOLS
from e2e.world import (
    Caller,
    World,
    accounts,
    labelled,
    modern_call,
    policy,
    says,
    server,
    url,
    walled_off,
)


@pytest.fixture(scope="module")
def served(world: World, make_shared_namespace: NamespaceFactory) -> tuple[str, str, Caller]:
    """A stdio server that `planner` of the labelled namespace may call, and such a caller."""
    tools = make_shared_namespace("tools")
    agents = make_shared_namespace("agents", labels={"team": tools})
    rule = [accounts(["planner"], labelled(team=tools))]
    world.kubectl.apply(
        server(tools, "it", STDIO.spec),
        policy(tools, "agents", "it", rule, tools=["ec*", "slow"], deny=["slow"]),
    )
    world.ready(tools, "it")
    world.enforced(tools, "agents")
    return tools, agents, world.caller(agents, "planner")


def call(caller: Caller, namespace: str, tool: str = STDIO.tool, token: str = ""):
    target = url(namespace, "it")
    return modern_call(caller, target, tool, STDIO.arguments, token or caller.token(target))


def test_another_namespace_is_refused_by_the_network(world: World, make_namespace, served) -> None:
    tools, _, planner = served
    stranger = world.caller(make_namespace("strangers"), "planner")

    refused = call(stranger, tools)

    assert walled_off(refused), refused
    assert call(planner, tools).status == 200


def test_another_account_is_refused_by_the_proxy_where_the_network_allows(
    world: World, served
) -> None:
    tools, agents, _ = served
    other = world.caller(agents, "intruder")

    refused = call(other, tools)

    assert refused.status == 403
    assert "MCPAccessPolicy" in refused.body


def test_a_token_for_a_sibling_opens_nothing(world: World, served) -> None:
    tools, _, planner = served

    for token in (planner.token(url(tools, "sibling")), "no.token.atall"):
        refused = call(planner, tools, token=token)

        assert refused.status == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")


def test_tools_are_listed_exactly_as_they_may_be_called(world: World, served) -> None:
    tools, _, planner = served

    listed = planner.mcp(url(tools, "it"), "list")
    names = {tool["name"] for tool in listed["tools"]}

    assert names == {name for name in TOOLS if name.startswith("ec")}
    for name in TOOLS:
        answer = call(planner, tools, tool=name).json()
        assert ("result" in answer) == (name in names), (name, answer)


def test_every_call_and_every_refusal_is_one_line_of_audit(world: World, served) -> None:
    tools, agents, planner = served
    (pod,) = world.pods(tools, "it")
    intruder = world.caller(agents, "intruder")

    def events() -> list[Any]:
        log = world.kubectl("-n", tools, "logs", pod["metadata"]["name"], "-c", "proxy")
        return [json.loads(line) for line in log.splitlines() if line.startswith("{")]

    before = len(events())
    call(planner, tools)
    call(planner, tools, tool="slow")
    call(intruder, tools)

    outcomes = [
        (e.get("subject"), e.get("name"), e.get("outcome"))
        for e in events()[before:]
        if e.get("method") == "tools/call" or e.get("outcome") == "denied"
    ]
    account = f"system:serviceaccount:{agents}:planner"
    assert outcomes.count((account, STDIO.tool, "allowed")) == 1
    assert outcomes.count((account, "slow", "denied")) == 1
    other = f"system:serviceaccount:{agents}:intruder"
    assert [outcome for subject, _, outcome in outcomes if subject == other] == ["denied"]


def test_a_backends_port_is_closed_to_every_other_pod(
    world: World, make_namespace: NamespaceFactory
) -> None:
    """A server that listens on every address, so that the NetworkPolicy alone is what closes it."""
    tools = make_namespace("tools")
    world.kubectl.apply(
        server(tools, "it", LISTENING_WIDE.spec), policy(tools, "all", "it", [accounts(["*"])])
    )
    world.ready(tools, "it")
    world.enforced(tools, "all")
    caller = world.caller(tools)
    (pod,) = world.pods(tools, "it")
    direct = f"http://{pod['status']['podIP']}:{PORT}/mcp"

    assert walled_off(caller.http(direct, {}))
    assert call(caller, tools).status == 200

    world.kubectl.apply(open_house(tools))
    eventually(lambda: caller.http(direct, {}).status, seconds=30, what="the port without a wall")
    world.kubectl("-n", tools, "delete", "networkpolicy", "open-house")
    eventually(lambda: walled_off(caller.http(direct, {})), seconds=30, what="the wall again")
    assert call(caller, tools).status == 200


def test_a_policy_of_somebody_else_that_widens_ours_is_reported(
    world: World, namespace: str
) -> None:
    world.kubectl.apply(server(namespace, "it", HTTP.spec))
    world.eventually(namespace, "it", _private("True", "PolicyApplied"), 120)
    world.kubectl.apply(open_house(namespace))
    widened = world.eventually(namespace, "it", _private("False", "WidenedBy"), 60)
    assert "open-house" in str(widened["status"]["conditions"])

    world.kubectl("-n", namespace, "delete", "networkpolicy", "open-house")
    world.eventually(namespace, "it", _private("True", "PolicyApplied"), 60)


def _private(status: str, reason: str) -> Callable[[Any], bool]:
    return says("BackendPrivate", status, reason)


def open_house(namespace: str) -> dict[str, Any]:
    """Somebody's NetworkPolicy that admits everybody to every port."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"namespace": namespace, "name": "open-house"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]},
    }
