"""Manifests to what runs here; what cannot is refused with a sentence, and alone."""

from pathlib import Path

import pytest
from tests.cli.folders import policy, server, write

from ostiary_cli.local import Place, Plan, plan
from ostiary_cli.manifests import read_folder
from ostiary_proxy.config import HttpBackend, Issuer, StdioBackend
from ostiary_proxy.policy import Allow, Caller, Target, compile_rules, decide

HTTP = "transport: {streamableHTTP: {port: 8000}}"


def planned(folder: Path, port: int = 8931, callers: tuple[str, ...] = ()) -> Plan:
    found = read_folder(folder)
    assert not found.problems, found.problems
    return plan(found, Place(folder, port, "/search/path"), callers)


def test_a_stdio_and_an_http_server_become_children_in_the_folder(tmp_path: Path) -> None:
    write(
        tmp_path,
        a=server(
            "time",
            "command: [x, $(WHO)]",
            "args: [y]",
            "env: [{name: WHO, value: me}]",
            "transport: {stdio: {maxProcesses: 3}}",
        ),
        b=server("notes", "command: [z]", HTTP, "limits: {concurrency: 7}", namespace="tools"),
        c=policy(),
    )

    first, second = planned(tmp_path).servers

    assert first.backend == StdioBackend(
        command=("x", "me", "y"),
        env={"WHO": "me", "PATH": "/search/path"},
        workingDir=str(tmp_path),
        maxProcesses=3,
    )
    assert (first.uid, first.path) == ("default/time", "/default/time/mcp")
    assert first.url == "http://127.0.0.1:8931/default/time/mcp"
    assert len(first.policies) == 1
    assert second.backend == HttpBackend(
        port=8000, command=("z",), env={"PATH": "/search/path"}, workingDir=str(tmp_path)
    )
    assert second.limits.concurrency == 7
    assert second.policies == ()


def test_the_document_is_one_that_a_local_proxy_takes(tmp_path: Path) -> None:
    write(tmp_path, a=server("time", "command: [x]"))

    config = planned(tmp_path).config(3, Issuer(kind="local", issuer="me"))

    assert (config.role, config.generation, len(config.servers)) == ("local", 3, 1)


@pytest.mark.parametrize(
    ("lines", "place", "words"),
    [
        (("transport: {streamableHTTP: {port: 8000}}",), "a.yaml:4", "img:1 is not pulled here"),
        (("command: [x]", "replicas: 0"), "a.yaml:7", "spec.replicas: it is 0"),
        (
            (
                "command: [x]",
                "volumes:",
                "- {name: data, mountPath: /data, emptyDir: {}}",
            ),
            "a.yaml:8",
            "spec.volumes[0]: nothing can be mounted at /data",
        ),
        (
            ("command: [x]", "identity: {kubernetesToken: true}"),
            "a.yaml:7",
            "there is no Kubernetes here",
        ),
        (("command: [x]", "workingDir: /no/such"), "a.yaml:7", "/no/such is no folder"),
        (
            ("command: [x]", "transport: {streamableHTTP: {port: 8931}}"),
            "a.yaml:7",
            "port 8931 is that of `ostiary up`",
        ),
        (
            ("command: [x]", "envFrom: [{secretRef: {name: gone}}]"),
            "a.yaml:7",
            "Secret default/gone is not in this folder",
        ),
    ],
)
def test_a_server_that_cannot_run_here_is_refused_alone(
    tmp_path: Path, lines: tuple[str, ...], place: str, words: str
) -> None:
    write(tmp_path, a=server("odd", *lines), b=server("time", "command: [x]"))

    found = planned(tmp_path)

    (refusal,) = found.refusals
    assert str(refusal).startswith(f"{place}: MCPServer default/odd cannot run here: ")
    assert words in refusal.message
    assert [it.name for it in found.servers] == ["time"]


def test_two_servers_on_one_port_are_both_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        a=server("one", "command: [x]", HTTP),
        b=server("two", "command: [y]", HTTP),
    )

    found = planned(tmp_path)

    assert [it.name for it in found.servers] == ["one"]
    assert "default/two" in str(found.refusals[0])
    assert "port 8000 is already that of default/one (a.yaml:7)" in str(found.refusals[0])


def test_a_working_dir_is_looked_for_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    write(tmp_path, a=server("time", "command: [x]", "workingDir: src"))

    (only,) = planned(tmp_path).servers

    assert only.backend.workingDir == str(tmp_path / "src")


@pytest.mark.parametrize("labelled", [True, False])
def test_namespaces_have_the_labels_of_their_manifest_alone(tmp_path: Path, labelled: bool) -> None:
    selecting = policy(account="planner").replace(
        "names: [planner]",
        "names: [planner], namespaces: {from: Selector, selector: {matchLabels: {team: a}}}",
    )
    labels = "apiVersion: v1\nkind: Namespace\nmetadata: {name: agents, labels: {team: a}}\n"
    write(tmp_path, a=server("time", "command: [x]"), b=selecting, c=labels if labelled else "")

    (only,) = planned(tmp_path, callers=("agents",)).servers
    planner = Caller.service_account("agents", "planner")

    admitted = isinstance(decide(Target("list"), planner, compile_rules(only)), Allow)
    assert admitted == labelled


def test_a_callers_namespace_is_known_by_its_name(tmp_path: Path) -> None:
    name = "{matchLabels: {kubernetes.io/metadata.name: agents}}"
    selecting = policy(account="planner").replace(
        "names: [planner]",
        f"names: [planner], namespaces: {{from: Selector, selector: {name}}}",
    )
    write(tmp_path, a=server("time", "command: [x]"), b=selecting)

    (only,) = planned(tmp_path, callers=("agents",)).servers

    assert only.policies[0].rules[0].subjects[0].namespaces == ("agents",)
