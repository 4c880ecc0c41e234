import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from tests.operator.cluster_state import report
from tests.operator.hand_clock import HandClock
from tests.proxy.conditions import until

from ostiary_operator.metrics import Metrics
from ostiary_operator.reports import GRACE_SECONDS, LARGEST_REPORT, Reports
from ostiary_operator.status.observed import Unreachable
from ostiary_proxy.config import StatusReport

ADDRESS = "127.0.0.1"


class Proxy:
    """An admin port: answers with the report it was given, and holds polls of one it told."""

    def __init__(self) -> None:
        self.report = report(podUid="pod-1")
        self.requests: list[web.Request] = []
        self.special: Callable[[], Awaitable[web.StreamResponse]] | None = None
        self._changed = asyncio.Event()

    def say(self, new: StatusReport) -> None:
        self.report = new
        self._changed.set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if self.special:
            return await self.special()
        if request.query.get("since") == self.report.etag:
            self._changed.clear()
            await self._changed.wait()
        return web.json_response(text=self.report.model_dump_json())


class Watcher:
    """What `changed` was called with; a test waits for the next call."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[tuple[Hashable, StatusReport | None]] = asyncio.Queue()

    def __call__(self, owner: Hashable, told: StatusReport | None) -> None:
        self.calls.put_nowait((owner, told))

    async def next(self) -> tuple[Hashable, StatusReport | None]:
        async with asyncio.timeout(10):
            return await self.calls.get()


class Rig:
    def __init__(self, proxy: Proxy, port: int, folder: Path) -> None:
        self.proxy = proxy
        self.clock = HandClock()
        self.changed = Watcher()
        self.metrics = Metrics()
        self.token = folder / "token"
        self.token.write_text("secret\n")
        self.reports = Reports(
            token_file=self.token,
            metrics=self.metrics,
            clock=self.clock,
            changed=self.changed,
            port=port,
        )

    def polls(self, result: str) -> float:
        return (
            self.metrics.registry.get_sample_value("ostiary_report_polls_total", {"result": result})
            or 0.0
        )


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    proxy = Proxy()
    async with listening(proxy) as port:
        found = Rig(proxy, port, tmp_path)
        async with found.reports:
            yield found


@asynccontextmanager
async def listening(proxy: Proxy) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get("/status", proxy.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, ADDRESS, 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_the_first_report_is_asked_at_once_with_the_operators_token(rig: Rig) -> None:
    rig.reports.follow("owner", {"pod-1": ADDRESS})

    owner, told = await rig.changed.next()

    first = rig.proxy.requests[0]
    assert (owner, told) == ("owner", rig.proxy.report)
    assert rig.reports.of("pod-1") == rig.proxy.report
    assert first.headers["Authorization"] == "Bearer secret"
    assert dict(first.query) == {}


async def test_the_next_poll_waits_at_the_proxy_until_something_changed(rig: Rig) -> None:
    rig.reports.follow("owner", {"pod-1": ADDRESS})
    await rig.changed.next()
    await until(lambda: len(rig.proxy.requests) == 2)
    assert dict(rig.proxy.requests[1].query) == {"since": "e", "wait": "25"}

    newer = report(generation=4, podUid="pod-1").model_copy(update={"etag": "f"})
    rig.proxy.say(newer)

    assert await rig.changed.next() == ("owner", newer)


async def test_the_token_is_read_again_for_every_poll(rig: Rig) -> None:
    rig.reports.follow("owner", {"pod-1": ADDRESS})
    await rig.changed.next()
    await until(lambda: len(rig.proxy.requests) == 2)
    rig.token.write_text("renewed")

    rig.proxy.say(rig.proxy.report.model_copy(update={"etag": "f"}))
    await until(lambda: len(rig.proxy.requests) == 3)

    assert rig.proxy.requests[2].headers["Authorization"] == "Bearer renewed"


async def test_an_unchanged_answer_is_no_change(rig: Rig) -> None:
    rig.reports.follow("owner", {"pod-1": ADDRESS})
    await rig.changed.next()
    await until(lambda: len(rig.proxy.requests) == 2)

    async def unchanged() -> web.Response:
        if rig.polls("unchanged") >= 3:
            await asyncio.Event().wait()
        return web.Response(status=304)

    rig.proxy.special = unchanged
    rig.proxy.say(rig.proxy.report)
    await until(lambda: rig.polls("unchanged") >= 3)

    assert rig.changed.calls.empty()
    assert rig.polls("report") == 1


async def failing(rig: Rig, answer: Callable[[], Awaitable[web.StreamResponse]]) -> Unreachable:
    """What is said of a proxy that answers so for longer than the grace."""
    rig.proxy.special = answer
    rig.reports.follow("owner", {"pod-1": ADDRESS})
    await until(lambda: rig.polls("failed") >= 1)
    assert rig.reports.of("pod-1") is None
    rig.clock.pass_by(GRACE_SECONDS + 1)
    assert await rig.changed.next() == ("owner", None)
    found = rig.reports.of("pod-1")
    assert isinstance(found, Unreachable)
    return found


async def test_a_proxy_is_called_unreachable_only_after_the_grace(rig: Rig) -> None:
    async def broken() -> web.Response:
        return web.Response(status=500)

    assert "HTTP 500" in str(await failing(rig, broken))


async def test_a_report_that_is_too_large_is_none(rig: Rig) -> None:
    async def large() -> web.Response:
        return web.Response(body=b"x" * (LARGEST_REPORT + 1))

    assert "larger than" in str(await failing(rig, large))


async def test_an_answer_that_is_no_report_is_none(rig: Rig) -> None:
    async def other() -> web.Response:
        return web.json_response({"hello": "world"})

    assert "not a status report" in str(await failing(rig, other))


async def test_a_redirect_is_not_followed(rig: Rig) -> None:
    async def away() -> web.Response:
        raise web.HTTPFound("/elsewhere")

    assert "HTTP 302" in str(await failing(rig, away))


async def test_another_pod_at_the_same_address_is_not_believed(rig: Rig) -> None:
    rig.proxy.report = report(podUid="pod-2")
    rig.reports.follow("owner", {"pod-1": ADDRESS})
    await until(lambda: rig.polls("failed") >= 1)

    rig.clock.pass_by(GRACE_SECONDS + 1)
    await rig.changed.next()

    assert "another pod answers" in str(rig.reports.of("pod-1"))


async def test_a_proxy_that_answers_again_is_reachable_again(rig: Rig) -> None:
    async def broken() -> web.Response:
        return web.Response(status=503)

    await failing(rig, broken)
    rig.proxy.special = None

    assert await rig.changed.next() == ("owner", rig.proxy.report)


async def test_a_pod_that_is_followed_no_more_is_not_known(rig: Rig) -> None:
    rig.reports.follow("owner", {"pod-1": ADDRESS})
    await rig.changed.next()

    rig.reports.follow("somebody else", {})
    assert rig.reports.of("pod-1") is not None
    rig.reports.follow("owner", {})

    assert rig.reports.of("pod-1") is None
    assert rig.metrics.registry.get_sample_value("ostiary_polled_proxies") == 0


async def test_once_closed_nobody_is_followed(rig: Rig) -> None:
    rig.reports.close()

    rig.reports.follow("owner", {"pod-1": ADDRESS})

    assert rig.metrics.registry.get_sample_value("ostiary_polled_proxies") == 0
