"""The whole status of a policy."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.operator.build import accounts, policy, rule

from ostiary_operator.api import MCPAccessPolicy, Problem
from ostiary_operator.status import Enforcement, Target, policy_status
from ostiary_operator.status.conditions import find

NOW = datetime(2026, 7, 1, tzinfo=UTC)
NAMESPACES = {"tools": {}, "shop": {"team": "a"}, "agents": {"team": "a"}}
DONE, HALF = Enforcement(2, 2, 3), Enforcement(1, 2, 3)


def status_of(*targets: Target, of: MCPAccessPolicy | None = None, **more: Any) -> Any:
    return policy_status(
        of or policy(rule()), targets=targets, namespaces=NAMESPACES, previous={}, now=NOW, **more
    )


def said(status: Any, kind: str) -> tuple[str, str] | None:
    found = find(status["conditions"], kind)
    return (found["status"], found["reason"]) if found else None


def test_a_policy_in_force_everywhere_is_ready() -> None:
    status = status_of(Target("time", DONE), Target("notes", Enforcement(1, 1, 9)))

    assert (status["enforced"], status["targetCount"]) == ("3/3", 2)
    assert [it["ref"] for it in status["targets"]] == ["MCPServer/notes", "MCPServer/time"]
    assert said(status, "Ready") == ("True", "Ready")
    assert said(status, "Programmed") == ("True", "Programmed")
    assert said(status, "Reconciling") is None


def test_a_policy_on_its_way_says_how_far_it_came() -> None:
    status = status_of(Target("time", HALF))

    assert status["targets"][0]["enforced"] == "1/2"
    assert said(status, "Programmed") == ("False", "PartiallyProgrammed")
    assert said(status, "Ready") == ("False", "Progressing")
    assert said(status["targets"][0], "Programmed") == ("False", "PartiallyProgrammed")


def test_a_target_that_does_not_exist_is_named_and_the_others_are_covered() -> None:
    status = status_of(Target("gone", None), Target("time", DONE))

    assert said(status, "Accepted") == ("False", "TargetNotFound")
    assert said(status, "Ready") == ("False", "RefsNotResolved")
    assert said(status, "Reconciling") == ("True", "WaitingForDependency")
    assert said(status["targets"][0], "Accepted") == ("False", "TargetNotFound")
    assert said(status["targets"][1], "Accepted") == ("True", "Accepted")
    assert "no MCPServer gone in this namespace" in str(status["conditions"])


def test_a_selector_that_matches_nothing_is_no_mistake() -> None:
    status = status_of(of=policy(rule(), selector={}))

    assert said(status, "Ready") == ("True", "Ready")
    assert (status["enforced"], status["targetCount"]) == ("0/0", 0)
    assert "matches no MCPServer yet" in str(status["conditions"])


def test_an_invalid_rule_is_said_while_the_rest_is_in_force() -> None:
    problem = Problem("spec.rules[1].from", "is required")

    status = status_of(Target("time", DONE), problems=(problem,))

    assert said(status, "Accepted") == ("False", "Invalid")
    assert said(status, "Stalled") == ("True", "InvalidSpec")
    assert said(status, "Programmed") == ("True", "Programmed")
    assert "spec.rules[1].from: is required" in str(status["conditions"])


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([accounts("a")], ["tools"]),
        ([accounts("a", selector={"matchLabels": {"team": "a"}})], ["agents", "shop"]),
        ([accounts("a"), accounts("b", to="All")], ["*"]),
        ([{"anonymous": {}}], ["*"]),
        ([accounts("a", selector={"matchLabels": {"team": "z"}})], []),
    ],
    ids=str,
)
def test_who_is_admitted_is_resolved(entries: list[dict[str, Any]], expected: list[str]) -> None:
    status = status_of(of=policy(rule(*entries)))

    assert status["subjects"] == {"namespaces": expected}


def test_an_anonymous_rule_is_a_warning_that_names_it() -> None:
    status = status_of(of=policy(rule({"anonymous": {}}, name="open"), rule(name="closed")))

    condition = find(status["conditions"], "AnonymousAccess")

    assert condition is not None
    assert condition["message"] == "without any token: rule open"
    assert said(status_of(), "AnonymousAccess") is None


def test_times_of_targets_are_kept() -> None:
    first = status_of(Target("time", DONE))
    later = datetime(2026, 8, 1, tzinfo=UTC)

    second = policy_status(
        policy(rule()),
        targets=(Target("time", DONE),),
        namespaces=NAMESPACES,
        previous=first,
        now=later,
    )

    assert second == first
