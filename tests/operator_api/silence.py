"""Time in which an operator must write nothing."""

import time

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.installed import USER, Running


def writes(plane: ControlPlane, mark: int) -> list[str]:
    """All that the operator wrote but for its own lease."""
    return [
        f"{event.at} {event.verb} {event.uri}"
        for event in plane.audit.writes(since=mark, user=USER)
        if event.resource != "leases"
    ]


def deletions_are_done(kubectl: Kubectl) -> None:
    """What an earlier test left in namespaces that go: an operator that starts meanwhile may try
    to write there once, and be refused."""

    def look() -> bool:
        phases = kubectl("get", "ns", "-o", "jsonpath={.items[*].status.phase}")
        return "Terminating" not in phases

    eventually(look, seconds=100, every=0.5, what="the end of every deletion")


def stays_silent(
    plane: ControlPlane, operator: Running, seconds: float, *, since: int | None = None
) -> None:
    mark = plane.audit.mark() if since is None else since
    end = time.monotonic() + seconds

    def look() -> bool:
        found = writes(plane, mark)
        if found:
            pytest.fail(f"written while nothing changed: {found}")
        if operator.process.poll() is not None:
            pytest.fail(f"it ended: {operator.logged()}")
        return time.monotonic() > end

    eventually(look, seconds=seconds + 30, every=0.5, what="the end of the silence")
