"""Events become keys, keys are worked until they are done."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from tests.operator.fake_api import FakeApi, serving
from tests.operator.hand_clock import HandClock

from ostiary_operator.cache import Cache, Change, name_of
from ostiary_operator.cluster import Cluster, Unreachable
from ostiary_operator.controller import RELIST_SETTLE_SECONDS, Controller, Key, Queue
from ostiary_operator.metrics import Metrics
from ostiary_operator.resources import PODS, SERVERS
from ostiary_operator.workqueue import Workqueue

Work = Callable[[Key], Awaitable[float | None]]


def server(name: str = "time", *, version: int = 1) -> dict[str, Any]:
    metadata = {"namespace": "tools", "name": name, "uid": f"uid-{name}"}
    return {"metadata": {**metadata, "resourceVersion": str(version)}}


def pod(name: str = "time-1", *, of: str = "time", version: int = 1) -> dict[str, Any]:
    found = server(name, version=version)
    return {"metadata": {**found["metadata"], "labels": {"server": of}}}


def key(name: str = "time") -> Key:
    return Key(SERVERS, "tools", name)


def route(change: Change) -> Iterable[Key]:
    """A server concerns itself, a pod its server."""
    manifest = change.manifest
    if change.resource is SERVERS:
        return [Key(SERVERS, *name_of(manifest))]
    return [key(manifest["metadata"]["labels"]["server"])]


@dataclass
class Rig:
    api: FakeApi
    cluster: Cluster
    cache: Cache = field(default_factory=Cache)
    metrics: Metrics = field(default_factory=Metrics)
    work: Work | None = None
    seen: list[Key] = field(default_factory=list)
    resync_seconds: float = 600.0
    clock: Callable[[], float] | None = None

    def __post_init__(self) -> None:
        self.queue: Queue = Workqueue(clock=self.clock or asyncio.get_running_loop().time)
        self.controller = Controller(
            cluster=self.cluster,
            cache=self.cache,
            queue=self.queue,
            metrics=self.metrics,
            watched=(SERVERS, PODS),
            roots=(SERVERS,),
            route=route,
            reconcile=self._reconcile,
            resync_seconds=self.resync_seconds,
        )

    async def _reconcile(self, key: Key) -> float | None:
        self.seen.append(key)
        return await self.work(key) if self.work else None

    async def run(self, workers: int = 1) -> None:
        """Until somebody closes the queue."""
        async with asyncio.timeout(20):
            await self.controller.work(workers)

    def results(self) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for metric in self.metrics.reconciles.collect():
            for sample in metric.samples:
                if sample.name.endswith("_count"):
                    labels = sample.labels
                    found[labels["kind"], labels["result"]] = int(sample.value)
        return found


@asynccontextmanager
async def rig(**more: Any) -> AsyncIterator[Rig]:
    api = FakeApi()
    async with serving(api) as cluster:
        yield Rig(api, cluster, **more)


async def test_an_event_becomes_the_key_of_whom_it_concerns() -> None:
    async with rig() as it:
        it.controller.observe(PODS, "ADDED", pod())
        it.controller.observe(PODS, "MODIFIED", pod(version=2))

        assert await it.queue.get() == key()
        assert it.queue.depth == 0


async def test_an_event_that_says_nothing_new_is_no_key() -> None:
    async with rig() as it:
        it.controller.observe(PODS, "ADDED", pod(version=2))
        await it.queue.get()
        it.queue.done(key())

        it.controller.observe(PODS, "MODIFIED", pod(version=2))
        it.controller.observe(PODS, "MODIFIED", pod(version=1))

        assert it.queue.depth == 0


async def test_a_deletion_is_told_with_what_was_there_before() -> None:
    async with rig() as it:
        it.controller.observe(SERVERS, "ADDED", server())
        await it.queue.get()
        it.queue.done(key())

        it.controller.observe(SERVERS, "DELETED", server(version=2))

        assert await it.queue.get() == key()
        assert it.cache.get(SERVERS, "tools", "time") is None


async def test_the_cache_is_filled_before_any_work() -> None:
    async with rig() as it:
        it.api.put(SERVERS, server("a"))
        it.api.put(SERVERS, server("b"))
        it.api.put(PODS, pod(of="a"))

        await it.controller.fill()

        assert len(list(it.cache.all(SERVERS))) == 2
        assert it.cache.get(PODS, "tools", "time-1")
        assert it.queue.depth == 2
        assert it.seen == []


async def test_a_fill_that_fails_is_the_callers() -> None:
    async with rig() as it:
        it.api.before = lambda seen: web.Response(status=503)

        with pytest.raises(Unreachable):
            await it.controller.fill()


async def test_the_workers_stop_when_the_queue_is_closed_and_finish_what_they_hold() -> None:
    async with rig() as it:
        finished = []

        async def work(key: Key) -> None:
            it.queue.close()
            await asyncio.sleep(0)
            finished.append(key)

        it.work = work
        it.queue.add(key())
        await it.run(workers=4)

        assert finished == [key()]
        assert it.controller.working.is_set()


async def test_a_reconcile_that_raises_is_tried_again_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with rig() as it:
        broken = iter([ValueError("first"), KeyError("second")])

        async def work(worked: Key) -> None:
            if worked == key("broken"):
                if error := next(broken, None):
                    raise error
                it.queue.close()

        it.work = work
        it.queue.add(key("broken"))
        it.queue.add(key("well"))
        await it.run()

        assert it.seen == [key("broken"), key("well"), key("broken"), key("broken")]
        assert it.results() == {("MCPServer", "error"): 2, ("MCPServer", "ok"): 2}
        said = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(said) == 2
        assert all(record.exc_info for record in said)


async def test_an_api_error_is_tried_again_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with rig() as it:
        errors = iter([Unreachable(503, "", "busy")])

        async def work(_: Key) -> None:
            if error := next(errors, None):
                raise error
            it.queue.close()

        it.work = work
        it.queue.add(key())
        with caplog.at_level(logging.INFO):
            await it.run()

        assert it.results() == {("MCPServer", "retry"): 1, ("MCPServer", "ok"): 1}
        assert not any(record.exc_info for record in caplog.records)


async def test_a_success_ends_the_row_of_failures() -> None:
    async with rig() as it:
        errors = iter([ValueError("once")])

        async def work(_: Key) -> None:
            if error := next(errors, None):
                raise error
            it.queue.close()

        it.work = work
        it.queue.add(key())
        await it.run()

        assert it.queue.failures(key()) == 0


async def test_a_pause_of_zero_does_not_starve_the_rest() -> None:
    async with rig(clock=HandClock()) as it:

        async def work(worked: Key) -> float | None:
            if worked == key("eager"):
                return 0.0
            if worked == key("last"):
                it.queue.close()
            else:
                it.queue.add(key("last"))
            return None

        it.work = work
        it.queue.add(key("eager"))
        it.queue.add(key("first"))
        await it.run()

        assert it.seen == [key("eager"), key("first"), key("last")]


async def test_a_reconcile_that_asks_for_another_look_gets_it() -> None:
    async with rig() as it:
        pauses = iter([0.0])

        async def work(_: Key) -> float | None:
            if (pause := next(pauses, None)) is None:
                it.queue.close()
            return pause

        it.work = work
        it.queue.add(key())
        await it.run()

        assert it.seen == [key(), key()]


async def test_one_key_is_never_worked_by_two_workers_at_once() -> None:
    async with rig() as it:
        inside: Counter[Key] = Counter()
        most = 0

        async def work(worked: Key) -> None:
            nonlocal most
            inside[worked] += 1
            most = max(most, inside[worked])
            if len(it.seen) < 20:
                it.queue.add(worked)
            else:
                it.queue.close()
            await asyncio.sleep(0)
            inside[worked] -= 1

        it.work = work
        it.queue.add(key())
        await it.run(workers=4)

        assert most == 1


async def test_a_resync_finds_what_the_watches_never_told() -> None:
    async with rig(resync_seconds=0.01) as it:
        gone = it.api.put(SERVERS, server("gone"))
        await it.controller.fill()

        async def work(worked: Key) -> None:
            if worked == key("new"):
                it.queue.close()

        it.work = work
        it.api.take(SERVERS, *name_of(gone))
        it.api.put(SERVERS, server("new"))
        await it.run()

        assert it.cache.get(SERVERS, "tools", "gone") is None
        assert set(it.seen) == {key("gone"), key("new")}


async def test_a_resync_looks_at_every_root_again_though_nothing_changed() -> None:
    async with rig(resync_seconds=0.01) as it:
        it.api.put(SERVERS, server())

        async def work(_: Key) -> None:
            if len(it.seen) == 3:
                it.queue.close()

        it.work = work
        await it.controller.fill()
        await it.run()

        assert it.seen == [key()] * 3


async def test_a_resync_that_fails_is_tried_again() -> None:
    async with rig(resync_seconds=0.01) as it:
        it.api.put(SERVERS, server())
        await it.controller.fill()
        failures = iter([web.Response(status=503)])
        it.api.before = lambda seen: next(failures, None)

        async def work(_: Key) -> None:
            if it.results()["List", "retry"] and it.results()["List", "ok"]:
                it.queue.close()

        it.work = work
        await it.run()

        assert it.results()["List", "retry"] == 1


async def test_a_watch_that_lists_anew_is_followed_by_a_list_of_ours() -> None:
    clock = HandClock()
    async with rig(clock=clock) as it:
        it.controller.observe(SERVERS, None, server())
        it.controller.observe(SERVERS, None, server("other"))

        assert it.queue.depth == 2
        clock.pass_by(RELIST_SETTLE_SECONDS)
        keys = [await it.queue.get() for _ in range(3)]
        assert keys == [key(), key("other"), Key(SERVERS)]
        assert keys[2] is not None
        assert keys[2].is_list


async def test_what_was_seen_is_counted() -> None:
    async with rig() as it:
        it.controller.observe(PODS, "ADDED", pod())
        it.api.put(SERVERS, server())
        await it.controller.fill()

        value = it.metrics.registry.get_sample_value
        assert value("ostiary_watch_events_total", {"kind": "Pod"}) == 1
        assert value("ostiary_cached_objects", {"kind": "MCPServer"}) == 1
        assert value("ostiary_queue_depth") == it.queue.depth
