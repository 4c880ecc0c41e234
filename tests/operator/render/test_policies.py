"""Policies in the document: every kind of entry as the proxy will match it."""

from typing import Any

import pytest
from tests.operator.build import STDIO, group, policy, rule, server, stdio

from ostiary_operator.render.policies import filter_of, policies_of, rate_of
from ostiary_proxy import config

KNOWN = {"tools": {}, "shop": {"team": "a"}, "agents": {"team": "b"}}
TEAM_A = {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}
ISSUER = "https://id.example"


def rendered(*rules: Any, **more: Any) -> config.Policy:
    (found,) = policies_of(server(), (policy(*rules, **more),), KNOWN)
    return found


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            {"serviceAccounts": {"names": ["a"], "namespaces": TEAM_A}},
            config.Subject(kind="serviceAccount", names=("a",), namespaces=("shop",)),
        ),
        (
            {"tokens": {"names": ["ci-*"]}},
            config.Subject(kind="token", names=("ci-*",), namespaces=("tools",)),
        ),
        (
            {"tokens": {"names": ["ci-*"], "namespaces": {"from": "All"}}},
            config.Subject(kind="token", names=("ci-*",), namespaces=None),
        ),
        ({"users": {"names": ["alice"]}}, config.Subject(kind="user", names=("alice",))),
        (
            {"oidc": {"issuer": ISSUER, "claims": {"groups": ["a", "b"]}}},
            config.Subject(kind="oidc", issuer=ISSUER, claims={"groups": ("a", "b")}),
        ),
        ({"oidc": {"issuer": ISSUER}}, config.Subject(kind="oidc", issuer=ISSUER)),
        (
            {"anonymous": {}, "network": {"namespaces": {"from": "Same"}}},
            config.Subject(kind="anonymous", network=True),
        ),
    ],
    ids=str,
)
def test_an_entry_becomes_a_subject(entry: dict[str, Any], expected: config.Subject) -> None:
    (found,) = rendered(rule(entry)).rules

    assert found.subjects == (expected,)


def test_a_denial_keeps_its_lists_and_its_subjects() -> None:
    found = rendered(
        deny=[
            {"tools": ["delete_*"]},
            {"from": [{"users": {"names": ["mallory"]}}, {"anonymous": {}}]},
        ]
    )

    assert found.deny == (
        config.Deny(tools=("delete_*",)),
        config.Deny(
            subjects=(
                config.Subject(kind="user", names=("mallory",)),
                config.Subject(kind="anonymous"),
            )
        ),
    )


def test_a_denial_by_accounts_whose_namespaces_are_none_concerns_nobody_but_is_there() -> None:
    nowhere = {"from": "Selector", "selector": {"matchLabels": {"team": "z"}}}
    found = rendered(
        deny=[{"from": [{"serviceAccounts": {"names": ["a"], "namespaces": nowhere}}]}]
    )

    assert found.deny[0].subjects == (
        config.Subject(kind="serviceAccount", names=("a",), namespaces=()),
    )


def test_a_rule_keeps_its_condition_its_effects_and_its_limit() -> None:
    (found,) = rendered(
        rule(
            allow={"effects": ["ReadOnly"]},
            when="args.x == 1",
            limits={"requestsPerSecond": 5},
        )
    ).rules

    assert found.when == "args.x == 1"
    assert found.allow == config.Allow(effects=("ReadOnly",))
    assert found.rate == config.Rate(requestsPerSecond=5, burst=10)


def test_a_ceiling_comes_from_another_namespace_and_caps_only_with_rules() -> None:
    top = {"scope": "Cluster", "namespaces": {"from": "All"}, "target": None, "namespace": "admin"}

    capping = rendered(rule(), **top)
    denying = rendered(deny=[{"tools": ["x"]}], **top)

    assert (capping.namespace, capping.ceiling, capping.caps) == ("admin", True, True)
    assert (denying.ceiling, denying.caps) == (True, False)
    assert not rendered(rule()).ceiling


def test_an_observed_policy_says_so() -> None:
    assert rendered(rule(), mode="Observe").mode == "Observe"
    assert rendered(rule()).mode == "Enforce"


def test_effects_and_limits_of_a_server_are_rendered() -> None:
    given = server(
        STDIO
        | {
            "tools": {"allow": ["*"], "effects": {"ReadOnly": ["get_*"]}},
            "limits": {"perCaller": {"requestsPerSecond": 20, "burst": 25}},
        }
    )

    assert filter_of(given).effects == {"ReadOnly": ("get_*",)}
    assert given.spec.limits is not None
    assert rate_of(given.spec.limits.perCaller) == config.Rate(requestsPerSecond=20, burst=25)
    assert filter_of(stdio()) == config.ToolFilter()


def test_the_members_that_a_groups_rule_speaks_of_are_its_aliases() -> None:
    clocks = rule({"anonymous": {}}, allow={"tools": ["*"], "servers": ["clock*"]})
    refs = [{"kind": "MCPGroup", "name": "everyday"}]
    narrowing = policy(clocks, namespace="agents", target=None, targetRefs=refs)

    (found,) = policies_of(group(), (narrowing,), KNOWN)

    assert found.rules[0].allow.servers == ("clock*",)
    assert policies_of(server(name="everyday", namespace="agents"), (narrowing,), KNOWN) == ()
