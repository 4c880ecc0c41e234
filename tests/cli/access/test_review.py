"""`ostiary review`: each thing that deserves a second look is found, and only that."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.access.asking import SERVER, ask, folder, token
from tests.cli.folders import group, policy

from ostiary_cli.access.folders import read_folders
from ostiary_cli.access.review import ENDS_SOON, OLD, review
from ostiary_operator.api import MCPAccessToken

NOW = datetime.now(UTC)


def found(path: Path, namespace: str | None = None) -> set[tuple[str, str, str]]:
    listed = review(read_folders([path], NOW), namespace, NOW)
    return {(it.severity, it.object.rpartition("/")[2], it.what) for it in listed}


def spec(text: str) -> str:
    return SERVER.replace("{image: img, command: [c]}", text)


@pytest.mark.parametrize(
    ("text", "severity", "what"),
    [
        ("{image: i, command: [c]}", "low", "OpenEgress"),
        ("{image: i, command: [c], network: {egress: {mode: Unrestricted}}}", "high", "OpenEgress"),
        ("{image: i, command: [c], identity: {cloudMetadata: true}}", "high", "CloudMetadata"),
        (
            "{image: i, command: [c], identity: {kubernetesToken: true}}",
            "medium",
            "KubernetesToken",
        ),
        ("{service: {name: old, port: 80}}", "high", "Unprotected"),
        ("{remote: {url: 'http://x.example/mcp', allowInsecure: true}}", "high", "Plaintext"),
    ],
)
def test_a_server_that_is_open(tmp_path: Path, text: str, severity: str, what: str) -> None:
    assert (severity, "time", what) in found(folder(tmp_path, server=spec(text)))


def test_a_server_that_is_closed(tmp_path: Path) -> None:
    text = "{image: i, command: [c], network: {egress: {mode: None}}, tls: {secretName: s}}"
    path = folder(tmp_path, server=spec(text))

    whats = {what for _, name, what in found(path) if name == "time"}
    assert whats <= {"Unpinned"}
    folder(tmp_path, server=spec(text.replace(", tls: {secretName: s}", "")))
    assert ("low", "time", "Plaintext") in found(path)
    (path / "policy.yaml").unlink()
    assert ("low", "time", "Plaintext") not in found(path)
    assert ("low", "time", "NoPolicy") in found(path)


def test_tokens_by_age_and_reach(tmp_path: Path) -> None:
    soon = (NOW + ENDS_SOON / 2).strftime("%Y-%m-%dT%H:%M:%SZ")
    path = folder(tmp_path, more=token("soon", "7", "tools/time", end=soon))

    listed = found(path)

    assert {
        ("medium", "soon", "EndsSoon"),
        ("low", "ended", "Expired"),
        ("medium", "stranger", "Wide"),
        ("low", "stranger", "Unused"),
        ("low", "away", "Unused"),
    } <= listed
    assert not [it for it in listed if it[1] == "ci"]


TO_AGENTS = "{from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: agents}}}"


@pytest.mark.parametrize(
    ("namespaces", "severity", "words"),
    [
        (TO_AGENTS, "low", "groups of agents may make it a member; now MCPGroup agents/everyday"),
        ("{from: All}", "medium", "a group of any namespace may make it a member; now MCPGroup"),
    ],
)
def test_consent_is_listed_with_the_groups_that_use_it(
    tmp_path: Path, namespaces: str, severity: str, words: str
) -> None:
    member = "server: {name: time, namespace: tools}, alias: clock"
    text = spec(f"{{image: i, command: [c], exposeTo: {{namespaces: {namespaces}}}}}")
    path = folder(tmp_path, server=text, more=group(member, namespace="agents"))

    [exposed] = [it for it in review(read_folders([path], NOW), None, NOW) if it.what == "Exposed"]

    assert exposed.severity == severity
    assert exposed.object == "MCPServer tools/time"
    assert words in exposed.message
    assert exposed.message.endswith("does, as clock")


def test_consent_that_nobody_uses_and_a_groups_policy_without_a_group(tmp_path: Path) -> None:
    text = spec("{image: i, command: [c], exposeTo: {namespaces: {from: All}}}")
    lost = policy("lost", namespace="tools").replace(
        "selector: {}", "targetRefs: [{kind: MCPGroup, name: nightly}]"
    )
    path = folder(tmp_path, server=text, more=lost)

    said = {it.what: it.message for it in review(read_folders([path], NOW), None, NOW)}

    assert said["Exposed"].endswith("now none does")
    assert said["TargetNotFound"] == "there is no MCPGroup tools/nightly"


def test_a_secret_that_is_old_and_a_wall_that_is_widened(tmp_path: Path) -> None:
    standing = read_folders([folder(tmp_path)], NOW)
    made = (NOW - OLD - timedelta(days=1)).isoformat()
    condition = {"type": "BackendPrivate", "reason": "WidenedBy", "message": "by open-house"}

    def aged(it: MCPAccessToken) -> MCPAccessToken:
        metadata = it.metadata.model_copy(update={"creationTimestamp": made})
        return it.model_copy(update={"metadata": metadata})

    seen = review(
        replace(
            standing,
            tokens={key: aged(it) for key, it in standing.tokens.items()},
            statuses={"tools/time": {"conditions": [condition]}},
        ),
        None,
        NOW,
    )

    assert ("medium", "Old") in {(it.severity, it.what) for it in seen}
    [widened] = [it for it in seen if it.what == "WidenedBy"]
    assert (widened.severity, widened.message) == ("high", "by open-house")


def test_a_namespace_alone(tmp_path: Path) -> None:
    assert found(folder(tmp_path), "shop") == set()


def test_the_worst_comes_first_and_as_json(tmp_path: Path) -> None:
    path = folder(tmp_path, server=spec("{service: {name: old, port: 80}}"))

    code, out, _ = ask("review", "-f", str(path))
    _, text, _ = ask("review", "-f", str(path), "--output", "json")
    listed: list[dict[str, Any]] = json.loads(text)["findings"]

    assert code == 0
    assert out.startswith("HIGH   MCPServer tools/time: Unprotected: ")
    assert "instead: service.protect: true" in out
    assert set(listed[0]) == {"severity", "object", "what", "message", "instead"}
