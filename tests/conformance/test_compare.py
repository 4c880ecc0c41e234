"""Two runs of one suite side by side."""

import pytest
from conformance.compare import (
    Check,
    Difference,
    Expected,
    Outcome,
    Results,
    differences,
    judge,
    numbered,
)

RUN = "python-http 2026-07-28"
CHECK = Check("ping", "answered")
FAILS = Difference(RUN, CHECK, "SUCCESS", "FAILURE")
CHOSEN = Expected(frozenset({RUN}), CHECK, "SUCCESS", ("FAILURE",), "because")
VARYING = Expected(frozenset({RUN}), CHECK, "SUCCESS", ("SUCCESS", "FAILURE"), "because")


def results(**statuses: str) -> Results:
    return {Check("ping", name): Outcome(status) for name, status in statuses.items()}


@pytest.mark.parametrize(
    ("direct", "through", "found"),
    [
        (results(answered="SUCCESS"), results(answered="SUCCESS"), ()),
        (results(answered="FAILURE"), results(answered="FAILURE"), ()),
        (results(answered="SUCCESS"), results(answered="FAILURE"), (FAILS,)),
        (results(answered="SUCCESS"), {}, (Difference(RUN, CHECK, "SUCCESS", "ABSENT"),)),
        ({}, results(answered="WARNING"), (Difference(RUN, CHECK, "ABSENT", "WARNING"),)),
    ],
    ids=["both pass", "both fail", "one fails", "gone", "new"],
)
def test_a_check_differs_by_its_status(
    direct: Results, through: Results, found: tuple[Difference, ...]
) -> None:
    assert differences(RUN, direct, through) == found


def test_a_difference_that_nobody_chose_is_unexpected() -> None:
    verdict = judge([FAILS], [], frozenset({RUN}))

    assert verdict.unexpected == (FAILS,)
    assert not verdict.good


def test_a_chosen_difference_is_good() -> None:
    verdict = judge([FAILS], [CHOSEN], frozenset({RUN}))

    assert verdict.chosen == (FAILS,)
    assert verdict.good


def test_a_chosen_difference_with_another_status_is_unexpected() -> None:
    other = Difference(RUN, CHECK, "SUCCESS", "WARNING")

    verdict = judge([other], [CHOSEN], frozenset({RUN}))

    assert verdict.unexpected == (other,)
    assert verdict.stale


def test_a_chosen_difference_that_does_not_come_is_stale() -> None:
    verdict = judge([], [CHOSEN], frozenset({RUN}))

    assert verdict.stale == (FAILS,)
    assert not verdict.good


def test_what_may_vary_must_have_differed_once() -> None:
    runs, before = frozenset({RUN}), frozenset({(RUN, CHECK)})

    assert judge([FAILS], [VARYING], runs).good
    assert judge([], [VARYING], runs, before).good
    assert not judge([], [VARYING], runs).good
    assert not judge([], [CHOSEN], runs, before).good


def test_nothing_is_stale_that_did_not_run() -> None:
    assert judge([], [CHOSEN], frozenset()).good


def test_an_id_that_occurs_again_is_numbered_and_a_note_is_no_check() -> None:
    found = [("a", Outcome("SUCCESS")), ("a", Outcome("INFO")), ("a", Outcome("FAILURE"))]

    assert numbered("ping", found) == {
        Check("ping", "a"): Outcome("SUCCESS"),
        Check("ping", "a#2"): Outcome("FAILURE"),
    }
