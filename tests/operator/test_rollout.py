"""Templates that no owner asked for: a few at a time, awaited, halted."""

from typing import Any

import pytest
from tests.operator.hand_clock import HandClock

from ostiary_operator.apply import DIGEST_ANNOTATION, signature
from ostiary_operator.rollout import LONGEST_SECONDS, Rollout, is_up, marked, nobody_asked

WANTED: dict[str, Any] = {"metadata": {"name": "time"}, "spec": {"replicas": 2}}


def deployment(available: int = 2, *, deadline: bool = False) -> dict[str, Any]:
    failed = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    return {
        "metadata": {"name": "time", "generation": 3},
        "spec": {"replicas": 2},
        "status": {
            "observedGeneration": 3,
            "replicas": 2,
            "updatedReplicas": 2,
            "availableReplicas": available,
            "conditions": [failed] if deadline else [],
        },
    }


def applied(generation: int, spec: dict[str, Any]) -> dict[str, Any]:
    """What stands after `spec` was applied for that generation of the owner's object."""
    wanted = marked({**WANTED, "spec": spec}, generation)
    annotations = {**wanted["metadata"]["annotations"], DIGEST_ANNOTATION: signature(wanted)}
    return {**wanted, "metadata": {**wanted["metadata"], "annotations": annotations}}


@pytest.mark.parametrize(
    ("generation", "spec", "asked"),
    [(4, {"replicas": 3}, True), (3, {"replicas": 3}, False), (4, {"replicas": 2}, True)],
    ids=["owner", "nobody", "owner, elsewhere"],
)
def test_an_owners_edit_is_told_from_a_change_of_ours(
    generation: int, spec: dict[str, Any], asked: bool
) -> None:
    live = applied(3, {"replicas": 2})

    wanted = marked({**WANTED, "spec": spec}, generation)

    assert nobody_asked(wanted, live) is not asked


def test_what_is_as_it_was_applied_is_no_change() -> None:
    assert not nobody_asked(marked(WANTED, 3), applied(3, WANTED["spec"]))


def test_a_deployment_without_a_mark_was_made_by_an_older_operator() -> None:
    assert nobody_asked(marked(WANTED, 3), {"metadata": {"annotations": {}}})


@pytest.mark.parametrize(("servers", "most"), [(1, 1), (19, 1), (40, 2), (1000, 50)])
def test_a_twentieth_goes_at_a_time_and_at_least_one(servers: int, most: int) -> None:
    rollout = Rollout(clock=HandClock())

    begun = [
        rollout.admits(name, deployment(), wave="a", servers=servers) for name in range(servers)
    ]

    assert sum(begun) == most


def test_the_next_goes_once_the_first_is_up() -> None:
    rollout = Rollout(clock=HandClock())
    assert rollout.admits("one", deployment(), wave="a", servers=2)

    rollout.look("one", deployment(available=1))
    assert not rollout.admits("two", deployment(), wave="a", servers=2)

    rollout.look("one", deployment())
    assert rollout.admits("two", deployment(), wave="a", servers=2)


def test_a_deleted_server_is_awaited_no_more() -> None:
    rollout = Rollout(clock=HandClock())
    rollout.admits("one", deployment(), wave="a", servers=2)

    rollout.look("one", None)

    assert rollout.admits("two", deployment(), wave="a", servers=2)


@pytest.mark.parametrize("how", ["deadline", "time"])
def test_three_that_do_not_come_up_halt_it(how: str) -> None:
    clock = HandClock()
    rollout = Rollout(clock=clock)
    for name in ("one", "two", "three"):
        assert rollout.admits(name, deployment(), wave="a", servers=10)
        if how == "time":
            clock.pass_by(LONGEST_SECONDS + 1)
        rollout.look(name, deployment(available=0, deadline=how == "deadline"))

    assert rollout.halted
    assert not rollout.admits("four", deployment(), wave="a", servers=10)
    assert not rollout.admits("down", deployment(available=0), wave="a", servers=10)


def test_another_change_begins_with_a_clean_record() -> None:
    rollout = Rollout(clock=HandClock())
    for name in ("one", "two", "three"):
        rollout.admits(name, deployment(), wave="a", servers=10)
        rollout.look(name, deployment(available=0, deadline=True))

    assert rollout.admits("four", deployment(), wave="b", servers=10)
    assert not rollout.halted


def test_a_server_that_is_down_has_nothing_to_lose() -> None:
    rollout = Rollout(clock=HandClock())
    assert rollout.admits("one", deployment(), wave="a", servers=1)

    assert rollout.admits("two", deployment(available=0), wave="a", servers=1)
    rollout.look("two", deployment(available=0, deadline=True))

    assert not rollout.halted


def test_a_deployment_is_up_only_when_its_newest_template_is_everywhere() -> None:
    newer = deployment()
    newer["metadata"]["generation"] = 4

    assert is_up(deployment())
    assert not is_up(deployment(available=1))
    assert not is_up(newer)
