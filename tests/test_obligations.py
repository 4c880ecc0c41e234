"""Every numbered obligation of the protocol's design (protocol.md, 6) has a test that names it.

A test names its numbers in a docstring or a comment, as `Obligation 27` or `Obligations 33, 51 and
52`.  What is not met stands here with its reason; a number that gets its test must leave that list.
"""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
ALL: Final = frozenset(range(1, 67))
NOT_MET: Final = {
    38: "a filter or policy that changes is in force at the next request, also for lists; but "
    "a server's clients are not told `list_changed` of it; a group's are",
}
PARTLY: Final = {
    31: "`elicitation/complete` and `tasks/status` pass within an era without a test of their own",
}
"""Named by tests that show a part of them; this is what lacks."""
_NAMED: Final = re.compile(r"\b[Oo]bligations? (\d+(?:(?:, and |, | and |,\s| or )\d+)*)")


def named() -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for folder in ("tests", "e2e"):
        for path in (ROOT / folder).rglob("test_*.py"):
            if path != Path(__file__):
                for numbers in _NAMED.findall(path.read_text()):
                    for number in re.findall(r"\d+", numbers):
                        found.setdefault(int(number), set()).add(path.name)
    return found


def test_every_obligation_is_named_by_a_test() -> None:
    missing = ALL - named().keys() - NOT_MET.keys()

    assert not missing, f"name these in the tests that show them: {sorted(missing)}"


def test_no_test_names_an_obligation_that_there_is_not() -> None:
    assert not named().keys() - ALL


def test_what_has_its_test_is_not_said_to_lack_it() -> None:
    assert not named().keys() & NOT_MET.keys()


def test_what_is_met_in_part_is_named() -> None:
    assert PARTLY.keys() <= named().keys()


def test_the_numbers_of_one_sentence_are_all_read() -> None:
    assert _NAMED.findall("Obligations 33, 51 and 52: keys. Obligation 7, a reading.") == [
        "33, 51 and 52",
        "7",
    ]
