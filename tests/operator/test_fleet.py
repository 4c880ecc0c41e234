"""The pods of a root: asked as long as somebody looks, and counted only once all were asked."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.operator.build import server
from tests.operator.cluster_state import pod
from tests.operator.reconcilers import POD, TIME, Bench, furnished, running_pod

from ostiary_operator.fleet import Fleet
from ostiary_operator.nudge import Nudger, Target
from ostiary_operator.observe import Observer
from ostiary_operator.resources import PODS
from ostiary_proxy.config import ObservedReport

COUNTED = ObservedReport(policy="tools/callers", allow=1, deny=2)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with furnished(tmp_path) as found:
        yield found


def fleet(bench: Bench) -> Fleet:
    cluster = bench.cluster
    return Fleet(
        observer=Observer(cluster=cluster, cache=bench.cache, reports=bench.reports),
        reports=bench.reports,
        nudger=Nudger(cluster=cluster, clock=lambda: 0.0),
    )


async def test_who_is_looked_at_is_asked_and_who_is_left_is_not(bench: Bench) -> None:
    bench.see(PODS, running_pod())
    found = fleet(bench)

    assert not found.look(TIME, server()).all_asked
    await bench.answer(1, observed=(COUNTED,))
    pods = found.look(TIME, server())
    assert pods.all_asked
    assert list(pods.reports) == [POD]
    assert pods.observed == (COUNTED,)

    found.leave(TIME)
    assert found.glance(server()).answers == {}


async def test_a_glance_asks_nobody(bench: Bench) -> None:
    bench.see(PODS, running_pod())

    assert not fleet(bench).glance(server()).all_asked
    assert bench.reports.of(POD) is None


async def test_pods_that_cannot_be_asked_yet_keep_nobody_waiting(bench: Bench) -> None:
    bench.see(PODS, pod())

    assert fleet(bench).look(TIME, server()).all_asked


async def test_a_pod_that_lags_behind_is_nudged(bench: Bench) -> None:
    bench.see(PODS, running_pod())
    found = fleet(bench)
    found.look(TIME, server())
    await bench.answer(1)
    bench.api.forget_requests()

    target = Target(generation=2, digest="sha256:x", keys=(), written=None)
    delay = await found.nudge(target, found.look(TIME, server()))

    assert bench.written == ["PATCH pods/time-1/status"]
    assert delay == 1.0
