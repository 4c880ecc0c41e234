"""The cluster through kubectl: what it says reaches the person."""

import stat
from pathlib import Path

import pytest

from ostiary_cli import kubectl
from ostiary_cli.endpoint import CallFailed


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that does what a test writes."""
    path = tmp_path / "kubectl"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return path


def says(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_words_and_a_document_go_in_and_the_answer_comes_out(program: Path) -> None:
    says(program, 'echo "$@"; cat')

    assert kubectl.kubectl("create", "-f", "-", given="{}") == "create -f -\n{}"


def test_what_it_complains_of_is_what_the_person_is_told(program: Path) -> None:
    says(program, "echo 'Error from server (Forbidden): no' >&2; exit 1")

    with pytest.raises(CallFailed, match="Forbidden") as caught:
        kubectl.kubectl("get", "x")
    assert caught.value.code == 3


def test_an_invalid_object_is_a_mistake_of_the_command_line(program: Path) -> None:
    says(program, "echo 'The MCPAccessToken \"x\" is invalid: spec' >&2; exit 1")

    with pytest.raises(CallFailed) as caught:
        kubectl.kubectl("create", "-f", "-", given="")
    assert caught.value.code == 2


def test_without_kubectl_the_way_around_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CallFailed, match="-f DIR"):
        kubectl.kubectl("version")


def test_who_asks_and_where_is_read_of_the_context(program: Path) -> None:
    says(program, 'echo \'{"status": {"userInfo": {"username": "alice"}}}\'')
    assert kubectl.own_name() == "alice"

    says(program, "printf shop")
    assert kubectl.own_namespace() == "shop"
    says(program, "true")
    assert kubectl.own_namespace() == "default"
