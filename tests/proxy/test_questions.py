"""What a server asks by itself, and pings, whoever of both sides pings; and what stdio is owed."""

import asyncio
from typing import Any

import httpx2
import orjson
import pytest
from tests.proxy.conditions import PATIENCE, until, until_asked
from tests.proxy.peers.scripted import Reply, Scripted, Seen, event, result
from tests.proxy.rig import OTHER, Raw, http_rig, stdio_rig
from tests.proxy.streams import held, session_of
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import BOTH, LEGACY, call, open_seat

ROOTS = {"jsonrpc": "2.0", "id": "q2", "method": "roots/list"}
PING = {"jsonrpc": "2.0", "id": "p", "method": "ping"}
ANSWER = {"jsonrpc": "2.0", "id": "q2", "result": {"roots": []}}


async def heard(stream: httpx2.Response) -> Any:
    """The first message on a stream."""
    async with asyncio.timeout(PATIENCE):
        async for line in stream.aiter_lines():
            if line.startswith("data: {"):
                return orjson.loads(line[6:])


async def reply(raw: Raw, session: str, message: dict[str, Any]) -> int:
    return (await raw.post(message, mcp_session_id=session)).status_code


# 23: who answers a ping


async def test_a_ping_is_the_backends_to_answer_where_it_knows_pings() -> None:
    """Obligation 23: forwarded, and its own words come back."""
    peer = Scripted(session="s1")
    peer.answers["ping"] = lambda seen: Reply(body=result(seen.body["id"], {"mine": True}))
    async with http_rig(peer) as made, made.raw() as raw:
        session = await open_session(raw)
        answer = await raw.legacy("ping", "p-1", headers={"mcp-session-id": session})

    assert answer.json() == {"jsonrpc": "2.0", "id": "p-1", "result": {"mine": True}}
    assert len(peer.asked("ping")) == 1


async def test_a_ping_of_a_session_with_a_process_goes_to_that_process() -> None:
    """Obligation 23: before there is one, the proxy answers."""
    async with stdio_rig(*LEGACY) as made, made.raw() as raw:
        session = await open_session(raw)
        before = await _ping(raw, session)
        await call(raw, "pid", session)
        after = await _ping(raw, session)

    assert before == {}
    assert after["method"] == "ping"


async def _ping(raw: Raw, session: str) -> Any:
    answer = await raw.legacy("ping", headers={"mcp-session-id": session})
    return answer.json()["result"]


async def test_a_backend_that_knows_no_ping_is_sent_none() -> None:
    """Obligation 23: the stateless era has none."""
    peer = Scripted(eras=("modern",))
    async with http_rig(peer) as made, made.raw() as raw:
        session = await open_session(raw)
        answered = await _ping(raw, session)

    assert answered == {}
    assert peer.asked("ping") == []


async def test_a_backends_ping_is_answered_and_does_not_reach_a_client_that_knows_none() -> None:
    """Obligation 23: upstream, on the stream of a call."""
    peer = Scripted(eras=("legacy",), session="s1")

    def pinging(seen: Seen) -> Reply:
        body = [event(orjson.dumps(PING)), event(result(seen.body["id"], {"content": []}))]
        return Reply(body=body, kind="text/event-stream")

    peer.answers["tools/call"] = pinging
    async with http_rig(peer) as made, made.raw() as raw:
        answer = await raw.modern("tools/call", name="echo")
        await until(lambda: any("result" in (one.body or {}) for one in peer.seen))

    answers = [one.body for one in peer.seen if "result" in (one.body or {})]
    assert answers == [{"jsonrpc": "2.0", "id": "p", "result": {}}]
    assert b"ping" not in answer.content


# 29: which stream a question goes to


