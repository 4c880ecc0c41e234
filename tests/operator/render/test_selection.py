"""Selectors, and what policies select."""

from typing import Any

import pytest
from tests.operator.build import STDIO, accounts, group, policy, rule, server, stdio

from ostiary_operator.api import MCPAccessPolicy
from ostiary_operator.api.fields import LabelSelector, Namespaces
from ostiary_operator.render.selection import (
    callers,
    granting,
    matches,
    namespaces_of,
    selecting,
    selects,
    selects_namespaces,
)

NAMESPACES = {"tools": {"team": "a"}, "agents": {"team": "b"}, "shop": {"team": "b"}}


def selector(**given: Any) -> LabelSelector:
    return LabelSelector.model_validate(given, strict=False)


@pytest.mark.parametrize(
    ("given", "labels", "expected"),
    [
        ({}, {}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "2"}, False),
        ({"matchLabels": {"a": ""}}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, {"a": "1"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {}, True),
        (
            {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]},
            {"a": "1"},
            False,
        ),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
        (
            {
                "matchLabels": {"a": "1"},
                "matchExpressions": [{"key": "b", "operator": "Exists"}],
            },
            {"a": "1"},
            False,
        ),
    ],
    ids=str,
)
def test_a_selector_means_what_it_means_to_kubernetes(
    given: dict[str, Any], labels: dict[str, str], expected: bool
) -> None:
    assert matches(selector(**given), labels) is expected


def test_a_policy_selects_by_name_or_by_label() -> None:
    internal = server(STDIO, labels={"tier": "internal"})

    assert selects(policy(rule(), target="time"), internal, NAMESPACES)
    assert not selects(policy(rule(), target="other"), internal, NAMESPACES)
    assert selects(policy(rule(), selector={}), internal, NAMESPACES)
    assert selects(
        policy(rule(), selector={"matchLabels": {"tier": "internal"}}), internal, NAMESPACES
    )
    assert not selects(
        policy(rule(), selector={"matchLabels": {"tier": "public"}}), internal, NAMESPACES
    )


def test_a_policy_of_another_namespace_never_selects() -> None:
    assert not selects(policy(rule(), selector={}, namespace="agents"), stdio(), NAMESPACES)


def test_policies_come_in_the_order_of_their_names() -> None:
    found = selecting([policy(rule(), name="b"), policy(rule(), name="a")], stdio(), NAMESPACES)

    assert [it.metadata.name for it in found] == ["a", "b"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ("tools",)),
        ({"from": "Same"}, ("tools",)),
        ({"from": "All"}, None),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}, ("agents", "shop")),
        ({"from": "Selector", "selector": {}}, ("agents", "shop", "tools")),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "z"}}}, ()),
    ],
    ids=str,
)
def test_namespaces_are_resolved_to_names(
    given: dict[str, Any] | None, expected: tuple[str, ...] | None
) -> None:
    namespaces = Namespaces.model_validate(given, strict=False) if given else None

    assert namespaces_of(namespaces, own="tools", known=NAMESPACES) == expected


def test_a_rule_counts_as_a_caller_only_while_it_admits_somebody() -> None:
    nobody = rule(accounts("a", selector={"matchLabels": {"team": "z"}}), name="nobody")
    somebody = rule(accounts("a"), name="somebody")
    anybody = rule({"anonymous": {}}, name="anybody")

    assert callers(stdio(), [policy(nobody)], NAMESPACES) == 0
    assert callers(stdio(), [policy(nobody, somebody, anybody)], NAMESPACES) == 2
    assert callers(stdio(), [policy(somebody, target="other")], NAMESPACES) == 0


def test_only_a_namespace_selector_hangs_on_labels_of_namespaces() -> None:
    assert selects_namespaces(policy(rule(accounts("a", selector={}))))
    assert not selects_namespaces(policy(rule(accounts("a", to="All"), accounts("b"))))
    assert not selects_namespaces(policy(rule({"anonymous": {}})))
    assert not selects_namespaces(policy(rule({"users": {"names": ["a"]}})))


def test_a_denial_and_a_token_hang_on_labels_of_namespaces_too() -> None:
    tokens = {"tokens": {"names": ["a"], "namespaces": {"from": "Selector", "selector": {}}}}

    assert selects_namespaces(policy(rule(tokens)))
    assert selects_namespaces(policy(deny=[{"from": [accounts("a", selector={})]}]))


def test_people_count_as_callers_wherever_they_are() -> None:
    people = rule({"users": {"names": ["a"]}}, {"oidc": {"issuer": "https://id.example"}})
    nowhere = {"from": "Selector", "selector": {"matchLabels": {"team": "z"}}}
    tokens = rule({"tokens": {"names": ["a"], "namespaces": nowhere}})

    assert callers(stdio(), [policy(people)], NAMESPACES) == 1
    assert callers(stdio(), [policy(tokens)], NAMESPACES) == 0


def top(**more: Any) -> MCPAccessPolicy:
    values = {"scope": "Cluster", "namespaces": {"from": "All"}, "target": None} | more
    return policy(rule(), name="top", namespace="admin", **values)


TEAM_A = {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}


def test_a_ceiling_is_over_every_server_of_its_namespaces() -> None:
    assert selects(top(), stdio(), NAMESPACES)
    assert not selects(top(namespaces={"from": "Same"}), stdio(), NAMESPACES)
    assert not selects(top(namespaces=TEAM_A), stdio(), {"tools": {}, "shop": {"team": "a"}})
    assert selects(top(namespaces=TEAM_A), stdio(), {"tools": {"team": "a"}})
    assert selects_namespaces(top(namespaces=TEAM_A))
    assert not selects_namespaces(top())


def test_neither_a_ceiling_nor_an_observed_policy_lets_anybody_in() -> None:
    watching = policy(rule(), name="watching", mode="Observe")
    granting_one = policy(rule(), name="granting")

    assert granting([top(), watching, granting_one], stdio()) == (granting_one,)
    assert callers(stdio(), [top(), watching], NAMESPACES) == 0


def test_a_group_is_named_and_never_selected() -> None:
    refs = [{"kind": "MCPGroup", "name": "everyday"}]
    labelled = group(labels={"a": "1"})
    named = policy(rule(), namespace="agents", target=None, targetRefs=refs)
    every = policy(rule(), namespace="agents", selector={})
    alike = policy(rule(), namespace="agents", target="everyday")
    elsewhere = policy(rule(), target=None, targetRefs=refs)

    assert selecting((named, every, alike, elsewhere), labelled, NAMESPACES) == (named,)
    assert not selects(named, server(name="everyday", namespace="agents"), NAMESPACES)
