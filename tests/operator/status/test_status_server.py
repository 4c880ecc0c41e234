"""The whole status of a server."""

from datetime import timedelta
from typing import Any

import pytest
from tests.operator.build import STDIO, http, policy, rule, server_manifest, stdio
from tests.operator.cluster_state import (
    NOW,
    deployment,
    healthy,
    pod,
    report,
    running,
    waiting,
)

from ostiary_operator.api import Invalid, MCPServer, parse_server
from ostiary_operator.status import (
    Conflict,
    Failure,
    Observed,
    Unreachable,
    invalid_status,
    server_status,
)
from ostiary_operator.status.conditions import find

SERVER = http()
CALLERS = (policy(rule()),)


def status_of(observed: Observed, server: MCPServer = SERVER, previous: Any = None) -> Any:
    return server_status(server, observed, previous or {}, NOW)


def said(status: Any, kind: str) -> tuple[str, str] | None:
    found = find(status["conditions"], kind)
    return (found["status"], found["reason"]) if found else None


def test_a_healthy_server_says_all_that_people_ask_for() -> None:
    status = status_of(healthy(SERVER, policies=CALLERS))

    assert status["observedGeneration"] == 2
    assert status["url"] == "http://time.tools.svc/mcp"
    assert status["callers"] == 1
    assert (status["replicas"], status["readyReplicas"]) == (1, 1)
    assert status["selector"] == "ostiary.dev/server=time"
    assert status["tools"]["count"] == 2
    assert [it["type"] for it in status["conditions"]] == [
        "Ready",
        "Accepted",
        "ResolvedRefs",
        "Programmed",
        "BackendPrivate",
        "TransportEncrypted",
        "ToolsPinned",
    ]
    assert {it["status"] for it in status["conditions"][:-2]} == {"True"}
    assert said(status, "TransportEncrypted") == ("False", "Plaintext")


def test_the_same_observation_gives_the_same_status() -> None:
    first = status_of(healthy(SERVER, policies=CALLERS))

    second = server_status(
        SERVER, healthy(SERVER, policies=CALLERS), first, NOW + timedelta(hours=1)
    )

    assert second == first


def test_the_first_status_is_said_before_anything_exists() -> None:
    status = status_of(Observed())

    assert said(status, "Ready") == ("False", "Progressing")
    assert said(status, "Reconciling") == ("True", "Rollout")
    assert said(status, "BackendPrivate") == ("Unknown", "Progressing")


