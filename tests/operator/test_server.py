"""One MCPServer, reconciled, and what is said of it alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.operator.build import HTTP, policy_manifest, rule, server_manifest
from tests.operator.cluster_state import NOW
from tests.operator.reconcilers import TIME, Bench, furnished, running, running_pod

from ostiary_operator.render import names
from ostiary_operator.resources import (
    DEPLOYMENTS,
    PODS,
    POLICIES,
    SERVERS,
)
from ostiary_operator.status import Enforcement


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with furnished(tmp_path) as found:
        yield found


async def test_a_server_gets_children_and_a_status(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest())

    await bench.look()

    assert bench.api.find(DEPLOYMENTS, "tools", names.deployment("time")) is not None
    assert bench.condition(TIME, "Accepted") == ("True", "Accepted")
    assert bench.written[-1] == "PATCH mcpservers/time/status"


async def test_an_invalid_server_is_told_so_and_gets_no_child(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest({"image": "registry.example/time:1"}))

    assert await bench.look() is None

    assert bench.written == ["PATCH mcpservers/time/status"]
    assert bench.condition(TIME, "Accepted") == ("False", "Invalid")
    assert bench.condition(TIME, "Stalled") == ("True", "InvalidSpec")


async def test_an_invalid_edit_leaves_the_children_as_they_are(bench: Bench) -> None:
    await running(bench)
    before = dict(bench.api.objects)
    bench.api.forget_requests()
    bench.edit(TIME, {"image": "registry.example/time:1"}, generation=3)

    await bench.look()

    assert bench.written == ["PATCH mcpservers/time/status"]
    assert bench.condition(TIME, "Accepted") == ("False", "Invalid")
    deployment = DEPLOYMENTS.path("tools", names.deployment("time"))
    assert bench.api.objects[deployment] == before[deployment]


async def test_a_server_without_pods_has_nobody_to_ask(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest())
    bench.see(POLICIES, policy_manifest(rule()))

    await bench.look()

    assert bench.enforced() == Enforcement(0, 1, bench.generation)


async def test_the_end_of_a_servers_time_to_start_is_looked_at(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest({**HTTP, "startupSeconds": 20}))
    await bench.look()
    starting = running_pod()
    state = {"running": {"startedAt": "2026-07-01T11:59:50Z"}}
    starting["status"]["containerStatuses"][0]["state"] = state
    bench.see(PODS, starting)

    assert NOW.isoformat() == "2026-07-01T12:00:00+00:00"
    assert await bench.look() == 10.0
