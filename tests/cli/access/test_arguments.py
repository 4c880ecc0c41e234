"""The command lines of the answers."""

import subprocess
import sys

import pytest

from ostiary_cli.__main__ import read
from ostiary_cli.access.arguments import COMMANDS

LINES = {
    "who-can": ("call", "x", "-n", "t", "--server", "s"),
    "can-i": ("read", "x://y", "--as", "user:a", "--groups", "a", "b", "--claims", "iss=https://i"),
    "allow": ("time", "--to", "user:a", "--to", "user:b", "--tools", "a", "b"),
    "review": ("-A", "-f", "a", "-f", "b", "-R"),
    "diff": ("old", "new", "--output", "json"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_is_read(command: str) -> None:
    assert read([command, *LINES[command]]).command == command


@pytest.mark.parametrize(
    "words",
    [
        ("who-can", "delete", "x"),
        ("can-i", "call", "x"),
        ("allow", "time"),
        ("diff", "old"),
        ("can-i", "call", "x", "--as", "user:a", "--nonsense"),
    ],
)
def test_what_is_missing_is_exit_code_2(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read(words)

    assert caught.value.code == 2
    assert "usage: ostiary" in capsys.readouterr().err


def test_other_commands_do_not_wait_for_what_the_answers_need() -> None:
    program = (
        "import sys, ostiary_cli.__main__;"
        "print([m for m in ('pydantic', 'ostiary_operator.api') if m in sys.modules])"
    )

    found = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout

    assert found.strip() == "[]"