@pytest.mark.parametrize(
    ("server", "more", "expected"),
    [
        (stdio(), {}, ("True", "NoListener")),
        (stdio(), {"widened_by": ("open",)}, ("True", "NoListener")),
        (http(), {}, ("True", "PolicyApplied")),
        (http(), {"widened_by": ("open", "wide")}, ("False", "WidenedBy")),
        (http(), {"network_policy": None}, ("Unknown", "Progressing")),
        (stdio(), {"deployment": None}, ("Unknown", "Progressing")),
    ],
)
def test_private_is_said_of_what_was_looked_at(
    server: MCPServer, more: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert said(status_of(healthy(server, **more), server), "BackendPrivate") == expected


def test_a_widening_policy_is_named() -> None:
    condition = find(
        status_of(healthy(SERVER, widened_by=("open", "wide")))["conditions"], "BackendPrivate"
    )

    assert condition is not None
    assert "NetworkPolicy open, wide admits more than ours" in condition["message"]


def test_a_server_container_without_the_shim_is_not_called_private() -> None:
    server = stdio()
    tampered = deployment(server)
    tampered["spec"]["template"]["spec"]["containers"][0]["command"] = ["/bin/sh"]

    status = status_of(healthy(server, deployment=tampered), server)

    assert said(status, "BackendPrivate") == ("Unknown", "Progressing")


def test_programmed_counts_pods_and_names_the_generation() -> None:
    server = http(replicas=2)
    observed = healthy(
        server,
        pods=(pod(), pod("time-2")),
        reports={
            "uid-time-1": report(),
            "uid-time-2": report(generation=2, configError="no such rule", pod="time-2"),
        },
    )

    condition = find(status_of(observed, server)["conditions"], "Programmed")

    assert condition is not None
    assert (condition["status"], condition["reason"]) == ("False", "PartiallyProgrammed")
    assert condition["message"] == (
        "1 of 2 pods enforce generation 3; pod time-2 refuses the newest document: no such rule"
    )


def test_programmed_stands_over_a_restart_of_the_operator() -> None:
    first = status_of(healthy(SERVER))

    again = status_of(healthy(SERVER, reports={}), previous=first)
    other = status_of(healthy(SERVER, reports={}, generation=4), previous=first)

    assert said(again, "Programmed") == ("True", "Programmed")
    assert said(other, "Programmed") == ("False", "PartiallyProgrammed")


def test_a_restart_of_the_operator_changes_nothing_that_is_said() -> None:
    first = status_of(healthy(SERVER, policies=CALLERS))

    again = server_status(
        SERVER,
        healthy(SERVER, policies=CALLERS, reports={}),
        first,
        NOW + timedelta(minutes=1),
    )

    assert again == first


WITH_SECRET = stdio(envFrom=[{"secretRef": {"name": "db"}}])


@pytest.mark.parametrize(
    ("server", "state", "expected"),
    [
        (stdio(), waiting("PodInitializing"), ("True", "ResolvedRefs")),
        (WITH_SECRET, waiting("PodInitializing"), ("Unknown", "Progressing")),
        (WITH_SECRET, running(), ("True", "ResolvedRefs")),
        (WITH_SECRET, waiting("CrashLoopBackOff", exitCode=1), ("True", "ResolvedRefs")),
        (
            WITH_SECRET,
            waiting("CreateContainerConfigError", 'secret "db" not found'),
            ("False", "SecretNotFound"),
        ),
    ],
)
def test_references_are_resolved_once_the_container_has_started(
    server: MCPServer, state: dict[str, Any], expected: tuple[str, str]
) -> None:
    observed = healthy(server, pods=(pod(server=state),))

    assert said(status_of(observed, server), "ResolvedRefs") == expected


@pytest.mark.parametrize(
    ("more", "reconciling", "stalled"),
    [
        ({"conflicts": (Conflict("Service", "time"),)}, "WaitingForDependency", None),
        ({"failures": (Failure("Retrying", "x"),)}, "Retrying", None),
        ({"failures": (Failure("Forbidden", "x"),)}, "Rollout", "Forbidden"),
        ({"failures": (Failure("QuotaExceeded", "x"),)}, "Rollout", "QuotaExceeded"),
        ({"failures": (Failure("ConfigTooLarge", "x"),)}, None, "ConfigTooLarge"),
        ({"reports": {"uid-time-1": Unreachable("x")}}, None, None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_abnormal_conditions_are_there_only_while_they_hold(
    more: dict[str, Any], reconciling: str | None, stalled: str | None
) -> None:
    status = status_of(healthy(SERVER, **more))

    assert said(status, "Reconciling") == (reconciling and ("True", reconciling))
    assert said(status, "Stalled") == (stalled and ("True", stalled))


def test_pods_refused_for_quota_are_stalled() -> None:
    conditions = [
        {
            "type": "ReplicaFailure",
            "status": "True",
            "message": 'pods "a" is forbidden: exceeded quota: q',
        }
    ]

    status = status_of(
        healthy(SERVER, deployment=deployment(SERVER, ready=0, conditions=conditions), pods=())
    )

    assert said(status, "Stalled") == ("True", "QuotaExceeded")
    assert said(status, "Ready") == ("False", "Progressing")


def test_an_object_that_does_not_validate_says_where_and_keeps_what_was_known() -> None:
    manifest = server_manifest(STDIO | {"replica": 1})
    invalid = parse_server(manifest)
    assert isinstance(invalid, Invalid)
    previous = status_of(healthy(SERVER))

    status = invalid_status(manifest["metadata"], invalid, previous, NOW)

    assert said(status, "Ready") == ("False", "Invalid")
    assert said(status, "Accepted") == ("False", "Invalid")
    assert said(status, "Stalled") == ("True", "InvalidSpec")
    assert "spec.replica: no such field: did you mean replicas?" in str(status["conditions"])
    assert status["tools"] == previous["tools"]
    assert status["observedGeneration"] == 2
