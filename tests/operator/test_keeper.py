"""One root, reconciled: what is left alone, what is said when, and what is remembered."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.operator.build import STDIO, policy_manifest, rule, server_manifest
from tests.operator.fake_api import Refusal, Seen
from tests.operator.reconcilers import (
    CALLERS,
    POD,
    TIME,
    Bench,
    answering,
    furnished,
    running_pod,
)
from tests.proxy.conditions import until

from ostiary_operator.cluster import Refused
from ostiary_operator.controller import Key
from ostiary_operator.produce import CONFLICT_SECONDS
from ostiary_operator.render import names
from ostiary_operator.resources import (
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    POLICIES,
    SERVERS,
    SERVICES,
)
from ostiary_operator.status import Enforcement

LEAVING = {"deletionTimestamp": "2026-07-01T12:00:00Z"}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with furnished(tmp_path) as found:
        yield found


async def test_a_server_that_was_never_there_is_nothing_to_do(bench: Bench) -> None:
    assert await bench.look() is None
    assert bench.written == []


@pytest.mark.parametrize("what", ["the server", "its namespace"])
async def test_what_is_being_deleted_is_left_alone(bench: Bench, what: str) -> None:
    bench.see(SERVERS, server_manifest(**(LEAVING if what == "the server" else {})))
    if what == "its namespace":
        bench.edit(Key(NAMESPACES, "", "tools"), **LEAVING)

    assert await bench.look() is None
    assert bench.written == []


async def test_a_server_whose_namespace_is_gone_is_left_alone(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest())
    bench.lose(Key(NAMESPACES, "", "tools"))

    assert await bench.look() is None
    assert bench.written == []


@pytest.mark.parametrize("what", ["the server", "its namespace"])
async def test_the_proxies_of_what_is_being_deleted_are_asked_no_more(
    bench: Bench, what: str
) -> None:
    await answering(bench)
    bench.edit(TIME if what == "the server" else Key(NAMESPACES, "", "tools"), **LEAVING)
    bench.api.forget_requests()

    await bench.look()

    assert bench.reports.of(POD) is None
    assert bench.written == []


async def test_a_namespace_that_ends_before_its_event_came_is_no_error(bench: Bench) -> None:
    causes = [{"reason": "NamespaceTerminating"}]
    refusal = {"reason": "Forbidden", "message": "it ends", "details": {"causes": causes}}
    bench.api.before = lambda seen: (
        web.json_response(refusal, status=403) if seen.method == "POST" else None
    )
    bench.see(SERVERS, server_manifest())

    assert await bench.look() is None
    assert bench.status(TIME) == {}


async def test_a_restarted_process_knows_nothing_until_the_proxies_were_asked(
    bench: Bench,
) -> None:
    bench.see(SERVERS, server_manifest())
    bench.see(POLICIES, policy_manifest(rule()))
    bench.see(PODS, running_pod())
    assert bench.enforced() is None

    await bench.look()
    assert bench.enforced() is None
    assert bench.told == []

    await bench.answer(bench.generation)
    await bench.look()
    assert bench.enforced() == Enforcement(1, 1, bench.generation)
    assert bench.told == ["tools"]


async def test_a_policy_that_the_document_lacks_is_enforced_nowhere(bench: Bench) -> None:
    await answering(bench)
    assert bench.enforced() == Enforcement(0, 1, 0)

    bench.see(POLICIES, policy_manifest(rule()))
    assert bench.enforced() == Enforcement(0, 1, 0)

    await bench.look()
    assert bench.enforced() == Enforcement(0, 1, bench.generation)

    await bench.answer(bench.generation, etag="newer")
    await bench.look()
    assert bench.enforced() == Enforcement(1, 1, bench.generation)


async def test_an_older_version_of_a_policy_counts_for_nothing(bench: Bench) -> None:
    await answering(bench, rule())
    assert bench.enforced() == Enforcement(1, 1, bench.generation)

    bench.edit(CALLERS, policy_manifest(rule(name="new"))["spec"], generation=2)
    await bench.look()

    # The bench asks for generation 1, as a policy whose own event came late would.
    assert bench.enforced() == Enforcement(0, 1, 0)


async def test_policies_are_told_only_of_news(bench: Bench) -> None:
    await answering(bench)
    bench.told.clear()

    await bench.look()
    assert bench.told == []

    bench.see(POLICIES, policy_manifest(rule()))
    await bench.look()
    assert bench.told == ["tools"]

    await bench.answer(bench.generation, etag="newer")
    await bench.look()
    assert bench.told == ["tools", "tools"]

    await bench.look()
    assert bench.told == ["tools", "tools"]


async def test_policies_are_told_of_an_edit_that_leaves_the_document_as_it_was(
    bench: Bench,
) -> None:
    await answering(bench, rule())
    bench.told.clear()
    before, spec = bench.generation, policy_manifest(rule())["spec"]
    spec["targetRefs"].append({"kind": "MCPServer", "name": "notes"})
    bench.edit(CALLERS, spec, generation=2)

    await bench.look()

    assert bench.generation == before
    assert bench.told == ["tools"]


async def test_what_was_known_of_a_server_goes_with_it(bench: Bench) -> None:
    await answering(bench, rule())
    assert bench.enforced() is not None
    bench.lose(TIME)

    await bench.look()

    assert bench.enforced() is None
    assert bench.reports.of(POD) is None


async def test_a_namesake_starts_with_an_empty_memory(bench: Bench) -> None:
    await answering(bench, rule())
    bench.told.clear()
    bench.lose(TIME)
    bench.lose(Key(PODS, "tools", "time-1"))
    bench.see(SERVERS, server_manifest(uid="u-2"))

    # Also before anybody looked at it.
    assert bench.enforced(uid="u-2") is None

    bench.see(PODS, running_pod(uid="uid-of-a-namesake"))
    await bench.look()

    assert bench.reports.of(POD) is None
    assert bench.enforced(uid="u-2") is None
    assert bench.told == []


async def test_without_anything_to_wait_for_nobody_looks_again(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest())

    assert await bench.look() is None


async def test_the_soonest_reason_to_look_again_wins(bench: Bench) -> None:
    somebodys = {"metadata": {"name": names.service("time"), "namespace": "tools"}}
    bench.api.put(SERVICES, somebodys)
    bench.see(SERVERS, server_manifest())
    assert await bench.look() == CONFLICT_SECONDS

    bench.see(PODS, waiting_pod("time-2", created="2026-07-01T11:59:40Z"))
    assert await bench.look() == 5.0

    bench.see(PODS, running_pod())
    await bench.look()
    await bench.answer(bench.generation - 1)
    assert await bench.look() == 1.0


async def test_a_refusal_is_raised_only_after_the_status_says_it(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest())
    bench.api.before = refusing_services

    with pytest.raises(Refused, match="not yours"):
        await bench.look()

    assert bench.condition(TIME, "Stalled") == ("True", "Forbidden")
    assert bench.written[-1] == "PATCH mcpservers/time/status"


async def test_what_is_no_longer_refused_is_made(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest())
    bench.api.before = refusing_services
    with pytest.raises(Refused):
        await bench.look()
    bench.api.before = lambda seen: None

    await bench.look()

    assert bench.condition(TIME, "Stalled") == ("", "")
    assert bench.api.find(DEPLOYMENTS, "tools", names.deployment("time")) is not None


async def test_a_pod_that_lags_behind_is_nudged(bench: Bench) -> None:
    await answering(bench)
    await until(lambda: bench.proxy.requests)
    bench.edit(TIME, {**STDIO, "tools": {"deny": ["drop_*"]}}, generation=3)
    bench.api.forget_requests()

    await bench.look()

    assert "PATCH pods/time-1/status" in bench.written


def waiting_pod(name: str, *, created: str) -> dict[str, Any]:
    """Its volumes are being fetched."""
    found = running_pod(name=name, uid=f"uid-{name}", creationTimestamp=created)
    waiting = {"state": {"waiting": {"reason": "ContainerCreating"}}}
    del found["status"]["podIP"]
    containers = [{"name": "server", **waiting}]
    found["status"] |= {"phase": "Pending", "containerStatuses": containers}
    found["status"]["initContainerStatuses"] = [{"name": "shim", **waiting}]
    return found


def refusing_services(seen: Seen) -> None:
    if seen.method == "POST" and seen.path.endswith("/services"):
        raise Refusal(403, "Forbidden", "not yours")
