"""One MCPGroup, reconciled: its gateway, its document, and what is said of its members."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.operator.build import STDIO, group, policy, policy_manifest, rule
from tests.operator.gateway_state import gateway_pod, ready, told
from tests.operator.reconcilers import EVERYDAY, TIME, Bench, furnished, grouped
from tests.operator.test_reports import ADDRESS

from ostiary_operator.api import MCPAccessPolicy, MCPGroup
from ostiary_operator.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    GROUPS,
    NETWORK_POLICIES,
    PODS,
    POLICIES,
    SECRETS,
    SERVICES,
)
from ostiary_operator.status import Enforcement

REFS = [{"kind": "MCPGroup", "name": "everyday"}]
POD = "uid-g-1"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with furnished(tmp_path) as found:
        yield found


def document(bench: Bench) -> Any:
    found = bench.api.find(CONFIG_MAPS, "agents", "everyday-group-proxy")
    assert found
    return json.loads(found["data"]["config.json"])


def aliases(bench: Bench) -> list[str]:
    members = document(bench)["servers"][0]["backend"].get("members", ())
    return [it["alias"] for it in members]


def states(bench: Bench) -> dict[str, str]:
    return {it["alias"]: it["state"] for it in bench.status(EVERYDAY)["members"]}


async def answering(bench: Bench) -> None:
    pod = gateway_pod()
    pod["metadata"]["creationTimestamp"] = "2026-07-01T11:00:00Z"
    pod["status"]["podIP"] = ADDRESS
    bench.see(PODS, pod)
    await bench.look_at_group()
    said = told(ready(), generation=document(bench)["generation"])
    await bench.tell(POD, said.model_copy(update={"podUid": POD}))
    await bench.look_at_group()


async def test_a_group_gets_its_key_its_wall_and_its_gateway_last(bench: Bench) -> None:
    await grouped(bench)

    kinds = [line.split("/")[-1] for line in bench.api.writes if line.startswith("POST")]
    assert [it for it in kinds if it != "events"] == [
        "configmaps",
        "secrets",
        "serviceaccounts",
        "configmaps",
        "networkpolicies",
        "services",
        "services",
        "deployments",
    ]
    for resource, name in (
        (SECRETS, "everyday-group-key-0"),
        (NETWORK_POLICIES, "everyday-group"),
        (SERVICES, "everyday-group-pods"),
        (DEPLOYMENTS, "everyday-group"),
    ):
        assert bench.api.find(resource, "agents", name) is not None
    assert document(bench)["role"] == "gateway"
    assert aliases(bench) == ["time"]
    assert [it["number"] for it in document(bench)["servers"][0]["keys"]] == [0]


async def test_a_second_look_writes_nothing(bench: Bench) -> None:
    await grouped(bench)
    bench.api.forget_requests()

    await bench.look_at_group()

    assert bench.api.writes == []


async def test_a_member_that_a_gateway_has_is_ready(bench: Bench) -> None:
    await grouped(bench, rule())
    assert states(bench) == {"time": "Waiting"}

    await answering(bench)

    assert states(bench) == {"time": "Ready"}
    assert bench.condition(EVERYDAY, "Programmed") == ("True", "Programmed")
    assert bench.status(EVERYDAY)["tools"]["count"] == 2
    assert bench.status(EVERYDAY)["servers"] == "1/1"


async def test_a_server_that_takes_its_consent_back_is_out_of_the_document(bench: Bench) -> None:
    await grouped(bench, rule())
    before = document(bench)["generation"]

    bench.edit(TIME, STDIO, generation=3)
    await bench.look_at_group()

    assert aliases(bench) == []
    assert document(bench)["generation"] == before + 1
    assert states(bench) == {"time": "NoConsent"}
    assert bench.condition(EVERYDAY, "Accepted") == ("False", "NoConsent")


async def test_a_group_that_names_nobody_any_more_lets_go(bench: Bench) -> None:
    await grouped(bench)

    bench.edit(EVERYDAY, {"members": [{"server": {"name": "other"}}]}, generation=2)
    await bench.look_at_group()

    assert aliases(bench) == []
    assert states(bench) == {"other": "NotFound"}
    assert bench.condition(EVERYDAY, "ResolvedRefs") == ("False", "ServerNotFound")


async def test_a_taken_name_is_said_and_no_gateway_is_made(bench: Bench) -> None:
    place = {"name": "everyday-group", "namespace": "agents"}
    bench.api.put(SERVICES, {"metadata": place, "spec": {}})

    await grouped(bench)

    assert bench.condition(EVERYDAY, "Ready") == ("False", "NameTaken")
    assert bench.api.find(DEPLOYMENTS, "agents", "everyday-group") is None


async def test_a_policy_on_the_group_is_enforced_by_the_gateway(bench: Bench) -> None:
    manifest = policy_manifest(rule(), namespace="agents", target=None, targetRefs=REFS)
    bench.see(POLICIES, manifest)
    await grouped(bench)
    live = bench.api.find(GROUPS, "agents", "everyday")
    assert live
    one: MCPGroup = group(uid=live["metadata"]["uid"])
    on_group: MCPAccessPolicy = policy(rule(), namespace="agents", target=None, targetRefs=REFS)

    await answering(bench)

    assert bench.groups.enforced(one, on_group) == Enforcement(1, 1, 1)
    assert bench.groups.observed(one) == ()
    assert "agents" in bench.told
    assert [it["name"] for it in document(bench)["servers"][0]["policies"]] == ["callers"]


async def test_an_invalid_group_is_told_so_and_gets_no_child(bench: Bench) -> None:
    await grouped(bench)
    bench.api.forget_requests()

    bench.edit(EVERYDAY, {"members": [{}]}, generation=2)
    await bench.look_at_group()

    assert bench.condition(EVERYDAY, "Accepted") == ("False", "Invalid")
    assert [it for it in bench.api.writes if not it.endswith("/events")] == [
        f"PATCH {GROUPS.path('agents', 'everyday')}/status"
    ]
