"""A group's members as its gateway's config has them."""

from typing import Any

import pytest
from tests.operator.build import STDIO, accounts, group, policy, rule, server

from ostiary_operator.api import MCPServer
from ostiary_operator.render.members import (
    MemberView,
    admitting,
    callers,
    ceilings_over,
    own_policies,
    render_members,
)
from ostiary_operator.render.policies import filter_of, policies_of

KNOWN: dict[str, dict[str, str]] = {"tools": {}, "agents": {"kind": "people"}, "admins": {}}
GROUP = group()
OWN = policy(
    rule(accounts("planner")),
    name="own",
    namespace="agents",
    target=None,
    targetRefs=[{"kind": "MCPGroup", "name": "everyday"}],
)
PLACED = {"anonymous": {}, "network": {"namespaces": {"from": "Same"}}}


def ceiling(*rules: dict[str, Any], selector: dict[str, Any] | None = None, **more: Any) -> Any:
    namespaces = {"from": "Selector", "selector": selector} if selector else {"from": "All"}
    given = {"target": None, "scope": "Cluster", "namespaces": namespaces}
    return policy(*rules, name="ceiling", namespace="admins", **given, **more)


def member(*policies: Any, alias: str = "clock", of: MCPServer | None = None) -> MemberView:
    return MemberView(alias, of or server(), tuple(policies))


def test_a_member_is_found_by_its_pods_and_decides_by_its_own_rules() -> None:
    tools = {"deny": ["debug_*"], "pin": {"mode": "Enforce", "digest": "sha256:" + "a" * 64}}
    pinned = server(
        STDIO | {"tools": tools, "transport": {"stdio": {}, "sessionAffinity": "Request"}}
    )
    rules = policy(rule(accounts("a", to="All")))

    (found,) = render_members(GROUP, [member(rules, of=pinned)], (), KNOWN)

    assert (found.alias, found.namespace, found.name, found.uid) == (
        "clock",
        "tools",
        "time",
        "u-1",
    )
    assert (found.host, found.port, found.path) == ("time-pods.tools.svc", 8080, "/mcp")
    assert found.policies == policies_of(pinned, [rules], KNOWN)
    assert found.tools == filter_of(pinned)
    assert found.tools.pin.mode == "Enforce"
    assert found.sessionAffinity == "Request"


def test_members_are_in_the_order_of_their_aliases() -> None:
    given = [member(alias=it, of=server(name=it)) for it in ("b", "c", "a")]

    assert [it.alias for it in render_members(GROUP, given, (), KNOWN)] == ["a", "b", "c"]


def test_a_ceiling_over_the_member_is_among_its_rules() -> None:
    over = ceiling(rule(accounts("*", to="All")), selector={"matchLabels": {"kind": "people"}})
    everywhere = ceiling(deny=[{"tools": ["rm"]}])

    (apart,) = render_members(GROUP, [member(over)], (), KNOWN)
    (within,) = render_members(GROUP, [member(everywhere)], (), KNOWN)

    assert apart.policies == ()
    assert [it.ceiling for it in within.policies] == [True]


def test_a_ceiling_over_the_groups_namespace_stands_over_every_member() -> None:
    over = ceiling(rule(accounts("*", to="All")), selector={"matchLabels": {"kind": "people"}})

    (found,) = render_members(GROUP, [member(policy(rule()))], (over, OWN), KNOWN)

    assert [(it.name, it.ceiling, it.caps) for it in found.policies] == [
        ("callers", False, False),
        ("ceiling", True, True),
    ]
    assert ceilings_over(GROUP, (over, OWN), KNOWN) == (over,)
    assert own_policies(GROUP, (over, OWN), KNOWN) == (OWN,)


def test_a_ceiling_over_both_is_said_once() -> None:
    over = ceiling(deny=[{"tools": ["rm"]}])

    (found,) = render_members(GROUP, [member(over)], (over,), KNOWN)

    assert [it.name for it in found.policies] == ["ceiling"]


def test_nobody_who_is_known_by_where_he_connects_from_passes_a_gateway() -> None:
    """Through it he connects from the gateway."""
    anywhere = rule({"anonymous": {}}, accounts("a"), name="anywhere")
    placed = rule(PLACED, name="placed")
    mixed = rule(PLACED, accounts("b"), name="mixed")

    (found,) = render_members(GROUP, [member(policy(anywhere, placed, mixed))], (), KNOWN)

    kinds = {it.name: [who.kind for who in it.subjects] for it in found.policies[0].rules}
    assert kinds == {
        "anywhere": ["anonymous", "serviceAccount"],
        "placed": [],
        "mixed": ["serviceAccount"],
    }


def test_a_ceiling_that_only_speaks_of_such_callers_stays_one() -> None:
    (found,) = render_members(GROUP, [member(ceiling(rule(PLACED)))], (), KNOWN)

    assert [it.caps for it in found.policies] == [True]


@pytest.mark.parametrize(
    ("policies", "names"),
    [((), ["callers"]), ((OWN,), ["own"])],
    ids=["transparent", "of its own"],
)
def test_the_groups_own_policies_say_who_comes_in_or_its_members_do(
    policies: tuple[Any, ...], names: list[str]
) -> None:
    twins = [member(policy(rule()), alias=it) for it in ("a", "b")]

    assert [it.metadata.name for it in admitting(GROUP, policies, twins)] == names


def test_a_policy_that_only_observes_or_caps_admits_nobody() -> None:
    observing = policy(rule(), mode="Observe")

    assert admitting(GROUP, (), [member(observing, ceiling(rule()))]) == ()


@pytest.mark.parametrize(
    ("beside", "own", "wanted"),
    [
        ([accounts("a")], None, 1),
        ([accounts("a")], [accounts("a"), accounts("b")], 1),
        ([accounts("a")], [accounts("a", selector={"matchLabels": {"no": "where"}})], 0),
        ([{"anonymous": {}}], None, 0),
        ([{"anonymous": {}}], [{"anonymous": {}}], 1),
        ([PLACED], [{"anonymous": {}}], 0),
        ([], [accounts("a")], 0),
    ],
    ids=["member", "both", "nobody there", "anonymous", "anonymous both", "by place", "no member"],
)
def test_rules_that_admit_somebody_are_counted_where_both_have_one(
    beside: list[Any], own: list[Any] | None, wanted: int
) -> None:
    refs = [{"kind": "MCPGroup", "name": "everyday"}]
    there = (policy(rule(*beside)),) if beside else ()
    on_group = policy(rule(*own), namespace="agents", target=None, targetRefs=refs) if own else None

    found = callers(GROUP, [member(*there)], [on_group] if on_group else [], KNOWN)

    assert found == wanted
