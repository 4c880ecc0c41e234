"""How the propagation test judges what pods answered: timed, on its way out, or wrong."""

import pytest
from e2e.enforcement import Edit, Told, judge

EDITS = [Edit(10.0, 10.1, wanted=False), Edit(20.0, 20.1, wanted=True)]


def answers(ip: str, *said: tuple[float, bool | None]) -> list[Told]:
    """Each asked 0.1 s before it was told."""
    return [Told(ip, t - 0.1, t, ok) for t, ok in said]


OLD = answers("a", (9.0, True), (10.2, True), (10.5, False), (20.4, True), (20.5, True))


def test_an_edit_is_timed_until_the_last_pod_that_was_there() -> None:
    other = answers("b", (9.0, True), (11.0, True), (11.6, False), (20.2, False), (20.3, True))

    verdict = judge(EDITS, OLD + other)

    assert verdict.seconds == pytest.approx([1.5, 0.3])
    assert not verdict.wrong
    assert verdict.born == 0


def test_a_new_pod_that_knows_from_its_first_answer_is_not_timed() -> None:
    verdict = judge(EDITS, OLD + answers("c", (15.0, False), (20.2, False), (20.6, True)))

    assert verdict.seconds == pytest.approx([0.4, 0.3])
    assert not verdict.wrong
    assert verdict.born == 1


def test_a_new_pod_that_answers_by_an_older_policy_is_wrong() -> None:
    verdict = judge(EDITS, OLD + answers("c", (15.0, True), (15.1, False), (20.3, True)))

    (wrong,) = verdict.wrong
    assert "edit 0: c" in wrong


def test_an_answer_asked_for_before_anybody_enforced_is_not_wrong() -> None:
    slow = [Told("c", 10.4, 10.6, True), *answers("c", (10.8, False), (20.3, True))]

    assert not judge(EDITS, OLD + slow).wrong


def test_a_new_pod_may_go_wrong_later_too() -> None:
    verdict = judge(EDITS, OLD + answers("c", (15.0, False), (16.0, True), (20.3, True)))

    assert verdict.wrong


def test_a_pod_on_its_way_out_is_counted_apart() -> None:
    leaving = answers("b", (9.0, True), (12.6, True), (13.0, None))

    verdict = judge(EDITS, OLD + leaving)

    assert verdict.seconds == pytest.approx([0.4, 0.3])
    assert verdict.leaving == pytest.approx([2.5])


def test_a_pod_whose_server_starts_is_timed_by_what_it_last_refused() -> None:
    starting = answers("c", (10.2, False), (20.2, False), (20.9, False), (28.0, True))

    assert judge(EDITS, OLD + starting).seconds == pytest.approx([0.4, 0.7])


def test_a_pod_whose_server_starts_is_timed_by_its_refusal_of_what_it_let_wait() -> None:
    starting = answers("c", (9.0, False), (11.5, False), (20.2, False), (20.4, True))

    assert judge(EDITS, OLD + starting).seconds == pytest.approx([1.4, 0.3])


def test_an_address_that_serves_a_second_pod_is_a_second_pod() -> None:
    again = answers("b", (9.0, True), (10.3, False), (11.0, None), (15.0, True), (20.3, True))

    verdict = judge(EDITS, OLD + again)

    assert verdict.born == 1
    assert len(verdict.wrong) == 1
