"""Conversations over time: what ends them.  Row 22; the doors' tests see all else."""

import asyncio
import time
from typing import Any

import pytest
from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import PLANNER, http_rig, modern
from tests.proxy.test_sse_door import OPEN, opened

from ostiary_proxy import conversation


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "KEEP_ALIVE_SECONDS", 0.05)


async def ended(old: Any) -> bool:
    return await old.event() == ("", "")


async def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "FIRST_SECONDS", 0.2)
    async with http_rig(Scripted(), clients=OPEN) as rig, opened(rig) as old:
        assert await ended(old)


async def test_a_session_is_not_ended_by_silence_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "IDLE_SECONDS", 0.2)
    peer = Scripted(eras=("legacy",), session="up")
    async with http_rig(peer, clients=OPEN) as rig, opened(rig) as old:
        await old.begin()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await old.event()


async def test_one_without_a_session_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "IDLE_SECONDS", 0.2)
    async with http_rig(Scripted(), clients=OPEN) as rig, opened(rig) as old:
        await old.post(modern("tools/list", 1))
        assert (await old.hear())["id"] == 1
        assert await ended(old)


async def test_the_end_of_a_token_is_the_end_of_its_connection() -> None:
    async with http_rig(Scripted(), clients=OPEN) as rig, opened(rig) as old:
        rig.proxy.runtime.now = lambda: time.time() + 10 * 24 * 3600
        assert await ended(old)


async def test_more_requests_at_once_than_a_connection_may_have_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conversation, "MOST_RUNNING", 0)
    async with http_rig(Scripted(), clients=OPEN) as rig, opened(rig) as old:
        await old.post(modern("tools/list", 7))
        answer = await old.hear()

    assert (answer["id"], answer["error"]["code"]) == (7, -32603)
    assert rig.refusals()[-1]["subject"] == PLANNER
