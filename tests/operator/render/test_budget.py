"""The PodDisruptionBudget."""

import pytest
from tests.operator.build import stdio

from ostiary_operator.render.budget import render_budget


@pytest.mark.parametrize("replicas", [{}, {"replicas": 0}, {"replicas": 1}], ids=str)
def test_a_single_pod_has_none_so_that_a_node_can_be_drained(replicas: dict[str, int]) -> None:
    assert render_budget(stdio(**replicas)) is None


def test_several_pods_leave_one_at_a_time_and_sick_ones_always() -> None:
    budget = render_budget(stdio(replicas=2))

    assert budget is not None
    assert budget["spec"] == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": {"ostiary.dev/server": "time"}},
    }
