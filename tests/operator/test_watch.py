import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice

import pytest
from tests.operator.build import server_manifest
from tests.operator.watched_api import WatchedApi, listening
from tests.proxy.conditions import until

from ostiary_operator.cache import Cache
from ostiary_operator.cluster import connect
from ostiary_operator.controller import Controller, Key
from ostiary_operator.credentials import Credentials
from ostiary_operator.metrics import Metrics
from ostiary_operator.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    SERVERS,
    WATCHED,
    Resource,
)
from ostiary_operator.watch import FIRST_BACKOFF, LAST_BACKOFF, Backoffs, make_settings, watch
from ostiary_operator.workqueue import Workqueue


class Watching:
    """kopf over the small API server, with a controller that only takes notes."""

    def __init__(self, api: WatchedApi, cache: Cache, queue: Workqueue[Key]) -> None:
        self.api = api
        self.cache = cache
        self.queue = queue
        self.started = 0

    def start(self) -> None:
        self.started += 1


@asynccontextmanager
async def watching() -> AsyncIterator[Watching]:
    api = WatchedApi()
    loop = asyncio.get_running_loop()
    cache, queue, stop = Cache(), Workqueue[Key](clock=loop.time), asyncio.Event()
    async with listening(api) as url:
        credentials = Credentials(server=url, token="secret")
        async with connect(credentials, "tests") as cluster, asyncio.TaskGroup() as tasks:
            controller = Controller(
                cluster=cluster,
                cache=cache,
                queue=queue,
                metrics=Metrics(),
                watched=WATCHED,
                roots=(SERVERS,),
                route=lambda change: [Key(change.resource, "tools", "time")],
                reconcile=nothing,
            )
            found = Watching(api, cache, queue)
            tasks.create_task(watch(controller, credentials, stop=stop, started=found.start))
            await until(lambda: len(api.watched) == len(WATCHED))
            yield found
            stop.set()


async def nothing(key: Key) -> None:
    return None


async def test_an_event_of_a_watch_reaches_the_cache_and_the_queue() -> None:
    async with watching() as found:
        made = found.api.put(SERVERS, server_manifest())
        await until(lambda: found.cache.get(SERVERS, "tools", "time"))
        assert await found.queue.get() == Key(SERVERS, "tools", "time")

        found.api.tell(SERVERS, "DELETED", made)
        await until(lambda: found.cache.get(SERVERS, "tools", "time") is None)


async def test_of_everybodys_objects_only_ours_are_listed_and_watched() -> None:
    async with watching() as found:
        watched = dict(found.api.watched)
        listed = {
            seen.path: seen.query.get("labelSelector")
            for seen in found.api.requests
            if seen.path in watched
        }

    for resource in WATCHED:
        path = resource.path(None)
        assert watched[path].get("labelSelector", "") == resource.selector
        assert (listed[path] or "") == resource.selector


async def test_watching_writes_nothing_and_asks_with_our_token() -> None:
    async with watching() as found:
        found.api.put(SERVERS, server_manifest())
        await until(lambda: found.cache.get(SERVERS, "tools", "time"))

        assert found.api.writes == []
        assert {s.headers.get("Authorization") for s in found.api.requests} == {"Bearer secret"}
        assert found.started == 1


def test_the_settings_post_nothing_peer_with_nobody_and_never_scan_again() -> None:
    settings = make_settings()

    assert not settings.posting.enabled
    assert settings.peering.standalone
    assert settings.scanning.disabled


@pytest.mark.parametrize("resource", [PODS, DEPLOYMENTS, CONFIG_MAPS])
def test_what_is_not_all_ours_is_watched_by_label(resource: Resource) -> None:
    selectors = make_settings().watching.label_selectors

    assert selectors[(resource.group, resource.version, resource.plural)] == resource.selector
    assert (NAMESPACES.group, NAMESPACES.version, NAMESPACES.plural) not in selectors


def test_the_pauses_after_errors_never_end_and_stay_short() -> None:
    pauses = list(islice(Backoffs(), 1000))

    assert pauses[0] == FIRST_BACKOFF
    assert pauses[1] == 2 * FIRST_BACKOFF
    assert pauses[-1] == max(pauses) == LAST_BACKOFF


def test_every_failure_begins_with_the_shortest_pause() -> None:
    backoffs = Backoffs()
    list(islice(backoffs, 10))

    assert next(iter(backoffs)) == FIRST_BACKOFF
