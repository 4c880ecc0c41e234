"""Ready, step by step down the ladder."""

from typing import Any

import pytest
import yaml
from tests.operator.build import accounts, http, policy, rule, stdio
from tests.operator.cluster_state import (
    JUST_STARTED,
    NOW,
    deployment,
    healthy,
    pod,
    report,
    running,
    unavailable,
    waiting,
)

from ostiary_operator.api import Invalid, parse_policy
from ostiary_operator.status import Conflict, Failure, Observed, Unreachable, next_look
from ostiary_operator.status.conditions import Verdict, write
from ostiary_operator.status.readiness import judge, policy_to_write
from ostiary_operator.status.scene import look
from ostiary_proxy.config import ServerReport

SERVER = http()
CALLERS = (policy(rule()),)
STARTING = ServerReport(namespace="tools", name="time", state="Starting")


def ready(observed: Observed, server: Any = SERVER, previous: Any = None) -> Verdict:
    return judge(look(server, observed, previous or {}, NOW))


def test_a_server_that_answers_and_may_be_called_is_ready() -> None:
    assert ready(healthy(SERVER, policies=CALLERS)) == Verdict("True", "Ready")


def test_the_four_line_minimum_is_ready_and_says_which_policy_to_write() -> None:
    server = stdio()
    found = ready(healthy(server), server)

    assert (found.status, found.reason) == ("True", "PolicyMissing")
    assert policy_to_write(server) in found.message


def test_the_policy_to_write_is_valid_and_admits_somebody() -> None:
    text = policy_to_write(SERVER)
    written = parse_policy(yaml.safe_load(text))

    assert not isinstance(written, Invalid)
    assert ready(healthy(SERVER, policies=(written,))).reason == "Ready"


def test_a_policy_that_admits_nobody_is_named() -> None:
    nobody = policy(rule(accounts("a", selector={"matchLabels": {"team": "z"}})), name="empty")

    found = ready(healthy(SERVER, policies=(nobody,)))

    assert found.reason == "PolicyMissing"
    assert "no rule of empty admits anybody" in found.message


def test_a_taken_name_comes_before_everything() -> None:
    found = ready(
        healthy(SERVER, conflicts=(Conflict("Service", "time"), Conflict("Deployment", "time")))
    )

    assert found == Verdict(
        "False",
        "NameTaken",
        "Deployment tools/time, Service tools/time belongs to somebody else and was left alone: "
        "rename it, or this MCPServer",
    )


@pytest.mark.parametrize("reason", ["Forbidden", "QuotaExceeded"])
def test_a_refused_write_is_what_the_owner_must_repair(reason: str) -> None:
    found = ready(healthy(SERVER, failures=(Failure(reason, "no"),)))

    assert found == Verdict("False", "Progressing", "no")


@pytest.mark.parametrize("reason", ["ConfigTooLarge", "Retrying"])
def test_what_does_not_stop_calls_does_not_end_readiness(reason: str) -> None:
    found = ready(healthy(SERVER, policies=CALLERS, failures=(Failure(reason, "x"),)))

    assert found.reason == "Ready"


def test_before_anything_exists_it_is_progressing() -> None:
    assert ready(Observed()) == Verdict("False", "Progressing", "the Deployment is not there yet")


