"""One MCPAccessPolicy, reconciled: whom it speaks of, how far it holds, when to be silent."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.operator.build import group_manifest, policy_manifest, rule, server_manifest
from tests.operator.reconcilers import CALLERS, TIME, Bench, furnished, running_pod

from ostiary_operator.controller import Key
from ostiary_operator.render import names
from ostiary_operator.resources import CONFIG_MAPS, GROUPS, NAMESPACES, PODS, POLICIES, SERVERS
from ostiary_proxy.config import ObservedReport

LEAVING = {"deletionTimestamp": "2026-07-01T12:00:00Z"}
STATUS = "PATCH mcpaccesspolicies/callers/status"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with furnished(tmp_path) as found:
        yield found


def targets(bench: Bench) -> dict[str, str]:
    """What is enforced, by name."""
    return {it["ref"]: it["enforced"] for it in bench.status(CALLERS)["targets"]}


def naming(*names: str) -> dict[str, Any]:
    found = policy_manifest(rule())
    found["spec"]["targetRefs"] = [{"kind": "MCPServer", "name": name} for name in names]
    return found


async def test_a_policy_that_is_not_there_is_nothing_to_do(bench: Bench) -> None:
    await bench.judge()

    assert bench.written == []


@pytest.mark.parametrize("what", ["the policy", "its namespace"])
async def test_what_is_being_deleted_is_left_alone(bench: Bench, what: str) -> None:
    bench.see(POLICIES, policy_manifest(rule()))
    bench.edit(CALLERS if what == "the policy" else Key(NAMESPACES, "", "tools"), **LEAVING)

    await bench.judge()

    assert bench.written == []


async def test_a_policy_whose_namespace_is_gone_is_left_alone(bench: Bench) -> None:
    bench.see(POLICIES, policy_manifest(rule()))
    bench.lose(Key(NAMESPACES, "", "tools"))

    await bench.judge()

    assert bench.written == []


async def test_a_target_that_does_not_exist_is_said_beside_those_that_do(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest())
    bench.see(POLICIES, naming("time", "nothing"))
    await bench.look()
    bench.api.forget_requests()

    await bench.judge()

    assert bench.written == [STATUS]
    assert targets(bench) == {"MCPServer/nothing": "0/0", "MCPServer/time": "0/1"}
    assert bench.condition(CALLERS, "Accepted") == ("False", "TargetNotFound")
    assert bench.status(CALLERS)["targetCount"] == 1


async def test_an_invalid_server_is_no_target(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest({"image": "registry.example/time:1"}))
    bench.see(POLICIES, naming("time"))

    await bench.judge()

    assert bench.condition(CALLERS, "Accepted") == ("False", "TargetNotFound")


async def test_a_selector_speaks_of_the_servers_that_it_matches(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest(labels={"tier": "internal"}))
    bench.see(SERVERS, server_manifest(name="notes", uid="u-2"))
    selector = {"matchLabels": {"tier": "internal"}}
    bench.see(POLICIES, policy_manifest(rule(), selector=selector))

    await bench.judge()

    assert targets(bench) == {"MCPServer/time": "0/0"}
    assert bench.condition(CALLERS, "Accepted") == ("True", "Accepted")


async def test_a_policy_is_in_force_once_every_pod_says_so(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest())
    bench.see(POLICIES, policy_manifest(rule()))
    bench.see(PODS, running_pod())
    await bench.look()
    await bench.judge()
    assert bench.condition(CALLERS, "Programmed") == ("False", "PartiallyProgrammed")

    await bench.answer(bench.generation)
    await bench.look()
    await bench.judge()

    assert targets(bench) == {"MCPServer/time": "1/1"}
    assert bench.status(CALLERS)["enforced"] == "1/1"
    assert bench.condition(CALLERS, "Programmed") == ("True", "Programmed")
    assert bench.condition(CALLERS, "Ready") == ("True", "Ready")


async def test_nothing_is_written_while_nothing_changes(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest())
    bench.see(POLICIES, policy_manifest(rule()))
    await bench.look()
    await bench.judge()
    bench.api.forget_requests()

    await bench.judge()

    assert bench.written == []


async def test_a_policy_with_nothing_usable_is_invalid_and_no_more(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest())
    bench.see(POLICIES, policy_manifest(rule(allow={"tool": ["*"]})))

    await bench.judge()

    status = bench.status(CALLERS)
    assert bench.condition(CALLERS, "Accepted") == ("False", "Invalid")
    assert bench.condition(CALLERS, "Stalled") == ("True", "InvalidSpec")
    assert status["observedGeneration"] == 1
    assert "targets" not in status


async def test_the_usable_rest_of_an_invalid_policy_is_enforced_and_told(bench: Bench) -> None:
    broken = rule(name="broken", allow={"tool": ["*"]})
    bench.see(SERVERS, server_manifest())
    bench.see(POLICIES, policy_manifest(rule(), broken))
    bench.see(PODS, running_pod())
    await bench.look()
    await bench.answer(bench.generation)
    await bench.look()

    await bench.judge()

    assert targets(bench) == {"MCPServer/time": "1/1"}
    assert bench.condition(CALLERS, "Accepted") == ("False", "Invalid")
    assert bench.condition(CALLERS, "Ready") == ("False", "Invalid")
    assert bench.condition(CALLERS, "Stalled") == ("True", "InvalidSpec")
    assert bench.condition(CALLERS, "Programmed") == ("True", "Programmed")


async def test_after_a_restart_the_last_word_stands_until_the_proxies_were_asked(
    bench: Bench,
) -> None:
    bench.see(SERVERS, server_manifest())
    said = {"observedGeneration": 1, "enforced": "1/1"}
    bench.see(POLICIES, policy_manifest(rule()) | {"status": said})
    bench.see(PODS, running_pod())

    await bench.judge()
    await bench.look()
    await bench.judge()
    assert STATUS not in bench.written

    await bench.answer(bench.generation)
    await bench.look()
    await bench.judge()

    assert STATUS in bench.written
    assert targets(bench) == {"MCPServer/time": "1/1"}


async def test_what_was_said_of_an_older_version_does_not_stand(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest())
    said = {"observedGeneration": 1, "enforced": "1/1"}
    bench.see(POLICIES, policy_manifest(rule()) | {"status": said})
    bench.edit(CALLERS, generation=2)

    await bench.judge()

    assert bench.written == [STATUS]
    assert bench.status(CALLERS)["observedGeneration"] == 2
    assert targets(bench) == {"MCPServer/time": "0/0"}


async def test_one_server_that_was_not_asked_yet_is_enough_for_silence(bench: Bench) -> None:
    said = {"observedGeneration": 1, "enforced": "2/2"}
    bench.see(SERVERS, server_manifest())
    bench.see(SERVERS, server_manifest(name="notes", uid="u-2"))
    bench.see(POLICIES, naming("time", "notes") | {"status": said})
    await bench.look()
    assert bench.enforced() is not None

    await bench.judge()
    assert STATUS not in bench.written

    await bench.servers.reconcile(Key(SERVERS, "tools", "notes"))
    await bench.judge()
    assert targets(bench) == {"MCPServer/notes": "0/1", "MCPServer/time": "0/1"}


async def test_a_new_server_is_told_of_by_a_policy_that_stood_before(bench: Bench) -> None:
    bench.see(POLICIES, naming("time"))
    await bench.judge()
    assert bench.condition(CALLERS, "Accepted") == ("False", "TargetNotFound")

    bench.see(SERVERS, server_manifest())
    await bench.servers.reconcile(TIME)
    await bench.judge()

    assert bench.condition(CALLERS, "Accepted") == ("True", "Accepted")


CEILING = policy_manifest(
    rule(), target=None, scope="Cluster", namespaces={"from": "All"}, deny=[{"tools": ["x"]}]
)
FAR = server_manifest(name="far", uid="u-9", namespace="other")


async def test_a_ceiling_counts_only_in_the_admins_namespace(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest())
    bench.see(POLICIES, CEILING)
    await bench.look()
    before = document(bench)

    await bench.judge()
    assert bench.condition(CALLERS, "Accepted") == ("False", "NeedsClusterScope")
    assert bench.status(CALLERS)["targets"] == []

    bench.set("policyNamespace: tools")
    await bench.look()
    await bench.judge()

    assert bench.condition(CALLERS, "Accepted") == ("True", "Accepted")
    assert targets(bench) == {"MCPServer/time": "0/1"}
    (found,) = document(bench)["policies"]
    assert "policies" not in before
    assert (found["ceiling"], found["caps"]) == (True, True)


async def test_a_ceiling_is_over_servers_of_other_namespaces_too(bench: Bench) -> None:
    bench.set("policyNamespace: tools")
    bench.see(NAMESPACES, {"metadata": {"name": "other"}})
    bench.see(SERVERS, server_manifest())
    bench.see(SERVERS, FAR)
    bench.see(POLICIES, CEILING)
    await bench.look()
    await bench.servers.reconcile(Key(SERVERS, "other", "far"))

    await bench.judge()

    assert set(targets(bench)) == {"MCPServer/time", "MCPServer/other/far"}


async def test_what_the_proxies_counted_for_an_observed_policy_is_told(bench: Bench) -> None:
    bench.see(SERVERS, server_manifest())
    bench.see(POLICIES, policy_manifest(rule(), mode="Observe"))
    bench.see(PODS, running_pod())
    await bench.look()
    seen = ObservedReport(policy="tools/callers", allow=2, deny=7)
    await bench.answer(bench.generation, observed=(seen, seen.model_copy(update={"policy": "x/y"})))
    await bench.look()

    await bench.judge()
    assert bench.status(CALLERS)["observed"] == {"allow": 2, "deny": 7}
    assert bench.told

    bench.told.clear()
    more = seen.model_copy(update={"deny": 9})
    await bench.answer(bench.generation, etag="e2", observed=(more,))
    await bench.look()
    assert bench.told == ["tools"]
    await bench.judge()
    assert bench.status(CALLERS)["observed"] == {"allow": 2, "deny": 9}


def document(bench: Bench) -> dict[str, Any]:
    """Of the one server, as written."""
    found = bench.api.find(CONFIG_MAPS, "tools", names.config("time"))
    assert found is not None
    written: dict[str, Any] = json.loads(found["data"]["config.json"])["servers"][0]
    return written


async def test_a_group_is_a_target_beside_a_server_with_its_name(bench: Bench) -> None:
    members = {"members": [{"server": {"name": "notes"}}]}
    found = policy_manifest(rule())
    found["spec"]["targetRefs"] = [
        {"kind": "MCPGroup", "name": "time"},
        {"kind": "MCPGroup", "name": "gone"},
    ]
    bench.see(SERVERS, server_manifest())
    bench.see(GROUPS, group_manifest(members, name="time", namespace="tools"))
    bench.see(POLICIES, found)
    await bench.look()
    await bench.groups.reconcile(Key(GROUPS, "tools", "time"))

    await bench.judge()

    assert targets(bench) == {"MCPGroup/gone": "0/0", "MCPGroup/time": "0/1"}
    assert bench.status(CALLERS)["targetCount"] == 1
    assert "no MCPGroup gone in this namespace" in str(bench.status(CALLERS))
    assert bench.document["servers"][0].get("policies", []) == []
