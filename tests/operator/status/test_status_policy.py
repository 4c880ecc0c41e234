"""The whole status of a policy."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.operator.build import accounts, policy, rule

from ostiary_operator.api import MCPAccessPolicy, Problem
from ostiary_operator.status import Enforcement, Target, Watched, policy_status
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


@pytest.mark.parametrize("where", ["rules", "deny"])
def test_an_issuer_that_the_settings_do_not_name_is_named(where: str) -> None:
    entry = {"oidc": {"issuer": "https://id.example"}}
    of = policy(rule(entry)) if where == "rules" else policy(deny=[{"from": [entry]}])
    done = Target("time", DONE)

    unknown = status_of(done, of=of, issuers=frozenset({"https://id.example/"}))
    known = status_of(done, of=of, issuers=frozenset({"https://id.example"}))

    assert said(unknown, "Accepted") == ("False", "IssuerNotConfigured")
    assert said(unknown, "Programmed") == ("True", "Programmed")
    assert "https://id.example" in str(unknown["conditions"])
    assert said(known, "Accepted") == ("True", "Accepted")


def test_an_issuer_that_gives_no_keys_is_said_by_the_policies_that_speak_of_it() -> None:
    of = policy(rule({"oidc": {"issuer": "https://id.example"}}))
    done, named = Target("time", DONE), frozenset({"https://id.example", "https://x.example"})

    well = status_of(done, of=of, issuers=named)
    ill = status_of(done, of=of, issuers=named, silent={"https://id.example": "no answer"})
    other = status_of(done, of=of, issuers=named, silent={"https://x.example": "no answer"})

    assert said(well, "ResolvedRefs") == said(other, "ResolvedRefs") == ("True", "ResolvedRefs")
    assert said(ill, "ResolvedRefs") == ("False", "IssuerUnavailable")
    assert "issuer https://id.example: no answer" in str(ill["conditions"])
    assert said(ill, "Ready") == said(well, "Ready")
    assert "ResolvedRefs" not in str(status_of(done, issuers=named)["conditions"])


def top() -> MCPAccessPolicy:
    return policy(
        rule(), scope="Cluster", namespaces={"from": "All"}, target=None, namespace="admin"
    )


def test_a_ceiling_in_another_namespace_than_the_admins_does_nothing_and_says_so() -> None:
    status = status_of(of=top(), misplaced=True)

    assert said(status, "Accepted") == ("False", "NeedsClusterScope")
    assert said(status, "Ready") == ("False", "RefsNotResolved")
    assert "policyNamespace" in str(status["conditions"])


def test_a_ceiling_over_nothing_yet_is_no_mistake() -> None:
    status = status_of(of=top())

    assert said(status, "Accepted") == ("True", "Accepted")
    assert "the namespaces have no MCPServer yet" in str(status["conditions"])


def test_what_an_observed_policy_saw_is_told() -> None:
    watching = policy(rule(), mode="Observe")

    assert status_of(of=watching, observed=Watched(3, 5))["observed"] == {"allow": 3, "deny": 5}
    assert "observed" not in status_of()


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
        ([{"users": {"names": ["a"]}}, {"oidc": {"issuer": "https://id.example"}}], []),
        ([{"tokens": {"names": ["a"]}}], ["tools"]),
        ([accounts("a", selector={"matchLabels": {"team": "z"}})], []),
    ],
    ids=str,
)
def test_who_is_admitted_is_resolved(entries: list[dict[str, Any]], expected: list[str]) -> None:
    status = status_of(of=policy(rule(*entries)))

    assert status["subjects"] == {"namespaces": expected}


def test_an_anonymous_rule_that_lets_nobody_in_is_no_warning() -> None:
    watching = policy(rule({"anonymous": {}}), mode="Observe")

    assert said(status_of(of=watching), "AnonymousAccess") is None


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
