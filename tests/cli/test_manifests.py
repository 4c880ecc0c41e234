"""A folder, checked: what is wrong is said with file, line, object and field."""

from pathlib import Path

import pytest
from tests.cli.folders import API, policy, server, write

from ostiary_cli.manifests import Manifests, read_folder


def said(manifests: Manifests) -> str:
    return "\n".join(str(problem) for problem in manifests.problems)


def test_a_folder_of_all_kinds_is_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        a=server("time", "command: [x]") + "---\n" + policy(),
        b="apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
        "data: {a: aGk=, b: bm8=}\nstringData: {b: plain}\n",
        c="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: x}\ndata: {k: v}\n",
        d="apiVersion: v1\nkind: Namespace\nmetadata: {name: agents, labels: {team: a}}\n",
    )
    (tmp_path / "e.json").write_text('{"apiVersion": "v1", "kind": "List", "items": []}')
    (tmp_path / "README.md").write_text("not: [yaml")
    (tmp_path / ".hidden.yaml").write_text("not: [yaml")

    found = read_folder(tmp_path)

    assert not found.problems
    assert list(found.servers) == ["default/time"]
    assert list(found.policies) == ["default/all"]
    assert found.secrets["default/s"].values == {"a": "hi", "b": "plain"}
    assert found.config_maps["x/c"].values == {"k": "v"}
    assert found.labels(frozenset({"caller"})) == {
        "agents": {"team": "a", "kubernetes.io/metadata.name": "agents"},
        "caller": {"kubernetes.io/metadata.name": "caller"},
        "default": {"kubernetes.io/metadata.name": "default"},
    }


def test_a_list_is_taken_apart_and_its_lines_stay_true(tmp_path: Path) -> None:
    write(
        tmp_path,
        a=f"""apiVersion: v1
kind: List
items:
- {API}
  kind: MCPServer
  metadata: {{name: time}}
  spec:
    image: x
    comand: [x]
""",
    )

    assert "a.yaml:9: MCPServer default/time: spec.comand" in said(read_folder(tmp_path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            server("time", "comand: [x]"),
            "a.yaml:6: MCPServer default/time: spec.comand: no such field: did you mean command?",
        ),
        (server("time"), "spec.command: a stdio server needs command"),
        (server("a-group", "command: [x]"), "name: the endings -group"),
        (
            server("time", "command: [x]", "replicas: two"),
            "a.yaml:7: MCPServer default/time: spec.replicas",
        ),
        (server("time", "command: [1]"), 'spec.command[0]: must be text: write "1" in quotes'),
        (f"{API}\nkind: MCPThing\nmetadata: {{name: g}}\n", "MCPThing of ostiary.dev/v1alpha1"),
        ("kind: MCPServer\n", "document 1 has no apiVersion"),
        ("just words\n", "document 1 is no object"),
        (f"{API}\nkind: MCPServer\n", "(MCPServer) has no metadata.name"),
        (
            server("time", "command: [x]") + "---\n" + server("time", "command: [y]"),
            "a.yaml:10: MCPServer default/time is there twice; the first: a.yaml:1",
        ),
        ("a: [\n", "not YAML"),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: pass word}\n",
            "a.yaml:4: Secret default/s: data.a: must be base64",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndata: {a: 5}\n",
            "data.a: must be text: put it in quotes",
        ),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndata: [a]\n", "no mapping"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    found = read_folder(write(tmp_path, a=text))

    assert words in said(found)


def test_a_secrets_value_is_never_repeated(tmp_path: Path) -> None:
    found = read_folder(
        write(
            tmp_path,
            a="apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: hunter-2!}\n",
        )
    )

    assert found.problems
    assert "hunter" not in said(found)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no manifest: put a MCPServer into a file that ends in .yaml"),
        ({"a": policy()}, "holds no MCPServer"),
    ],
)
def test_a_folder_without_a_server_is_refused(
    tmp_path: Path, files: dict[str, str], words: str
) -> None:
    assert words in said(read_folder(write(tmp_path, **files)))


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    write(tmp_path, a=policy())

    assert "does not exist" in said(read_folder(tmp_path / "nowhere"))
    assert "name the folder it is in" in said(read_folder(tmp_path / "a.yaml"))


def test_other_kinds_are_left_out_and_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        a=server("time", "command: [x]"),
        b="apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n",
        c="apiVersion: other.dev/v1\nkind: MCPServer\nmetadata: {name: time}\n",
        kustomization="resources: [a.yaml]\n",
    )

    found = read_folder(tmp_path)

    assert not found.problems
    assert "Deployment default/web is left out" in "\n".join(found.notes)
    assert "another project's; Ostiary's is ostiary.dev/v1alpha1" in "\n".join(found.notes)
    assert "kustomization.yaml is left out" in "\n".join(found.notes)


def test_a_file_that_is_no_text_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")

    assert "a.yaml: cannot be read: is not UTF-8 text" in said(read_folder(tmp_path))
