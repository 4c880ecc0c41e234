"""Advice on programs that are not here."""

import os
import sys
from pathlib import Path

import pytest

from ostiary_cli.programs import search_path, what_to_install


def test_programs_beside_this_one_are_found_first() -> None:
    path = search_path({"PATH": "/usr/bin"})

    assert path == f"{Path(sys.executable).parent}{os.pathsep}/usr/bin"
    assert search_path({"PATH": path}) == path


def test_a_program_that_is_there_needs_no_advice(tmp_path: Path) -> None:
    assert what_to_install("sh", path="/bin:/usr/bin", folder=tmp_path) == ""


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("npx", "npx is not on the PATH: install Node.js, which brings it"),
        ("mcp-server-x", "`pipx install mcp-server-x` or `npm install --global mcp-server-x`"),
        ("./start", "./start does not exist here"),
        ("./plain", "./plain is not executable: chmod +x it"),
    ],
)
def test_a_program_that_is_not_there_gets_advice(tmp_path: Path, program: str, words: str) -> None:
    (tmp_path / "plain").write_text("")

    assert words in what_to_install(program, path="/nonexistent", folder=tmp_path)
