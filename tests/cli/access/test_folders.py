"""Folders in the place of a cluster."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cli.access.asking import POLICY, SERVER, folder

from ostiary_cli.access.folders import read_folders
from ostiary_cli.endpoint import CallFailed

NOW = datetime.now(UTC)


def test_several_folders_are_one(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    (one / "a.yaml").write_text(SERVER)
    (other / "a.yaml").write_text(POLICY)

    found = read_folders([one, other], NOW, namespaces=["far"])

    assert list(found.servers) == ["tools/time"]
    assert list(found.policies) == ["tools/read"]
    assert set(found.namespaces) == {"tools", "far"}
    assert found.issuers is None


def test_what_lies_below_is_read_or_refused_and_never_passed_over(tmp_path: Path) -> None:
    folder(tmp_path / "deep" / "er")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.yaml").write_text("{")

    with pytest.raises(CallFailed, match="holds manifests: add -R"):
        read_folders([tmp_path], NOW)
    assert list(read_folders([tmp_path], NOW, recursive=True).servers) == ["tools/time"]


def test_tokens_that_open_nothing_are_told(tmp_path: Path) -> None:
    found = read_folders([folder(tmp_path)], NOW)

    assert {it.metadata.name for it in found.good} == {"ci", "away", "stranger", "alices"}
    assert found.notes == (
        "MCPAccessToken tools/ended opens nothing: it ended at 2020-01-01T00:00:00Z.",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (POLICY.replace("tools:", "tool:", 1), "policy.yaml:12: MCPAccessPolicy tools/read: spec"),
        ("{", "policy.yaml:1: not YAML"),
        ("kind: X\n", "has no apiVersion"),
    ],
)
def test_what_is_wrong_has_its_file_and_field(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CallFailed, match=said) as caught:
        read_folders([folder(tmp_path, policy=text)], NOW)

    assert caught.value.code == 2
    assert str(tmp_path) in str(caught.value)


def test_an_empty_folder_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(CallFailed, match="holds no manifest"):
        read_folders([tmp_path], NOW)
