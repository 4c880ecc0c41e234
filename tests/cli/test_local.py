"""Manifests to what runs here; what cannot is refused with a sentence, and alone."""

from pathlib import Path
from typing import Any

import pytest
from tests.cli.folders import policy, server, write

from ostiary_cli.local import Place, Plan, plan
from ostiary_cli.manifests import read_folder
from ostiary_proxy.config import (
    HttpBackend,
    Issuer,
    SseBackend,
    StdioBackend,
    WebSocketBackend,
)
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


def test_processes_and_sessions_are_as_on_a_cluster(tmp_path: Path) -> None:
    stdio = "stdio: {process: PerUser, lists: PerSession}"
    transport = f"transport: {{{stdio}, sessionAffinity: Request, onSessionLoss: End}}"
    write(tmp_path, a=server("time", "command: [x]", transport))

    (planned_server,) = planned(tmp_path).servers
    backend = planned_server.backend

    assert isinstance(backend, StdioBackend)
    assert (backend.process, backend.lists) == ("PerUser", "PerSession")
    assert planned_server.sessionAffinity == "Request"
    assert planned_server.onSessionLoss == "End"
    assert planned_server.pods == ""


def test_the_document_is_one_that_a_local_proxy_takes(tmp_path: Path) -> None:
    write(tmp_path, a=server("time", "command: [x]"))

    config = planned(tmp_path).config(3, (Issuer(kind="local", issuer="me"),))

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


def test_servers_of_the_other_transports_are_started_as_http_ones_are(tmp_path: Path) -> None:
    write(
        tmp_path,
        a=server("one", "command: [x]", "transport: {sse: {port: 8000}}"),
        b=server("two", "command: [y]", "transport: {webSocket: {port: 8001, path: /w}}"),
        c=server("three", "command: [z]", "transport: {webSocket: {port: 8000}}"),
    )
    local: dict[str, Any] = {"env": {"PATH": "/search/path"}, "workingDir": str(tmp_path)}

    found = planned(tmp_path)

    backends = {it.name: it.backend for it in found.servers}
    assert backends == {
        "one": SseBackend(port=8000, path="/sse", command=("x",), **local),
        "two": WebSocketBackend(port=8001, path="/w", command=("y",), **local),
    }
    (refusal,) = found.refusals
    assert "spec.transport.webSocket.port: port 8000 is already that of" in refusal.message


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


def elsewhere(name: str, *lines: str) -> str:
    return "\n".join(it for it in server(name, *lines).split("\n") if "image:" not in it)


SECRET = """apiVersion: v1
kind: Secret
metadata: {name: saas, namespace: default}
stringData: {token: Bearer abc}
"""
UPSTREAM = "upstream: {headers: [{name: X-Key, secretKeyRef: {name: saas, key: token}}]}"


def test_a_remote_may_be_this_very_machine(tmp_path: Path) -> None:
    url = "remote: {url: 'http://127.0.0.1:9000/mcp', allowInsecure: true}"
    write(tmp_path, a=elsewhere("saas", url, UPSTREAM), b=SECRET)

    found = planned(tmp_path)

    backend = found.servers[0].backend
    assert isinstance(backend, HttpBackend)
    assert backend.outside is not None
    assert (backend.host, backend.port, backend.command) == ("127.0.0.1", 9000, ())
    assert (backend.outside.source, backend.outside.loopback) == ("remote", True)
    (file, value), *_ = found.files.items()
    assert backend.outside.headers[0].file == str(file)
    assert value == "Bearer abc"
    assert "Bearer" not in repr(found)
    assert found.config(1, (Issuer(kind="local", issuer="me"),)).role == "local"


def test_a_service_is_what_listens_on_its_port_here(tmp_path: Path) -> None:
    write(tmp_path, a=elsewhere("front", "service: {name: legacy-mcp, port: 9000, protect: true}"))

    backend = planned(tmp_path).servers[0].backend

    assert isinstance(backend, HttpBackend)
    assert (backend.host, backend.port, backend.path) == ("127.0.0.1", 9000, "/mcp")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("remote: {url: 'https://mcp.example.com'}", UPSTREAM), "Secret default/saas is not in"),
        (("service: {name: a, port: 8931}",), "spec.service.port: port 8931 is that of `ostiary"),
    ],
)
def test_a_server_elsewhere_that_cannot_be_had_here_says_why(
    tmp_path: Path, lines: tuple[str, ...], words: str
) -> None:
    write(tmp_path, a=elsewhere("saas", *lines))

    found = planned(tmp_path)

    assert found.servers == ()
    assert words in str(found.refusals[0])


def test_everything_a_policy_can_say_is_decided_as_on_a_cluster(tmp_path: Path) -> None:
    narrow = policy(account="developer").replace(
        "allow: {tools: ['*']}",
        "allow: {effects: [ReadOnly]}\n    when: args.n < 3\n    limits: {requestsPerSecond: 5}",
    )
    top = (
        "apiVersion: ostiary.dev/v1alpha1\nkind: MCPAccessPolicy\n"
        "metadata: {name: top, namespace: admin}\nspec:\n  scope: Cluster\n"
        "  namespaces: {from: All}\n  deny: [{tools: [get_secret]}]\n"
    )
    effects = "tools: {effects: {ReadOnly: ['get_*']}}"
    write(tmp_path, a=server("time", "command: [x]", effects), b=narrow, c=top)

    (only,) = planned(tmp_path).servers
    rules = compile_rules(only)
    developer = Caller.service_account("default", "developer")

    def may(tool: str, n: int) -> bool:
        return isinstance(decide(Target("tool", tool, {"n": n}), developer, rules), Allow)

    assert may("get_time", 1)
    assert not may("get_time", 3)
    assert not may("set_time", 1)
    assert not may("get_secret", 1)
    assert only.policies[-1].rules[0].rate is not None
