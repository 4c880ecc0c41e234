"""BackendPrivate of servers that are elsewhere, and Ready beside it."""

from typing import Any

import pytest
from tests.operator.build import ENV, SETTINGS, policy, remote, rule, service
from tests.operator.cluster_state import (
    READY,
    deployment,
    report,
    running,
    unavailable,
    waiting,
)
from tests.operator.test_observe import CREATED

from ostiary_operator.api import MCPServer
from ostiary_operator.render.network import render_network_policy, render_protection
from ostiary_operator.render.workload import Unusable, Workload
from ostiary_operator.status import Observed, server_status
from ostiary_operator.status.conditions import find

WORKLOAD = Workload({"app": "legacy"}, 8000, 80)


def lone(proxy: dict[str, Any] | None = None) -> dict[str, Any]:
    """A pod that holds the proxy alone."""
    return {
        "metadata": {
            "name": "time-1",
            "namespace": "tools",
            "uid": "uid-time-1",
            "labels": {"ostiary.dev/server": "time"},
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "proxy", "image": "proxy:1"} | (proxy or running())],
        },
    }


def observed(server: MCPServer, backend: Any = READY, **more: Any) -> Observed:
    given: dict[str, Any] = {
        "generation": 3,
        "deployment": deployment(server),
        "network_policy": render_network_policy(server, (), SETTINGS, ENV),
        "pods": (lone(),),
        "reports": {"uid-time-1": report(backend)},
        "namespaces": {"tools": {}},
        "policies": (policy(rule()),),
    }
    return Observed(**(given | more))


def said(server: MCPServer, seen: Observed, kind: str) -> tuple[str, str, str]:
    status = server_status(server, seen, {}, CREATED)
    found = find(status["conditions"], kind)
    assert found is not None
    return found["status"], found["reason"], found["message"]


def protected(**more: Any) -> Observed:
    server = service()
    given = {"workload": WORKLOAD, "protection": render_protection(server, WORKLOAD)}
    return observed(server, **(given | more))


def test_a_remote_is_nobodys_to_call_private() -> None:
    status, reason, message = said(remote(), observed(remote()), "BackendPrivate")

    assert (status, reason) == ("False", "Remote")
    assert message.startswith("mcp.example.com is not part of this cluster")


def test_a_remote_that_nobody_called_yet_is_ready() -> None:
    fresh = READY.model_copy(update={"state": "Starting", "tools": (), "toolCount": 0})

    assert said(remote(), observed(remote(), fresh), "Ready")[:2] == ("True", "Ready")


def test_a_remote_that_failed_a_call_says_why_at_once() -> None:
    broken = unavailable("CertificateRefused", "its certificate has expired")

    status, reason, message = said(remote(), observed(remote(), broken), "Ready")

    assert (status, reason) == ("False", "BackendUnavailable")
    assert message == "CertificateRefused: its certificate has expired"


def test_a_secret_that_is_missing_is_named() -> None:
    pod = lone(waiting("ContainerCreating"))
    event = {
        "reason": "FailedMount",
        "involvedObject": {"uid": "uid-time-1"},
        "message": 'MountVolume.SetUp failed for volume "ostiary-upstream" : '
        'secret "saas" not found',
    }
    seen = observed(remote(), pods=(pod,), events=(event,), reports={})

    assert said(remote(), seen, "ResolvedRefs")[:2] == ("False", "SecretNotFound")
    assert "Secret saas not found" in said(remote(), seen, "Ready")[2]


def test_a_key_that_is_missing_is_said_of_the_spec() -> None:
    pod = lone(waiting("ContainerCreating"))
    event = {
        "reason": "FailedMount",
        "involvedObject": {"uid": "uid-time-1"},
        "message": 'MountVolume.SetUp failed for volume "ostiary-upstream" : '
        "references non-existent secret key: token",
    }
    seen = observed(remote(), pods=(pod,), events=(event,), reports={})

    assert "the Secret in spec.upstream has no key token" in said(remote(), seen, "ResolvedRefs")[2]


def test_references_are_known_once_the_proxy_started() -> None:
    waits = observed(remote(), pods=(lone(waiting("ContainerCreating")),), reports={})

    assert said(remote(), waits, "ResolvedRefs")[0] == "Unknown"
    assert said(remote(), observed(remote()), "ResolvedRefs")[0] == "True"


@pytest.mark.parametrize("reason", ["ServiceNotFound", "ServiceUnusable"])
def test_a_service_that_cannot_be_used_is_a_reference_that_does_not_resolve(reason: str) -> None:
    seen = protected(workload=Unusable(reason, "the words"), protection=None)

    assert said(service(), seen, "ResolvedRefs") == ("False", reason, "the words")
    assert said(service(), seen, "Ready")[:2] == ("False", "RefsNotResolved")
    assert said(service(), seen, "BackendPrivate")[0] == "Unknown"


def test_a_service_without_protection_is_exposed() -> None:
    open_ = service(service={"name": "legacy-mcp", "port": 80})
    seen = observed(open_, workload=WORKLOAD)

    status, reason, message = said(open_, seen, "BackendPrivate")

    assert (status, reason) == ("False", "Exposed")
    assert "write spec.service.protect: true" in message


def test_protection_counts_once_it_stands_and_while_nothing_widens_it() -> None:
    assert said(service(), protected(protection=None), "BackendPrivate")[0] == "Unknown"
    assert said(service(), protected(), "BackendPrivate")[:2] == ("True", "PolicyApplied")
    widened = said(service(), protected(protection_widened_by=("metrics",)), "BackendPrivate")
    assert widened[:2] == ("False", "WidenedBy")
    assert widened[2].startswith("NetworkPolicy metrics admits more to the pods of Service legacy")


def test_a_service_is_waited_for_while_it_starts() -> None:
    silent = unavailable("ConnectionRefused", "nothing listens there")

    assert said(service(), protected(backend=silent), "Ready")[1] == "BackendUnavailable"
