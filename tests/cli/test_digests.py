"""What to commit so that a server's tools are approved as they stand."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from ostiary_cli.__main__ import main
from ostiary_operator.api import MCPServer, parse_server

A, B = (f"sha256:{letter * 64}" for letter in "ab")
ITEMS = [{"name": "a", "digest": A}, {"name": 'odd "\n\u202e: name', "digest": B}]
SPEC = {"image": "i:1", "command": ["x"]}


def cluster(
    folder: Path, monkeypatch: pytest.MonkeyPatch, status: dict[str, Any], **spec: Any
) -> Path:
    """A kubectl that has one server, and writes down what it was asked."""
    server = {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": "time", "namespace": "tools"},
        "spec": {**SPEC, **spec},
        "status": status,
    }
    (folder / "server.json").write_text(json.dumps(server))
    program = folder / "kubectl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\ncat {folder}/server.json\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder / "asked"


@pytest.mark.parametrize("words", [["tools/time"], ["time", "-n", "tools"]])
def test_what_it_prints_is_a_spec_that_approves_each_tool(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    asked = cluster(tmp_path, monkeypatch, {"tools": {"count": 2, "digest": B, "items": ITEMS}})

    assert main(["tools", *words, "--digests"]) == 0

    printed = capsys.readouterr().out
    assert printed.isascii()
    found = yaml.safe_load(printed)["spec"]["tools"]["pin"]
    assert found == {"mode": "Enforce", "tools": ITEMS}
    assert "get mcpservers.ostiary.dev time -n tools -o json" in asked.read_text()
    manifest = json.loads((tmp_path / "server.json").read_text())
    manifest["spec"]["tools"] = {"pin": found}
    assert isinstance(parse_server(manifest), MCPServer)


def test_of_more_tools_than_the_status_lists_the_whole_is_approved_and_the_mode_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = {"count": 900, "digest": B, "items": ITEMS}
    cluster(tmp_path, monkeypatch, {"tools": tools}, tools={"pin": {"mode": "Warn"}})

    assert main(["tools", "tools/time", "--digests"]) == 0
    found = yaml.safe_load(capsys.readouterr().out)["spec"]["tools"]["pin"]
    assert found == {"mode": "Warn", "digest": B}


def test_a_server_that_told_nothing_yet_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster(tmp_path, monkeypatch, {})

    assert main(["tools", "tools/time", "--digests"]) == 3
    assert "has not told its tools yet" in capsys.readouterr().err
