"""Status, columns and scale on the real API server."""

import json
from typing import Any

import pytest
from e2e.cluster.kubectl import Kubectl
from tests.operator.build import (
    HTTP,
    group_manifest,
    http,
    policy,
    policy_manifest,
    rule,
    server_manifest,
)
from tests.operator.cluster_state import NOW, healthy

from ostiary_operator.api.status import MCPGroupStatus
from ostiary_operator.status import Enforcement, Target, policy_status, server_status

pytestmark = pytest.mark.usefixtures("crds")
CALLERS = policy(rule({"anonymous": {}}))


def made(kubectl: Kubectl, namespace: str, manifest: dict[str, Any]) -> None:
    manifest["metadata"] = {"name": manifest["metadata"]["name"], "namespace": namespace}
    kubectl.create(manifest)


def write_status(kubectl: Kubectl, namespace: str, what: str, status: dict[str, Any]) -> str:
    return kubectl(
        "-n", namespace, "patch", what, "--subresource=status", "--type=merge",
        "-p", json.dumps({"status": status}),
    )  # fmt: skip


def columns(kubectl: Kubectl, namespace: str, kind: str, *flags: str) -> dict[str, str]:
    heads, row = kubectl("-n", namespace, "get", kind, *flags).splitlines()
    return dict(zip(heads.split(), row.split(), strict=True))


def test_a_servers_status_is_kept_and_shown(kubectl: Kubectl, namespace: str) -> None:
    made(kubectl, namespace, server_manifest(HTTP))
    status = server_status(http(), healthy(http(), policies=(CALLERS,)), {}, NOW)

    write_status(kubectl, namespace, "mcpserver/time", status)

    assert kubectl.get("mcpserver", "time", namespace)["status"] == status
    shown = columns(kubectl, namespace, "oserver", "-o", "wide")
    del shown["AGE"]
    assert shown == {
        "NAME": "time",
        "READY": "True",
        "PRIVATE": "True",
        "CALLERS": "1",
        "TOOLS": "2",
        "URL": "http://time.tools.svc/mcp",
        "PROTOCOL": "2025-11-25",
        "PROXY": "0.1.0",
    }


def test_a_groups_status_is_kept_and_shown(kubectl: Kubectl, namespace: str) -> None:
    made(kubectl, namespace, group_manifest())
    member = {"server": "tools/time", "alias": "time", "state": "NoConsent", "message": "ask"}
    status = {
        "observedGeneration": 1,
        "url": "http://everyday-group.agents.svc/mcp",
        "servers": "0/1",
        "members": [member],
        "tools": {"count": 0, "digest": "sha256:none"},
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "Progressing",
                "message": "",
                "lastTransitionTime": "2026-07-01T12:00:00Z",
            }
        ],
    }
    MCPGroupStatus.model_validate(status, strict=False)

    write_status(kubectl, namespace, "mcpgroup/everyday", status)

    assert kubectl.get("mcpgroup", "everyday", namespace)["status"] == status
    shown = columns(kubectl, namespace, "ogroup")
    del shown["AGE"]
    assert shown == {
        "NAME": "everyday",
        "READY": "False",
        "SERVERS": "0/1",
        "TOOLS": "0",
        "URL": "http://everyday-group.agents.svc/mcp",
    }


def test_a_policys_status_is_kept_and_shown(kubectl: Kubectl, namespace: str) -> None:
    made(kubectl, namespace, policy_manifest(rule()))
    status = policy_status(
        CALLERS,
        targets=(Target("time", Enforcement(1, 2, 3)), Target("gone", None)),
        namespaces={},
        previous={},
        now=NOW,
    )

    write_status(kubectl, namespace, "opolicy/callers", status)

    assert kubectl.get("mcpaccesspolicy", "callers", namespace)["status"] == status
    shown = columns(kubectl, namespace, "opolicy")
    del shown["AGE"]
    assert shown == {"NAME": "callers", "ACCEPTED": "False", "ENFORCED": "1/2", "TARGETS": "1"}


def test_scaling_sets_the_replicas_of_the_spec(kubectl: Kubectl, namespace: str) -> None:
    made(kubectl, namespace, server_manifest(HTTP))

    kubectl("-n", namespace, "scale", "oserver/time", "--replicas=3")

    assert kubectl.get("mcpserver", "time", namespace)["spec"]["replicas"] == 3


def test_nothing_is_defaulted_into_the_users_object(kubectl: Kubectl, namespace: str) -> None:
    manifest = server_manifest(HTTP)

    made(kubectl, namespace, manifest)

    assert kubectl.get("mcpserver", "time", namespace)["spec"] == HTTP


def test_every_kind_is_listed_by_our_category(kubectl: Kubectl, namespace: str) -> None:
    made(kubectl, namespace, group_manifest())
    made(kubectl, namespace, server_manifest(HTTP))
    made(kubectl, namespace, policy_manifest(rule()))

    assert kubectl("-n", namespace, "get", "ostiary", "-o", "name").split() == [
        "mcpaccesspolicy.ostiary.dev/callers",
        "mcpgroup.ostiary.dev/everyday",
        "mcpserver.ostiary.dev/time",
    ]
