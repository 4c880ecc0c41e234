"""The command line of `ostiary token`."""

from pathlib import Path

import pytest

from ostiary_cli.__main__ import read


def test_a_token_says_what_it_opens() -> None:
    found = read(["token", "create", "ci", "--for", "time", "--for", "shop/*", "-n", "tools"])

    assert (found.action, found.name, found.namespace) == ("create", "ci", "tools")
    assert (found.opens, found.expires) == (["time", "shop/*"], "90d")
    assert found.groups == []
    assert (found.personal, found.user, found.folder) == (False, None, None)


def test_a_token_may_be_for_groups() -> None:
    found = read(["token", "create", "ci", "--for-group", "everyday", "--for-group", "agents/*"])

    assert (found.opens, found.groups) == ([], ["everyday", "agents/*"])


def test_a_folder_takes_the_clusters_place() -> None:
    for words in (["list"], ["revoke", "ci"], ["create", "ci", "--for", "time"]):
        assert read(["token", *words, "-f", "x"]).folder == Path("x")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["create"],
        ["create", "ci", "--for", "time", "--personal", "--user", "alice"],
        ["revoke"],
        ["show", "ci"],
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read(["token", *words])

    assert caught.value.code == 2
    assert "usage: ostiary token" in capsys.readouterr().err
