"""Conditions and their times."""

from datetime import UTC, datetime, timedelta, timezone

from ostiary_operator.status.conditions import Verdict, find, write

FIRST = datetime(2026, 7, 1, tzinfo=UTC)
LATER = FIRST + timedelta(hours=1)


def test_the_time_changes_only_with_the_status() -> None:
    before = write({"Ready": Verdict("False", "A")}, generation=1, previous=(), now=FIRST)

    same = write({"Ready": Verdict("False", "B", "b")}, generation=2, previous=before, now=LATER)
    other = write({"Ready": Verdict("True", "C")}, generation=2, previous=before, now=LATER)

    assert same[0]["lastTransitionTime"] == before[0]["lastTransitionTime"]
    assert (same[0]["reason"], same[0]["observedGeneration"]) == ("B", 2)
    assert other[0]["lastTransitionTime"] == "2026-07-01T01:00:00Z"


def test_a_condition_is_one_that_kubernetes_takes() -> None:
    there = datetime(2026, 7, 1, 2, tzinfo=timezone(timedelta(hours=2)))

    assert write(
        {"Ready": Verdict("True", "Ready", "m")}, generation=3, previous=(), now=there
    ) == [
        {
            "type": "Ready",
            "status": "True",
            "observedGeneration": 3,
            "lastTransitionTime": "2026-07-01T00:00:00Z",
            "reason": "Ready",
            "message": "m",
        }
    ]


def test_what_is_no_longer_said_is_gone() -> None:
    before = write({"Stalled": Verdict("True", "X")}, generation=1, previous=(), now=FIRST)

    after = write({"Ready": Verdict("True", "Ready")}, generation=1, previous=before, now=FIRST)

    assert find(after, "Stalled") is None


def test_a_message_is_cut() -> None:
    (found,) = write({"A": Verdict("True", "A", "x" * 9999)}, generation=1, previous=(), now=FIRST)

    assert len(found["message"]) == 4096
