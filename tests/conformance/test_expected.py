"""The file of chosen differences."""

from pathlib import Path

import pytest
from conformance.expected import read_expected
from conformance.plan import BACKENDS, HERE, runs_of

KNOWN = frozenset({"a 1", "b 1"})
ENTRY = "{scenario: s, check: c, direct: SUCCESS, through: FAILURE}"


def read(folder: Path, text: str) -> None:
    path = folder / "expected.yaml"
    path.write_text(text)
    read_expected(path, KNOWN)


def test_every_difference_that_we_choose_names_its_reason_and_a_run_that_exists() -> None:
    found = read_expected(HERE / "expected.yaml", runs_of(BACKENDS))

    assert found
    assert all(len(expected.reason) > 40 for expected in found)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"- {{reason: r, runs: [c 1], differences: [{ENTRY}]}}", "runs must name some of"),
        (f"- {{reason: r, runs: [], differences: [{ENTRY}]}}", "runs must name some of"),
        (f"- {{reason: ' ', runs: [a 1], differences: [{ENTRY}]}}", "say why"),
        (f"- {{runs: [a 1], differences: [{ENTRY}]}}", "an entry has"),
        ("- {reason: r, runs: [a 1], differences: [{scenario: s}]}", "an entry has"),
    ],
    ids=["no such run", "no run", "no reason", "no key", "half an entry"],
)
def test_an_entry_that_could_hide_something_is_refused(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        read(tmp_path, text)
