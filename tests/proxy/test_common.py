"""Several sessions at one process: no cross-talk, and nobody hears what is not theirs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from tests.proxy.conditions import until
from tests.proxy.rig import OTHER, Raw, Rig, policy, rig, stdio
from tests.proxy.test_legacy_client import MODERN
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import LEGACY, call, events

LOGS = (*LEGACY, "logs")


@pytest.mark.parametrize("words", [LEGACY, MODERN], ids=["legacy", "modern"])
@pytest.mark.parametrize("other_era", ["legacy", "modern"])
async def test_the_same_ids_and_tokens_of_two_users_do_not_meet(
    words: tuple[str, ...], other_era: str
) -> None:
    """Whichever eras the server and its callers speak."""
    async with (
        rig(stdio(*words, process="Shared")) as made,
        made.raw() as mine,
        made.raw(OTHER) as other,
    ):
        await made.ready()
        theirs = await open_session(other) if other_era == "legacy" else ""
        calls = [progress(mine, await open_session(mine)), progress(other, theirs)]
        answers = await asyncio.gather(*(call() for call in calls))

    for answer in answers:
        *notes, last = events(answer.content)
        assert [note["params"]["progressToken"] for note in notes] == ["t", "t"]
        assert (last["id"], last["result"]["done"]) == (7, True)


def progress(raw: Raw, session: str) -> Callable[[], Awaitable[httpx2.Response]]:
    """A call with an id and a token that everybody uses."""
    params = {"name": "progress", "_meta": {"progressToken": "t"}}
    if session:
        headers = {"mcp-session-id": session}
        return lambda: raw.legacy("tools/call", 7, headers=headers, **params)
    return lambda: raw.modern("tools/call", 7, **params)


async def test_a_cancellation_reaches_its_own_request_alone() -> None:
    async with (
        rig(stdio(*LEGACY, process="Shared")) as made,
        made.raw() as mine,
        made.raw(OTHER) as other,
    ):
        await made.ready()
        users = [(mine, await open_session(mine)), (other, await open_session(other))]
        for raw, session in users:
            await call(raw, "pid", session)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(wait(raw, session)) for raw, session in users]
            await until(lambda: made.proxy.backends.in_flight == 2)
            twice = await mine.legacy(
                "tools/call", 5, name="pid", headers={"mcp-session-id": users[0][1]}
            )
            note = {"method": "notifications/cancelled", "params": {"requestId": 5}}
            await mine.post({"jsonrpc": "2.0", **note}, mcp_session_id=users[0][1])
            first = await tasks[0]
            assert not tasks[1].done()
            await other.http.delete(made.url, headers={"mcp-session-id": users[1][1]})
            tasks[1].cancel()
        told = await call(mine, "cancelled", users[0][1])

    assert twice.status_code == 400
    assert first.json()["error"]["code"] == -32800
    assert len(told["cancelled"]) == 2


async def wait(raw: Raw, session: str) -> Any:
    return await raw.legacy("tools/call", 5, name="wait", headers={"mcp-session-id": session})


async def test_what_a_server_asks_of_a_client_is_refused() -> None:
    async with rig(stdio(*LEGACY, process="PerUser")) as made, made.raw() as raw:
        await made.ready()
        answer = await call(raw, "ask", await open_session(raw))

    assert answer["answer"] is None
    assert answer["error"]["code"] == -32601


@pytest.mark.parametrize(("process", "heard"), [("PerUser", True), ("Shared", False)])
async def test_a_log_that_may_be_anothers_is_not_heard(process: str, heard: bool) -> None:
    async with rig(stdio(*LOGS, process=process)) as made, made.raw() as raw:
        await made.ready()
        session = await open_session(raw)
        answer = await raw.legacy("tools/call", name="mutter", headers={"mcp-session-id": session})

    assert (b"muttered" in answer.content) is heard
    assert b"done" in answer.content


async def test_news_of_a_resource_goes_to_those_who_asked_for_it() -> None:
    rules = (policy("planner"), policy("other"))
    async with (
        rig(stdio(*LEGACY, process="Shared"), policies=rules) as made,
        made.raw() as mine,
        made.raw(OTHER) as other,
    ):
        await made.ready()
        first, second = await open_session(mine), await open_session(other)
        await subscribe(mine, first, "subscribe")
        await subscribe(other, second, "subscribe")
        await subscribe(mine, first, "unsubscribe")
        still = (await call(mine, "levels", first))["uris"]
        async with (
            listening(made, mine, first) as left,
            listening(made, other, second) as stayed,
        ):
            await call(mine, "update", first, _meta={"uri": "memo:one"})
            heard = await anext(stayed)
            await call(mine, "change", first)
            both = [await anext(left), await anext(stayed)]

    assert set(still) == {"memo:one"}
    assert b"notifications/resources/updated" in heard
    assert all(b"list_changed" in one for one in both)


async def subscribe(raw: Raw, session: str, verb: str) -> None:
    headers = {"mcp-session-id": session}
    answer = await raw.legacy(f"resources/{verb}", uri="memo:one", headers=headers)
    assert "result" in answer.json()


class listening:
    """The chunks of a GET stream."""

    def __init__(self, made: Rig, raw: Raw, session: str) -> None:
        headers = {"mcp-session-id": session}
        self._stream = raw.http.stream("GET", made.url, headers=headers)

    async def __aenter__(self) -> Any:
        return (await self._stream.__aenter__()).aiter_bytes()

    async def __aexit__(self, *failure: Any) -> None:
        await self._stream.__aexit__(*failure)


async def test_a_common_process_that_dies_is_replaced_for_all_of_its_sessions() -> None:
    async with rig(stdio(*LEGACY, process="Shared")) as made, made.raw() as raw:
        await made.ready()
        sessions = [await open_session(raw) for _ in range(2)]
        before = {(await call(raw, "pid", session))["pid"] for session in sessions}
        await raw.legacy("tools/call", name="crash", headers={"mcp-session-id": sessions[0]})
        after = {(await call(raw, "pid", session))["pid"] for session in sessions}

    assert len(before) == len(after) == 1
    assert before != after
