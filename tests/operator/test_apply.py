"""Children made and kept, and nothing of anybody else's touched."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from tests.operator.build import stdio
from tests.operator.fake_api import FakeApi, serving

from ostiary_operator.api import FIELD_MANAGER, LABEL_SERVER
from ostiary_operator.apply import DIGEST_ANNOTATION, Children
from ostiary_operator.cache import Cache
from ostiary_operator.cluster import Cluster, QuotaExceeded
from ostiary_operator.metrics import Metrics
from ostiary_operator.resources import ACCOUNTS, CONFIG_MAPS, SERVICES, Manifest
from ostiary_operator.status.observed import Conflict

OWNER = "u-1"
PLACE = (SERVICES, "tools", "time")


def service(owner: str | None = OWNER, *, port: int = 80, **metadata: Any) -> dict[str, Any]:
    owners = [{"kind": "MCPServer", "name": "time", "uid": owner, "controller": True}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "time",
            "namespace": "tools",
            "labels": {LABEL_SERVER: "time"},
            **({"ownerReferences": owners} if owner else {}),
            **metadata,
        },
        "spec": {"ports": [{"port": port}]},
    }


@dataclass
class Rig:
    api: FakeApi
    cluster: Cluster
    cache: Cache
    children: Children

    def restart(self) -> None:
        self.children = Children(cluster=self.cluster, cache=self.cache, metrics=Metrics())

    def watch(self) -> None:
        """What a watch would have told by now."""
        for resource in (SERVICES, CONFIG_MAPS, ACCOUNTS):
            path = resource.path("tools")
            found = [it for place, it in self.api.objects.items() if place.startswith(path)]
            self.cache.replace(resource, found, self.api.version)

    def put(self, manifest: Manifest) -> Manifest:
        made = self.api.put(SERVICES, manifest)
        self.watch()
        return made

    @property
    def live(self) -> dict[str, Any]:
        found = self.api.find(*PLACE)
        assert found
        return found

    async def ensured(self, wanted: Manifest) -> tuple[Manifest | Conflict, list[str]]:
        self.api.forget_requests()
        found = await self.children.ensure(wanted, OWNER)
        return found, [line.split()[0] for line in self.api.writes]


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    api = FakeApi()
    async with serving(api) as cluster:
        found = Rig(
            api, cluster, Cache(), Children(cluster=cluster, cache=Cache(), metrics=Metrics())
        )
        found.restart()
        yield found


async def test_a_new_child_is_made_by_post_and_signed() -> None:
    async with rig() as it:
        made, writes = await it.ensured(service())

        assert writes == ["POST"]
        assert made == it.live
        assert it.cache.get(*PLACE) == it.live
        assert len(it.live["metadata"]["annotations"][DIGEST_ANNOTATION]) == 32
        assert it.api.requests[0].query == {"fieldManager": FIELD_MANAGER}


async def test_nothing_is_written_when_nothing_changed() -> None:
    async with rig() as it:
        await it.ensured(service())

        _, writes = await it.ensured(service())

        assert writes == []
        assert it.api.requests == []


async def test_nothing_is_written_after_a_restart_when_nothing_changed() -> None:
    async with rig() as it:
        await it.ensured(service())
        it.restart()

        _, writes = await it.ensured(service())

        assert writes == []


async def test_what_others_add_is_no_reason_to_write() -> None:
    async with rig() as it:
        await it.ensured(service())
        live = it.live
        it.put(live | {"spec": live["spec"] | {"clusterIP": "10.0.0.1"}, "status": {"a": 1}})

        _, writes = await it.ensured(service())

        assert writes == []


async def test_a_changed_wish_is_applied_to_that_very_object() -> None:
    async with rig() as it:
        await it.ensured(service())

        _, writes = await it.ensured(service(port=81))

        assert writes == ["PATCH"]
        assert it.live["spec"]["ports"] == [{"port": 81}]
        assert it.api.requests[-1].body["metadata"]["uid"] == it.live["metadata"]["uid"]
        assert it.api.requests[-1].query == {"fieldManager": FIELD_MANAGER, "force": "true"}


async def test_a_wish_that_changed_while_we_were_away_is_applied() -> None:
    async with rig() as it:
        await it.ensured(service())
        it.restart()

        _, writes = await it.ensured(service(port=81))

        assert writes == ["PATCH"]


async def test_a_wish_that_only_shrank_while_we_were_away_is_applied() -> None:
    async with rig() as it:
        larger = service()
        larger["spec"]["sessionAffinity"] = "ClientIP"
        await it.ensured(larger)
        it.restart()

        _, writes = await it.ensured(service())

        assert writes == ["PATCH"]


async def test_a_hand_on_our_fields_is_undone() -> None:
    async with rig() as it:
        await it.ensured(service())
        live = it.live
        it.put(live | {"spec": {"ports": [{"port": 99}]}})

        _, writes = await it.ensured(service())

        assert writes == ["PATCH"]
        assert it.live["spec"]["ports"] == [{"port": 80}]


async def test_a_deleted_child_comes_back() -> None:
    async with rig() as it:
        await it.ensured(service())
        it.api.take(*PLACE)
        it.watch()

        _, writes = await it.ensured(service())

        assert writes == ["POST"]
        assert it.live["spec"]["ports"] == [{"port": 80}]


async def test_a_child_that_vanished_before_its_event_came_is_made_again() -> None:
    async with rig() as it:
        await it.ensured(service())
        it.api.take(*PLACE)

        _, writes = await it.ensured(service(port=81))

        assert writes == ["POST"]


@pytest.mark.parametrize("owner", ["u-other", None], ids=["another owner", "no owner"])
async def test_a_foreign_object_in_the_cache_is_a_conflict_and_nothing_is_written(
    owner: str | None,
) -> None:
    async with rig() as it:
        theirs = it.put(service(owner, port=1))

        found, writes = await it.ensured(service())

        assert found == Conflict("Service", "time")
        assert writes == []
        assert it.live == theirs


async def test_a_foreign_object_that_no_watch_shows_is_a_conflict_and_stays_as_it_is() -> None:
    async with rig() as it:
        theirs = it.api.put(SERVICES, service("u-other", port=1))

        found, writes = await it.ensured(service())

        assert found == Conflict("Service", "time")
        assert writes == ["POST"]
        assert it.live == theirs


async def test_a_held_name_is_only_looked_at_until_it_is_free() -> None:
    async with rig() as it:
        it.api.put(SERVICES, service("u-other"))
        await it.ensured(service())
        assert await it.ensured(service()) == (Conflict("Service", "time"), [])
        it.api.take(*PLACE)

        made, writes = await it.ensured(service())

        assert writes == ["POST"]
        assert made == it.live


async def test_a_child_of_ours_that_the_cache_does_not_know_is_adopted() -> None:
    async with rig() as it:
        it.api.put(SERVICES, service(port=1))

        _, writes = await it.ensured(service())

        assert writes == ["POST", "PATCH"]
        assert it.live["spec"]["ports"] == [{"port": 80}]


async def test_a_child_whose_owner_was_swapped_behind_the_cache_is_not_touched() -> None:
    async with rig() as it:
        await it.ensured(service())
        it.api.take(*PLACE)
        theirs = it.api.put(SERVICES, service("u-other", port=1))

        found, writes = await it.ensured(service(port=81))

        assert found == Conflict("Service", "time")
        assert writes == []
        assert it.live == theirs


async def test_a_leaving_child_is_left_alone() -> None:
    async with rig() as it:
        it.put(service(port=1, deletionTimestamp="2026-07-01T12:00:00Z"))

        _, writes = await it.ensured(service())

        assert writes == []


async def test_fields_of_the_post_are_adopted_once() -> None:
    async with rig() as it:
        post = {"manager": FIELD_MANAGER, "operation": "Update"}
        status = {"manager": FIELD_MANAGER, "operation": "Update", "subresource": "status"}
        hand = {"manager": "kubectl", "operation": "Update"}
        it.put(service(port=1, managedFields=[post, status, hand]))

        _, writes = await it.ensured(service())
        again = (await it.ensured(service(port=81)))[1]

        assert (writes, again) == (["PATCH", "PATCH"], ["PATCH"])
        adopted = {"manager": FIELD_MANAGER, "operation": "Apply"}
        assert it.live["metadata"]["managedFields"] == [adopted, status, hand]


async def test_a_refusal_is_the_callers() -> None:
    async with rig() as it:
        it.api.before = lambda seen: web.json_response({"message": "exceeded quota"}, status=403)

        with pytest.raises(QuotaExceeded):
            await it.ensured(service())


async def test_what_is_written_once_is_never_changed() -> None:
    async with rig() as it:
        first = await it.children.create(service(), OWNER)
        second = await it.children.create(service(port=81), OWNER)

        assert first == it.live
        assert second is None
        assert it.live["spec"]["ports"] == [{"port": 80}]


async def test_what_is_written_once_is_never_taken_from_others() -> None:
    async with rig() as it:
        it.api.put(SERVICES, service("u-other"))

        assert await it.children.create(service(), OWNER) == Conflict("Service", "time")
        assert it.cache.get(*PLACE) is None


async def test_only_children_of_this_root_that_are_wanted_no_more_are_pruned() -> None:
    async with rig() as it:
        it.put(service(name="wanted"))
        it.put(service(name="unwanted"))
        it.put(service("u-other", name="theirs"))
        it.put(service(name="leaving", deletionTimestamp="2026-07-01T12:00:00Z"))
        it.put(service(name="others", labels={LABEL_SERVER: "notes"}))

        await it.children.prune(stdio(), {(SERVICES, "tools", "wanted")})

        assert it.api.writes == ["DELETE /api/v1/namespaces/tools/services/unwanted"]


async def test_a_removal_means_that_very_object() -> None:
    async with rig() as it:
        live = it.put(service())

        await it.children.remove(SERVICES, live)

        assert it.api.requests[-1].body["preconditions"] == {"uid": live["metadata"]["uid"]}


async def test_a_namesake_of_a_forgotten_root_is_looked_at_anew() -> None:
    async with rig() as it:
        await it.ensured(service())
        it.api.take(*PLACE)
        it.watch()
        it.children.forget("tools")

        _, writes = await it.ensured(service())

        assert writes == ["POST"]
