"""The words of the commands about a trail."""

import pytest

from ostiary_cli.__main__ import read


def test_they_are_read() -> None:
    verify = read(["audit", "verify", "a", "b", "--heads", "h", "--from-middle"])
    assert (verify.files, verify.heads, verify.from_middle) == (["a", "b"], "h", True)
    why = read(["why", "X", "-f", "a", "-f", "-"])
    assert (why.id, why.files) == ("X", ["a", "-"])


@pytest.mark.parametrize("words", [["audit"], ["why"], ["why", "X", "-n", "a", "-A"]])
def test_what_lacks_or_contradicts_itself_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        read(words)