async def test_a_question_between_calls_is_for_its_clients_one_stream() -> None:
    """Obligation 29: never broadcast, and the answer reaches who asked."""
    async with stdio_rig(*LEGACY) as made, made.raw() as raw, made.raw(OTHER) as stranger:
        mine, second, others = [await session_of(it) for it in (raw, raw, stranger)]
        ident = mine["mcp-session-id"]
        for each, session in ((raw, second), (stranger, others)):
            await call(each, "pid", session["mcp-session-id"])
        async with (
            held(raw, mine) as one,
            held(raw, second) as two,
            held(stranger, others) as three,
        ):
            await call(raw, "wonder", ident)
            asked = await heard(one)
            assert await reply(raw, ident, ANSWER) == 202
            await until_asked(lambda: _told(raw, ident))
            for stream in (two, three):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(heard(stream), 0.2)

    assert asked == ROOTS


async def _told(raw: Raw, session: str) -> bool:
    return bool((await call(raw, "answers", session))["answers"] == [ANSWER])


async def test_a_question_waits_for_a_stream() -> None:
    """Obligation 29: held, not lost, where no stream is open."""
    async with stdio_rig(*LEGACY) as made, made.raw() as raw:
        session = await session_of(raw)
        await call(raw, "wonder", session["mcp-session-id"])
        async with held(raw, session) as stream:
            assert await heard(stream) == ROOTS


async def test_a_question_during_a_call_is_for_the_stream_of_that_call() -> None:
    """Obligation 29: though the client has a GET stream too."""
    async with stdio_rig(*LEGACY) as made, made.raw() as raw:
        session = await session_of(raw)
        ident = session["mcp-session-id"]
        await call(raw, "pid", ident)
        async with held(raw, session) as stream, asyncio.TaskGroup() as group:
            asking = group.create_task(
                raw.legacy("tools/call", 7, name="ask", headers={"mcp-session-id": ident})
            )
            answer = {"jsonrpc": "2.0", "id": "q1", "result": {"action": "decline"}}
            await until_asked(lambda: _answered(raw, ident, answer, asking))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(heard(stream), 0.2)

    assert b"elicitation/create" in asking.result().content


async def _answered(
    raw: Raw, session: str, answer: dict[str, Any], asking: "asyncio.Task[httpx2.Response]"
) -> bool:
    """The server notes an answer that it waits for no more."""
    if not asking.done():
        await reply(raw, session, answer)
    return asking.done()


# 63: stdio


async def test_stateless_clients_share_a_process_and_do_not_meet() -> None:
    """Obligation 63: ids are the process's own, and who leaves is told to it as cancelled."""
    async with stdio_rig(*BOTH) as made, made.raw() as raw, made.raw() as other:
        one, two = await asyncio.gather(
            *(each.modern("tools/call", 1, name="echo", odd="ü\u2028\n") for each in (raw, other))
        )
        with pytest.raises(httpx2.ReadTimeout):
            await _left(raw)
        await until_asked(lambda: _cancelled(other))
        pids = {(await call(each, "pid"))["pid"] for each in (raw, other)}

    echoes = [answer.json() for answer in (one, two)]
    assert [echo["id"] for echo in echoes] == [1, 1]
    assert len({echo["result"]["id"] for echo in echoes}) == 2
    assert all(echo["result"]["params"]["odd"] == "ü\u2028\n" for echo in echoes)
    assert len(pids) == 1


async def _left(raw: Raw) -> None:
    raw.http.timeout = httpx2.Timeout(5, read=0.5)
    await raw.modern("tools/call", 9, name="wait")


async def _cancelled(raw: Raw) -> bool:
    return len((await call(raw, "cancelled"))["cancelled"]) == 1


async def test_each_handshake_client_has_a_process_and_no_noise_reaches_it() -> None:
    """Obligation 63: also of one principal; what is no JSON-RPC on stdout is left out."""
    async with stdio_rig(*LEGACY, "noisy") as made, made.raw() as raw:
        sessions = [await open_seat(raw) for _ in range(2)]
        pids = {(await call(raw, "pid", session))["pid"] for session in sessions}
        noise = await call(raw, "garbage", sessions[0])

    assert len(pids) == 2
    assert noise == {"done": True}
