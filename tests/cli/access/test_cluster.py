"""A cluster as kubectl tells of it.  A real API server: tests/operator_api/test_answers.py."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.access.asking import NAMESPACE, POLICY, SERVER, token

from ostiary_cli.access.cluster import read_cluster
from ostiary_cli.endpoint import CallFailed

NOW = datetime(2026, 6, 1, tzinfo=UTC)
END = "2026-12-01T00:00:00Z"
SETTINGS = "proxyImage: x\npolicyNamespace: admin\nissuers: [{name: i, url: 'https://i.x'}]\n"
GROUP = """apiVersion: ostiary.dev/v1alpha1
kind: MCPGroup
metadata: {name: everyday, namespace: agents}
spec: {members: [{server: {name: time, namespace: tools}}]}
"""
CEILING = {
    "apiVersion": "ostiary.dev/v1alpha1",
    "kind": "MCPAccessPolicy",
    "spec": {"scope": "Cluster", "namespaces": {"from": "All"}, "deny": [{"tools": ["x"]}]},
}


def made(text: str, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load(text.removeprefix("---\n"))
    return body | more


def accepted(status: str, reason: str = "Accepted") -> dict[str, Any]:
    condition = {"type": "Accepted", "status": status, "reason": reason, "message": f"{reason}!"}
    return {"status": {"conditions": [condition]}}


def personal(name: str, digit: str, **more: Any) -> dict[str, Any]:
    return made(token(name, digit, "tools/time", "alice", end=END), **more)


def cluster() -> dict[str, list[dict[str, Any]]]:
    tools = {"count": 1, "items": [{"name": "get_time", "digest": "d"}]}
    return {
        "mcpservers.ostiary.dev": [
            made(SERVER, status={"tools": tools}),
            made(SERVER.replace("name: time", "name: bad"), spec={"image": "x"}),
        ],
        "mcpgroups.ostiary.dev": [
            made(GROUP),
            made(GROUP.replace("everyday", "bad"), spec={"members": []}),
        ],
        "mcpaccesspolicies.ostiary.dev": [
            made(POLICY),
            CEILING | {"metadata": {"namespace": "admin", "name": "top"}},
            CEILING | {"metadata": {"namespace": "tools", "name": "top"}},
            made(POLICY.replace("name: read,", "name: half,").replace('["convert"]', "[1]")),
        ],
        "mcpaccesstokens.ostiary.dev": [
            made(token("ci", "1", "tools/time", end=END)),
            personal("seen", "2", **accepted("True")),
            personal("unseen", "3"),
            personal("refused", "4", **accepted("False", "PersonalTokensOff")),
            made(token("ended", "5", "tools/time", end="2026-05-01T00:00:00Z")),
        ],
        "namespaces": [made(NAMESPACE)],
        "configmaps": [
            {
                "kind": "ConfigMap",
                "metadata": {"namespace": "o", "name": "ostiary-settings"},
                "data": {"settings.yaml": SETTINGS},
            }
        ],
    }


def kubectl(path: Path, monkeypatch: pytest.MonkeyPatch, lists: dict[str, Any]) -> None:
    for name, items in lists.items():
        (path / name).write_text(json.dumps({"kind": "List", "items": items}))
    script = (
        f"#!/bin/sh\ntest -f {path}/$2 && cat {path}/$2 && exit 0\n"
        'echo "Error from server (Forbidden): $2 is forbidden" >&2; exit 1\n'
    )
    program = path / "kubectl"
    program.write_text(script)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")


def test_what_counts_is_what_the_operator_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl(tmp_path, monkeypatch, cluster())

    found = read_cluster(NOW)

    assert list(found.servers) == ["tools/time"]
    assert list(found.policies) == ["tools/read", "admin/top", "tools/half"]
    assert list(found.idle) == ["tools/top"]
    assert {it.metadata.name for it in found.good} == {"ci", "seen"}
    assert found.namespaces == {
        "agents": {"team": "agents", "kubernetes.io/metadata.name": "agents"}
    }
    assert [it.url for it in found.issuers or ()] == ["https://i.x"]
    assert found.tools_of(found.servers["tools/time"]) == {"get_time"}
    half = found.policies["tools/half"].spec.rules or ()
    assert [it.name for it in half] == ["planners", "people", "readers", "machines"]


def test_what_was_left_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl(tmp_path, monkeypatch, cluster())

    said = "\n".join(read_cluster(NOW).notes)

    assert "MCPServer tools/bad is left out: spec.command: " in said
    assert "MCPAccessPolicy tools/half is in force in part only: spec.rules[2].allow.tools" in said
    assert "MCPAccessToken tools/unseen opens nothing: the operator has not accepted it yet" in said
    assert "MCPAccessToken tools/refused opens nothing: PersonalTokensOff!" in said
    assert "MCPAccessToken tools/ended opens nothing: it ended at " in said


@pytest.mark.parametrize("resource", sorted(cluster()))
def test_what_may_not_be_read_is_no_answer(
    resource: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = cluster()
    del lists[resource]
    kubectl(tmp_path, monkeypatch, lists)

    with pytest.raises(CallFailed, match=f"An answer needs all {resource}") as caught:
        read_cluster(NOW)
    assert caught.value.code == 3


def test_without_settings_there_is_no_ostiary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl(tmp_path, monkeypatch, cluster() | {"configmaps": []})

    with pytest.raises(CallFailed, match="is Ostiary installed here"):
        read_cluster(NOW)
