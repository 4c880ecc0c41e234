"""What deserves a second look in policies."""

from dataclasses import replace
from typing import Any

import pytest
from tests.cli.access.written import a_policy, a_server

from ostiary_cli.access.review_policies import of_policies
from ostiary_cli.access.standing import Standing
from ostiary_operator.api import MCPAccessPolicy

BOB = {"users": {"names": ["bob"]}}
ALL = {"from": "All"}


def policy(*entries: Any, allow: Any = None, **spec: Any) -> MCPAccessPolicy:
    rule = {"name": "r", "from": list(entries or (BOB,)), "allow": allow or {"tools": ["x"]}}
    given = {"targetRefs": [{"kind": "MCPServer", "name": "time"}], "rules": [rule], **spec}
    return a_policy(
        {
            "apiVersion": "ostiary.dev/v1alpha1",
            "kind": "MCPAccessPolicy",
            "metadata": {"namespace": "tools", "name": "p"},
            "spec": {key: it for key, it in given.items() if it is not None},
        }
    )


def standing(it: MCPAccessPolicy) -> Standing:
    return Standing({"tools/time": a_server()}, {"tools/p": it}, namespaces={"tools": {}})


def found(it: MCPAccessPolicy) -> list[tuple[str, str]]:
    return [(severity, what) for severity, _, what, *_ in of_policies(standing(it), None)]


EVERYTHING = {"tools": ["*"], "resources": ["*"], "prompts": ["*"]}
TOP = {"scope": "Cluster", "namespaces": ALL, "targetRefs": None}
NOBODY = {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}


@pytest.mark.parametrize(
    ("it", "expected"),
    [
        (policy(), []),
        (policy({"anonymous": {}}), [("high", "Anonymous")]),
        (
            policy({"anonymous": {}, "network": {"namespaces": {"from": "Same"}}}),
            [("medium", "Anonymous")],
        ),
        (policy(allow={"tools": ["*"]}), [("medium", "EveryTool")]),
        (policy(allow={"tools": ["*"], "effects": ["ReadOnly"]}), []),
        (policy({"users": {"names": ["*"]}}), [("medium", "EveryCaller")]),
        (policy({"oidc": {"issuer": "https://i.x"}}), [("medium", "EveryCaller")]),
        (
            policy({"serviceAccounts": {"names": ["*"], "namespaces": ALL}}),
            [("medium", "EveryCaller")],
        ),
        (policy({"tokens": {"names": ["*"], "namespaces": ALL}}), [("medium", "EveryCaller")]),
        (
            policy({"serviceAccounts": {"names": ["x"], "namespaces": NOBODY}}),
            [("low", "NoNamespace")],
        ),
        (policy(mode="Observe"), [("low", "Observed")]),
        (policy(targetRefs=[{"kind": "MCPServer", "name": "no"}]), [("low", "TargetNotFound")]),
        (
            policy(targetRefs=None, selector={"matchLabels": {"a": "b"}}),
            [("low", "SelectsNothing")],
        ),
        (policy(**TOP), []),
        (
            policy({"users": {"names": ["*"]}}, allow=EVERYTHING, **TOP),
            [("medium", "LimitsNothing")],
        ),
    ],
)
def test_each_thing_is_found(it: MCPAccessPolicy, expected: list[tuple[str, str]]) -> None:
    assert found(it) == expected


def test_a_ceiling_that_does_not_count_and_an_issuer_that_is_not_trusted() -> None:
    top = policy({"oidc": {"issuer": "https://i.x", "claims": {"a": ["b"]}}}, **TOP)
    there = replace(standing(top), policies={}, idle={"tools/p": top}, issuers=())

    whats = {it[2] for it in of_policies(there, "tools")}

    assert whats == {"NeedsClusterScope", "IssuerNotConfigured"}
    assert list(of_policies(there, "other")) == []
