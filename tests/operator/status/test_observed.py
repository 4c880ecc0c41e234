"""What counts as a pod, and how many enforce."""

import pytest
from tests.operator.cluster_state import pod, report

from ostiary_operator.status import Enforcement, Observed, Unreachable, enforcement


def test_leaving_and_ended_pods_are_not_live() -> None:
    observed = Observed(pods=(pod("b"), pod("a"), pod("c", leaving=True), pod("d", phase="Failed")))

    assert [it["metadata"]["name"] for it in observed.live_pods] == ["a", "b"]


def test_only_pods_that_report_this_generation_enforce_it() -> None:
    observed = Observed(
        generation=3,
        pods=tuple(pod(name) for name in "abcd"),
        reports={
            "uid-a": report(generation=3),
            "uid-b": report(generation=2),
            "uid-c": Unreachable("refused"),
        },
    )

    assert enforcement(observed, replicas=4) == Enforcement(1, 4, 3)


@pytest.mark.parametrize(
    ("observed", "replicas", "complete"),
    [
        (Observed(generation=3), 1, False),
        (Observed(generation=3), 0, True),
        (Observed(generation=0), 0, False),
        (Observed(generation=3, pods=(pod("a"),), reports={"uid-a": report()}), 1, True),
        (Observed(generation=3, pods=(pod("a"),), reports={"uid-a": report()}), 2, False),
    ],
)
def test_pods_that_are_wanted_and_missing_do_not_enforce(
    observed: Observed, replicas: int, complete: bool
) -> None:
    assert enforcement(observed, replicas=replicas).complete is complete


def test_nothing_is_enforced_while_there_is_no_document() -> None:
    observed = Observed(pods=(pod("a"),), reports={"uid-a": report(generation=0)})

    assert enforcement(observed, replicas=1).enforcing == 0
