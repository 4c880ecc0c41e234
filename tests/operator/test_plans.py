"""What the children of a server and of a group are drawn from."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.operator.build import ENV, group, policy_manifest, rule, server, token_manifest
from tests.operator.reconcilers import Bench, furnished, grouped

from ostiary_operator.exposures import Exposures
from ostiary_operator.models import Models
from ostiary_operator.observe import Observer
from ostiary_operator.plans import GroupPlans, ServerPlans, Sources
from ostiary_operator.resources import POLICIES, TOKENS
from ostiary_operator.rolls import Rolls
from ostiary_proxy.config import GroupBackend, SessionKey

KEYS = (SessionKey(number=2, sha256="a" * 64),)
REFS = [{"kind": "MCPGroup", "name": "everyday"}]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with furnished(tmp_path) as found:
        yield found


def sources(bench: Bench) -> Sources:
    models = Models(bench.cache)
    observer = Observer(cluster=bench.cluster, cache=bench.cache, reports=bench.reports)
    return Sources(
        models=models,
        settings=bench.settings,
        env=ENV,
        trust=bench.trust,
        observer=observer,
        rolls=Rolls(models, observer.namespaces),
        exposures=Exposures(models, has_routes=lambda: False),
        tokens=models.tokens,
    )


def to_group(**more: Any) -> dict[str, Any]:
    found = token_manifest(**more)
    found["spec"]["restrictTo"] = [{"kind": "MCPGroup", "namespace": "agents", "name": "everyday"}]
    return found


async def test_a_server_is_told_of_the_groups_that_it_agreed_to(bench: Bench) -> None:
    await grouped(bench, rule())

    plan = ServerPlans(sources(bench))(server(), KEYS)

    (section,) = plan.document.servers
    assert [(it.namespace, it.name, it.alias) for it in section.groups] == [
        ("agents", "everyday", "time")
    ]
    assert section.keys == KEYS
    assert [it.metadata.name for it in plan.policies] == ["callers"]


async def test_a_gateway_is_told_of_its_members_and_of_their_rules(bench: Bench) -> None:
    await grouped(bench, rule())

    plan = GroupPlans(sources(bench))(group(), KEYS)

    (section,) = plan.document.servers
    assert isinstance(section.backend, GroupBackend)
    (member,) = section.backend.members
    assert [it.name for it in member.policies] == ["callers"]
    assert section.keys == KEYS
    assert section.policies == ()
    assert plan.policies == ()


async def test_a_policy_of_the_groups_own_is_the_documents(bench: Bench) -> None:
    await grouped(bench, rule())
    own = policy_manifest(rule(), name="own", namespace="agents", target=None, targetRefs=REFS)
    bench.see(POLICIES, own)

    plan = GroupPlans(sources(bench))(group(), KEYS)

    assert [it.metadata.name for it in plan.policies] == ["own"]
    assert [it.name for it in plan.document.servers[0].policies] == ["own"]


@pytest.mark.parametrize(("names", "shipped"), [(["ci"], ["ci"]), (["other"], [])])
async def test_a_token_for_a_group_is_taken_there_where_a_members_policy_names_it(
    bench: Bench, names: list[str], shipped: list[str]
) -> None:
    await grouped(bench, rule({"tokens": {"names": names}}))
    bench.see(TOKENS, to_group())

    plan = GroupPlans(sources(bench))(group(), KEYS)

    assert [it.metadata.name for it in plan.tokens] == shipped
    assert [it.name for it in plan.document.servers[0].tokens] == shipped


async def test_a_token_for_a_member_alone_does_not_open_the_group(bench: Bench) -> None:
    await grouped(bench, rule({"tokens": {"names": ["ci"]}}))
    bench.see(TOKENS, token_manifest())

    assert GroupPlans(sources(bench))(group(), KEYS).tokens == ()


async def test_children_bear_the_document_that_is_written_in_the_end(bench: Bench) -> None:
    await grouped(bench)
    plan = GroupPlans(sources(bench))(group(), KEYS)
    numbered = plan.document.model_copy(update={"generation": 7})

    (config,) = [
        it["data"]["config.json"] for it in plan.children(numbered) if it["kind"] == "ConfigMap"
    ]

    assert '"generation":7' in config