@pytest.mark.parametrize(
    ("status", "expected"),
    [({}, ("True", "ScaledToZero")), ({"replicas": 1}, ("False", "Progressing"))],
    ids=["gone", "going"],
)
def test_no_pods_are_what_was_asked_for(status: dict[str, int], expected: tuple[str, str]) -> None:
    server = http(replicas=0)

    found = ready(Observed(deployment=deployment(server, **status)), server)

    assert (found.status, found.reason) == expected


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (waiting("CreateContainerConfigError", 'secret "x" not found'), "RefsNotResolved"),
        (waiting("ImagePullBackOff"), "ImagePullFailed"),
        (waiting("CrashLoopBackOff", exitCode=1), "CrashLooping"),
        (waiting("CreateContainerError", "mkdir: no"), "Progressing"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_sick_container_is_said_for_what_it_is(state: dict[str, Any], reason: str) -> None:
    observed = healthy(
        SERVER, deployment=deployment(SERVER, ready=0), pods=(pod(server=state),), reports={}
    )

    assert ready(observed).reason == reason


def test_a_sick_new_pod_is_said_although_the_old_one_serves() -> None:
    observed = healthy(
        SERVER,
        deployment=deployment(SERVER, replicas=2),
        pods=(pod(), pod("time-2", server=waiting("ImagePullBackOff"))),
    )

    assert ready(observed).reason == "ImagePullFailed"


@pytest.mark.parametrize("reason", ["NoAnswer", "ConnectionRefused"])
def test_a_silent_server_is_starting_at_first_and_unavailable_then(reason: str) -> None:
    def observed(since: str) -> Observed:
        return healthy(
            SERVER,
            deployment=deployment(SERVER, ready=0),
            pods=(pod(server=running(since)),),
            reports={"uid-time-1": report(unavailable(reason, "nothing on port 8000"))},
        )

    early, late = observed(JUST_STARTED), observed("2026-07-01T11:58:59Z")

    assert ready(early).reason == "Progressing"
    assert next_look(SERVER, early, NOW) == 50
    assert ready(late) == Verdict("False", "BackendUnavailable", f"{reason}: nothing on port 8000")
    assert next_look(SERVER, late, NOW) is None


@pytest.mark.parametrize("reason", ["CommandExited", "CommandNotFound", "NotMCP"])
def test_a_definite_failure_is_said_at_once(reason: str) -> None:
    observed = healthy(
        SERVER,
        pods=(pod(server=running(JUST_STARTED)),),
        reports={"uid-time-1": report(unavailable(reason))},
    )

    assert ready(observed) == Verdict("False", "BackendUnavailable", reason)


def test_one_sick_pod_of_two_leaves_it_ready_and_is_said() -> None:
    server = http(replicas=2)
    observed = healthy(
        server,
        policies=CALLERS,
        pods=(pod(), pod("time-2")),
        reports={"uid-time-1": report(), "uid-time-2": report(unavailable("NoAnswer", "hm"))},
    )

    assert ready(observed, server) == Verdict("True", "Ready", "1 of 2 pods answer: NoAnswer: hm")


@pytest.mark.parametrize(
    "status",
    [{"observedGeneration": 4}, {"updatedReplicas": 0}, {"availableReplicas": 0}, {"replicas": 2}],
    ids=str,
)
def test_a_rollout_is_over_when_every_pod_is_new_and_ready(status: dict[str, int]) -> None:
    found = ready(healthy(SERVER, deployment=deployment(SERVER, **status)))

    assert found.reason == "Progressing"


def test_a_proxy_that_nobody_reaches_is_unknown_not_false() -> None:
    observed = healthy(SERVER, reports={"uid-time-1": Unreachable("connection refused")})

    assert ready(observed) == Verdict(
        "Unknown",
        "NotReporting",
        "pods run, and no proxy answers on its admin port: connection refused",
    )


def test_a_server_that_was_never_heard_is_awaited() -> None:
    observed = healthy(SERVER, reports={"uid-time-1": report(STARTING)})

    assert ready(observed).message == "waiting for the server's first answer"


def before(verdict: Verdict, generation: int = 2) -> dict[str, Any]:
    return {"conditions": write({"Ready": verdict}, generation=generation, previous=(), now=NOW)}


def test_after_a_restart_the_last_word_stands_until_the_proxies_were_asked() -> None:
    observed = healthy(SERVER, policies=CALLERS, reports={})
    last = Verdict("False", "BackendUnavailable", "NoAnswer")

    assert ready(observed, previous=before(Verdict("True", "Ready"))).reason == "Ready"
    assert ready(observed, previous=before(last)) == last


def test_the_last_word_about_another_generation_does_not_stand() -> None:
    observed = healthy(SERVER, policies=CALLERS, reports={})

    found = ready(observed, previous=before(Verdict("True", "Ready"), generation=1))

    assert found.reason == "Progressing"


def test_a_policy_that_came_meanwhile_counts_at_once() -> None:
    observed = healthy(SERVER, policies=CALLERS, reports={})

    found = ready(observed, previous=before(Verdict("True", "PolicyMissing", "write one")))

    assert (found.status, found.reason) == ("True", "Ready")


def test_a_healthy_server_needs_no_look_by_the_clock() -> None:
    assert next_look(SERVER, healthy(SERVER), NOW) is None
