"""HTTPRoutes of a cluster that may lack them: nothing is asked of them before they are there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.operator.fake_api import Refusal, Seen
from tests.operator.watched_api import WatchedApi, listening
from tests.proxy.conditions import until

from ostiary_operator import gateway_api
from ostiary_operator.cache import Cache
from ostiary_operator.cluster import Cluster, Gone, Unreachable
from ostiary_operator.controller import Controller, Key
from ostiary_operator.credentials import Credentials
from ostiary_operator.gateway_api import GatewayApi
from ostiary_operator.metrics import Metrics
from ostiary_operator.resources import HTTP_ROUTES, SERVERS
from ostiary_operator.workqueue import Workqueue

GROUP = f"/apis/{HTTP_ROUTES.api_version}"
ROUTES = HTTP_ROUTES.path(None)


def route(name: str = "time", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": HTTP_ROUTES.api_version,
        "kind": HTTP_ROUTES.kind,
        "metadata": {"name": name, "namespace": "tools", "labels": {"ostiary.dev/server": name}},
        "spec": spec,
    }


class Rig:
    def __init__(self, api: WatchedApi, cluster: Cluster) -> None:
        self.api = api
        self.cache = Cache()
        self.changes = 0
        self.controller = Controller(
            cluster=cluster,
            cache=self.cache,
            queue=Workqueue(clock=asyncio.get_running_loop().time),
            metrics=Metrics(),
            watched=(),
            roots=(),
            route=lambda change: [Key(SERVERS, "tools", change.manifest["metadata"]["name"])],
            reconcile=self._nothing,
        )
        self.gateway = GatewayApi(
            cluster=cluster, controller=self.controller, changed=self._changed, seconds=0.02
        )

    def install(self) -> None:
        self.api.documents[GROUP] = {"resources": [{"name": "httproutes"}]}

    def uninstall(self) -> None:
        self.api.documents.pop(GROUP, None)

    def cached(self) -> list[str]:
        return [it["metadata"]["name"] for it in self.cache.all(HTTP_ROUTES)]

    def asked(self) -> list[Seen]:
        return [it for it in self.api.requests if it.path.endswith("/httproutes")]

    def _changed(self) -> None:
        self.changes += 1

    async def _nothing(self, key: Key) -> None:
        return None


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(gateway_api, "PAUSE_SECONDS", 0.01)
    api = WatchedApi()
    async with listening(api) as url, aiohttp.ClientSession() as session:
        yield Rig(api, Cluster(credentials=Credentials(server=url), session=session))


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(rig.gateway.run())
        yield
        task.cancel()


async def test_of_a_cluster_without_the_kind_nothing_is_listed(rig: Rig) -> None:
    await rig.gateway.look()
    async with running(rig):
        await until(lambda: len([it for it in rig.api.requests if it.path == GROUP]) > 3)

    assert not rig.gateway.present
    assert rig.changes == 0
    assert rig.asked() == []
    assert rig.api.watched == {}


async def test_a_group_that_has_other_kinds_alone_is_as_good_as_none(rig: Rig) -> None:
    rig.api.documents[GROUP] = {"resources": [{"name": "gateways"}, {"name": "httproutes/status"}]}

    await rig.gateway.look()

    assert not rig.gateway.present
    assert rig.asked() == []


async def test_what_is_there_at_the_start_is_known_before_any_work(rig: Rig) -> None:
    rig.install()
    rig.api.put(HTTP_ROUTES, route())

    await rig.gateway.look()

    assert rig.gateway.present
    assert rig.cached() == ["time"]
    assert rig.asked()[0].query["labelSelector"] == HTTP_ROUTES.selector


async def test_it_comes_is_watched_and_goes_while_the_operator_runs(rig: Rig) -> None:
    await rig.gateway.look()
    async with running(rig):
        rig.install()
        await until(lambda: ROUTES in rig.api.watched)
        assert rig.gateway.present
        assert rig.changes == 1

        rig.api.put(HTTP_ROUTES, route())
        await until(lambda: rig.cached() == ["time"])
        gone = rig.api.take(HTTP_ROUTES, "tools", "time")
        rig.api.tell(HTTP_ROUTES, "DELETED", gone)
        await until(lambda: rig.cached() == [])
        rig.api.put(HTTP_ROUTES, route("notes"))
        await until(lambda: rig.cached() == ["notes"])

        rig.uninstall()
        rig.api.close()
        await until(lambda: not rig.gateway.present)

    assert rig.cached() == []
    assert rig.changes == 2


async def test_what_a_watch_missed_is_listed_when_it_ends(rig: Rig) -> None:
    rig.install()
    await rig.gateway.look()
    async with running(rig):
        await until(lambda: ROUTES in rig.api.watched)
        rig.api.objects[HTTP_ROUTES.path("tools", "time")] = {
            **route(),
            "metadata": {**route()["metadata"], "uid": "u", "resourceVersion": "7"},
        }
        rig.api.close()
        await until(lambda: rig.cached() == ["time"])


async def test_an_api_server_that_does_not_answer_is_asked_again(rig: Rig) -> None:
    rig.install()
    rig.api.before = lambda seen: web.Response(status=503)
    async with running(rig):
        await until(lambda: len(rig.api.requests) > 2)
        assert not rig.gateway.present
        rig.api.before = lambda seen: None
        await until(lambda: rig.gateway.present)


async def test_at_the_start_the_trouble_is_the_callers(rig: Rig) -> None:
    rig.api.before = lambda seen: web.Response(status=503)

    with pytest.raises(Unreachable):
        await rig.gateway.look()


async def test_a_watch_that_asks_too_far_back_begins_with_a_list(rig: Rig) -> None:
    rig.install()
    await rig.gateway.look()
    expired = {"code": 410, "reason": "Expired", "message": "too old"}
    async with running(rig):
        await until(lambda: ROUTES in rig.api.watched)
        before = len(rig.asked())
        rig.api.tell(HTTP_ROUTES, "ERROR", expired)
        await until(lambda: len(rig.asked()) > before)

    assert rig.gateway.present


async def test_the_kind_may_vanish_between_discovery_and_list(rig: Rig) -> None:
    rig.install()

    def gone(seen: Seen) -> None:
        if seen.path == ROUTES:
            raise Refusal(404, "NotFound")

    rig.api.before = gone
    await rig.gateway.look()

    assert not rig.gateway.present


async def test_a_watch_is_read_whatever_its_lines_are_cut_into(rig: Rig) -> None:
    rig.install()
    wide = route(filler="x" * 300_000)
    async with aiohttp.ClientSession() as session:
        cluster = Cluster(credentials=Credentials(server=rig.api.url), session=session)
        events = cluster.watch(HTTP_ROUTES, 0)
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(anext(events))
            await until(lambda: ROUTES in rig.api.watched)
            rig.api.put(HTTP_ROUTES, wide)
        rig.api.tell(HTTP_ROUTES, "ERROR", {"code": 410})
        with pytest.raises(Gone):
            await anext(events)

    assert first.result().type == "MODIFIED"
    assert first.result().manifest["spec"] == wide["spec"]
