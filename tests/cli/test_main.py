"""The command line itself."""

from importlib.metadata import version

import pytest

from ostiary_cli.__main__ import main, read


def test_words_after_an_option_are_arguments_of_the_call_too() -> None:
    found = read(["call", "http://x", "tool", "a=1", "--output", "json", "b=2"])

    assert found.pairs == ["a=1", "b=2"]


@pytest.mark.parametrize(
    "words", [[], ["nonsense"], ["tools", "http://x", "more"], ["call", "u", "t", "--odd"]]
)
def test_wrong_words_are_refused_with_code_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("words", [["--help"], ["up", "--help"], ["call", "--help"]])
def test_help_names_the_exit_codes(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 0
    assert "exit codes:" in capsys.readouterr().out


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"ostiary {version('ostiary')}\n"
