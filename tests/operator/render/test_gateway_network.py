"""The NetworkPolicy of a gateway, judged by what it admits."""

import copy
from typing import Any

from tests.operator.build import ENV, SETTINGS, accounts, group, policy, rule, server
from tests.operator.netpol import End, admits, pod

from ostiary_operator.render.gateway_network import render_gateway_network
from ostiary_operator.render.members import MemberView

SHOP = server(name="cart", namespace="shop")
OURS = pod("agents", {"ostiary.dev/group": "everyday"})
OPERATOR = pod("ostiary-system")
DNS = pod("kube-system", {"k8s-app": "kube-dns"})
TIME = pod("tools", {"ostiary.dev/server": "time"})
CART = pod("shop", {"ostiary.dev/server": "cart"})


def own(*rules: dict[str, Any]) -> Any:
    refs = [{"kind": "MCPGroup", "name": "everyday"}]
    return policy(*rules, namespace="agents", target=None, targetRefs=refs)


def wall(*policies: Any, time: tuple[Any, ...] = (), cart: tuple[Any, ...] = ()) -> Any:
    members = [MemberView("clock", server(), time), MemberView("cart", SHOP, cart)]
    return render_gateway_network(group(), members, policies, SETTINGS, ENV)


def lets_in(found: Any, end: End, port: int = 8080) -> bool:
    return admits(found, "ingress", end, port)


def lets_out(found: Any, end: End, port: int = 8080, protocol: str = "TCP") -> bool:
    return admits(found, "egress", end, port, protocol)


def test_it_selects_the_gateways_pods_and_closes_both_directions() -> None:
    spec = wall()["spec"]

    assert spec["podSelector"] == {"matchLabels": {"ostiary.dev/group": "everyday"}}
    assert spec["policyTypes"] == ["Ingress", "Egress"]


def test_without_a_policy_anywhere_only_siblings_and_the_operator_come_in() -> None:
    found = wall()

    assert lets_in(found, OURS)
    assert lets_in(found, OPERATOR, 9464)
    assert not lets_in(found, OPERATOR)
    for stranger in (pod("agents"), pod("tools"), TIME, pod("agents", TIME.labels)):
        assert not lets_in(found, stranger)


def test_the_members_policies_let_in_and_same_means_each_policys_own_namespace() -> None:
    callers = policy(rule(), target=None, selector={}, namespace="shop")
    found = wall(time=(policy(rule({"users": {"names": ["a"]}})),), cart=(callers,))

    assert lets_in(found, pod("tools"))
    assert lets_in(found, pod("shop"))
    assert not lets_in(found, pod("agents"))


def test_a_policy_of_the_groups_own_takes_the_members_place() -> None:
    found = wall(own(rule()), time=(policy(rule()),))

    assert lets_in(found, pod("agents"))
    assert not lets_in(found, pod("tools"))


def test_a_policy_that_only_observes_leaves_the_members_place() -> None:
    refs = [{"kind": "MCPGroup", "name": "everyday"}]
    given = {"namespace": "agents", "target": None, "targetRefs": refs, "mode": "Observe"}
    found = wall(policy(rule(), **given), time=(policy(rule()),))

    assert lets_in(found, pod("tools"))
    assert not lets_in(found, pod("agents"))


def test_nobody_in_particular_comes_in_by_the_groups_own_word_alone() -> None:
    nobody = rule({"anonymous": {}})

    assert not lets_in(wall(time=(policy(nobody),)), pod("anywhere"))
    assert lets_in(wall(own(nobody)), pod("anywhere"))


def test_it_goes_out_to_its_members_pods_their_port_and_nowhere_else() -> None:
    found = wall(own(rule(accounts("*", to="All"))))

    assert lets_out(found, TIME)
    assert lets_out(found, CART)
    assert lets_out(found, OURS)
    assert lets_out(found, DNS, 53, "UDP")
    for end, port in (
        (TIME, 8000),
        (TIME, 9464),
        (pod("tools"), 8080),
        (pod("shop", TIME.labels), 8080),
        (pod("tools", CART.labels), 8080),
        (End(address="8.8.8.8"), 443),
        (End(address="169.254.169.254"), 80),
    ):
        assert not lets_out(found, end, port)


def test_a_group_without_members_goes_nowhere() -> None:
    found = render_gateway_network(group(), (), (), SETTINGS, ENV)

    assert not lets_out(found, TIME)
    assert all(rule["to"] for rule in found["spec"]["egress"])


def test_a_peer_with_its_selectors_apart_would_let_out_too_much() -> None:
    """The mutation that the two-selector peer guards against."""
    found = copy.deepcopy(wall())
    for egress in found["spec"]["egress"]:
        egress["to"] = [{name: selector} for it in egress["to"] for name, selector in it.items()]

    assert lets_out(found, pod("tools"))
