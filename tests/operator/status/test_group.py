"""The whole status of a group."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.operator.build import group, policy, rule
from tests.operator.cluster_state import JUST_STARTED, NOW, running, waiting
from tests.operator.gateway_state import (
    ENTRIES,
    GROUP,
    accepted,
    gateway_deployment,
    gateway_pod,
    ready,
    told,
    unhealthy,
    view,
    watched,
)

from ostiary_operator.api import MCPGroup
from ostiary_operator.api.status import MCPGroupStatus
from ostiary_operator.render.gateway import GroupView
from ostiary_operator.render.memberships import Membership
from ostiary_operator.status import Conflict, Failure, Observed, Unreachable
from ostiary_operator.status.conditions import find
from ostiary_operator.status.group import group_status, next_look

BOTH = view(accepted("time"), accepted("notes"))
HEALTHY = watched(told(ready("time"), ready("notes", 3)))
NO_CONSENT = Membership("shop", "cart", "cart", "NoConsent", message="it does not agree")
STRICT = group({"members": ENTRIES, "onMemberFailure": "Fail"})


def status_of(
    observed: Observed = HEALTHY,
    seen: GroupView = BOTH,
    *,
    of: MCPGroup = GROUP,
    previous: Any = None,
) -> Any:
    found = group_status(of, seen, observed, previous or {}, NOW)
    # The CRD's schema takes it.
    MCPGroupStatus.model_validate_json(json.dumps(found))
    return found


def said(status: Any, kind: str) -> tuple[str, str] | None:
    found = find(status["conditions"], kind)
    return (found["status"], found["reason"]) if found else None


def message(status: Any, kind: str = "Ready") -> str:
    found = find(status["conditions"], kind)
    return str(found["message"]) if found else ""


def test_a_healthy_group_says_all_that_people_ask_for() -> None:
    status = status_of()

    assert status["observedGeneration"] == 1
    assert status["url"] == "http://everyday-group.agents.svc/mcp"
    assert status["servers"] == "2/2"
    assert status["tools"]["count"] == 5
    assert status["callers"] == 1
    assert (status["replicas"], status["readyReplicas"]) == (1, 1)
    assert status["selector"] == "ostiary.dev/group=everyday"
    assert status["proxyVersion"] == "0.2.0"
    assert [(it["server"], it["state"]) for it in status["members"]] == [
        ("tools/time", "Ready"),
        ("tools/notes", "Ready"),
    ]
    assert [(it["type"], it["status"], it["reason"]) for it in status["conditions"]] == [
        ("Ready", "True", "Ready"),
        ("Accepted", "True", "Accepted"),
        ("ResolvedRefs", "True", "ResolvedRefs"),
        ("Programmed", "True", "Programmed"),
        ("TransportEncrypted", "False", "Plaintext"),
    ]


def test_the_same_sight_gives_the_same_status() -> None:
    first = status_of()

    assert group_status(GROUP, BOTH, HEALTHY, first, NOW + timedelta(hours=1)) == first


def test_a_member_that_is_missing_costs_its_own_tools_alone() -> None:
    status = status_of(watched(told(ready("time"), unhealthy("notes"))))

    assert said(status, "Ready") == ("True", "Ready")
    assert message(status) == ("1 of 2 members are ready: notes: NoAnswer: it does not answer")
    assert status["servers"] == "1/2"


def test_a_group_that_wants_all_or_nothing_is_down_with_one_member() -> None:
    observed = watched(told(ready("time"), unhealthy("notes")), of=STRICT)

    assert said(status_of(observed, of=STRICT), "Ready") == ("False", "BackendUnavailable")


def test_a_group_whose_every_member_is_down_is_down() -> None:
    status = status_of(watched(told(unhealthy("time"), unhealthy("notes"))))

    assert said(status, "Ready") == ("False", "BackendUnavailable")
    assert status["servers"] == "0/2"
    assert "tools" not in status


def test_a_group_that_heard_of_nobody_yet_is_on_its_way() -> None:
    status = status_of(watched(told()))

    assert said(status, "Ready") == ("False", "Progressing")
    assert said(status, "Reconciling") == ("True", "Rollout")


def test_a_server_that_does_not_agree_is_said_and_the_others_are_served() -> None:
    status = status_of(HEALTHY, view(*BOTH.memberships, NO_CONSENT))

    assert said(status, "Accepted") == ("False", "NoConsent")
    assert message(status, "Accepted") == "cart: it does not agree"
    assert said(status, "Ready") == ("True", "Ready")
    assert status["servers"] == "2/3"
    assert status["members"][-1] == {
        "server": "shop/cart",
        "alias": "cart",
        "state": "NoConsent",
        "message": "it does not agree",
    }


@pytest.mark.parametrize(
    ("state", "kind", "reason"),
    [
        ("NameConflict", "Accepted", "NameConflict"),
        ("NotFound", "ResolvedRefs", "ServerNotFound"),
    ],
)
def test_why_a_server_is_no_member_is_a_reason_of_its_own(
    state: Any, kind: str, reason: str
) -> None:
    other = Membership("tools", "x", "x", state, message="why")

    status = status_of(HEALTHY, view(*BOTH.memberships, other))

    assert said(status, kind) == ("False", reason)
    assert message(status, kind) == "x: why"


def test_of_many_that_do_not_agree_some_are_told() -> None:
    many = [Membership("shop", f"s{it}", f"s{it}", "NoConsent", message="no") for it in range(9)]

    status = status_of(HEALTHY, view(*BOTH.memberships, *many))

    assert message(status, "Accepted").endswith("; and 5 more")


@pytest.mark.parametrize(
    ("found", "words"),
    [((NO_CONSENT,), "cart: it does not agree"), ((), "no MCPServer has the labels")],
    ids=["none agrees", "none is selected"],
)
def test_a_group_that_nobody_joined_waits_for_somebody(found: Any, words: str) -> None:
    status = status_of(watched(told()), view(*found))

    assert said(status, "Ready") == ("False", "RefsNotResolved")
    assert said(status, "Reconciling") == ("True", "WaitingForDependency")
    assert words in message(status)


def test_without_a_policy_beside_a_member_nobody_may_call() -> None:
    status = status_of(HEALTHY, view(*BOTH.memberships, policies=()))

    assert said(status, "Ready") == ("True", "PolicyMissing")
    assert status["callers"] == 0


def on_group(*rules: Any) -> Any:
    refs = [{"kind": "MCPGroup", "name": "everyday"}]
    return policy(*rules, name="own", namespace="agents", target=None, targetRefs=refs)


def test_whose_word_is_missing_is_said_with_the_groups_own_policies() -> None:
    seen = replace(view(accepted(), policies=()), policies=(on_group(rule()),))

    assert message(status_of(watched(told(ready())), seen)).endswith(
        "what it grants there, and own on the group, is granted here"
    )


@pytest.mark.parametrize(
    ("more", "kind", "verdict"),
    [
        ({"conflicts": (Conflict("Service", "everyday-group"),)}, "Ready", ("False", "NameTaken")),
        ({"deployment": None}, "Ready", ("False", "Progressing")),
        (
            {"failures": (Failure("QuotaExceeded", "full"),)},
            "Stalled",
            ("True", "QuotaExceeded"),
        ),
        (
            {"failures": (Failure("ConfigTooLarge", "large"),)},
            "Stalled",
            ("True", "ConfigTooLarge"),
        ),
        (
            {"pods": (gateway_pod(**waiting("ImagePullBackOff")),)},
            "Ready",
            ("False", "ImagePullFailed"),
        ),
        (
            {"pods": (gateway_pod(**waiting("CrashLoopBackOff", exitCode=1)),)},
            "Ready",
            ("False", "CrashLooping"),
        ),
        (
            {"reports": {"uid-g-1": Unreachable("refused")}},
            "Ready",
            ("Unknown", "NotReporting"),
        ),
        ({"deployment": gateway_deployment(ready=0)}, "Ready", ("False", "Progressing")),
        ({"generation": 9}, "Programmed", ("False", "PartiallyProgrammed")),
    ],
    ids=lambda it: str(it)[:40],
)
def test_what_stands_in_a_gateways_way_is_said(
    more: dict[str, Any], kind: str, verdict: tuple[str, str]
) -> None:
    assert said(status_of(watched(told(ready("time")), **more)), kind) == verdict


def test_a_taken_name_is_told_with_whose_it_is_to_change() -> None:
    status = status_of(watched(told(), conflicts=(Conflict("Service", "everyday-group"),)))

    assert message(status) == (
        "Service agents/everyday-group belongs to somebody else and was left alone: rename it, or "
        "this MCPGroup"
    )


def test_a_crash_is_looked_for_among_the_gateways_own_pods() -> None:
    crashed = gateway_pod(**waiting("CrashLoopBackOff", exitCode=1))

    assert "-l ostiary.dev/group=everyday -c proxy" in message(
        status_of(watched(told(), pods=(crashed,)))
    )


def test_a_group_scaled_to_zero_is_as_its_owner_wants_it() -> None:
    none = group({"members": ENTRIES, "replicas": 0})

    assert said(status_of(watched(of=none), of=none), "Ready") == ("True", "ScaledToZero")


def test_the_last_word_stands_until_the_proxies_were_asked() -> None:
    before = status_of()
    unasked = watched(told(), reports={})

    assert status_of(unasked, previous=before) == before


def test_a_pod_that_starts_is_looked_at_again_when_it_should_have() -> None:
    early = watched(told(), reports={}, pods=(gateway_pod(**running(JUST_STARTED)),))

    assert next_look(GROUP, early, NOW) == 50
    assert next_look(GROUP, HEALTHY, NOW) is None
