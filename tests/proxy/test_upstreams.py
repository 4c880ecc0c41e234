"""Which upstream session serves a modern client, and that it is begun as it must be."""

import asyncio
from typing import Any

import pytest
from tests.proxy.conditions import until, until_asked
from tests.proxy.peers.scripted import Reply, Scripted, error
from tests.proxy.rig import ANYBODY, META, OTHER, http_rig, peer_command, rig, stdio, stdio_rig
from tests.proxy.streams import listening
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import LEGACY, alive, call

CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"


async def test_the_backend_gets_a_whole_handshake_with_the_clients_capabilities() -> None:
    """Obligation 52: before anything else, and with the revision on every request (18)."""
    peer = Scripted(eras=("legacy",), session="s1")
    meta = {**META, CAPABILITIES: {"sampling": {}}}
    async with http_rig(peer) as made, made.raw() as raw:
        peer.seen.clear()
        answer = await raw.modern("tools/call", name="echo", _meta=meta)

    methods = [one.body["method"] for one in peer.seen if one.verb == "POST"]
    begun = peer.asked("initialize")[0].body["params"]
    assert answer.json()["result"]["resultType"] == "complete"
    assert methods[:3] == ["initialize", "notifications/initialized", "tools/call"]
    assert begun["capabilities"] == {"sampling": {}}
    called = peer.asked("tools/call")[0]
    assert called.headers["mcp-protocol-version"] == "2025-11-25"
    assert called.headers["mcp-session-id"] == "s1"
    assert "mcp-method" not in called.headers
    assert "_meta" not in called.body["params"]


async def test_requests_share_a_session_by_principal_and_capabilities() -> None:
    richer = {**META, CAPABILITIES: {"sampling": {}}}
    async with stdio_rig(*LEGACY) as made, made.raw() as mine, made.raw(OTHER) as other:
        pids = [
            (await call(mine, "pid"))["pid"],
            (await call(mine, "pid"))["pid"],
            (await call(other, "pid"))["pid"],
            (await call(mine, "pid", _meta=richer))["pid"],
        ]
        assert made.report.processes == 4

    assert pids[0] == pids[1]
    assert len(set(pids)) == 3


async def test_nobody_in_particular_has_a_session_for_each_request() -> None:
    async with stdio_rig(*LEGACY, policies=(ANYBODY,)) as made, made.raw(None) as raw:
        first, second = (await call(raw, "pid"))["pid"], (await call(raw, "pid"))["pid"]
        await until(lambda: not alive(first) and not alive(second))

    assert first != second


async def test_an_idle_session_makes_room_for_another() -> None:
    backend = stdio(*LEGACY, maxProcesses=1)
    async with rig(backend) as made, made.raw() as mine, made.raw(OTHER) as other:
        await made.ready()
        first = (await call(mine, "pid"))["pid"]
        second = (await call(other, "pid"))["pid"]
        await until(lambda: not alive(first))

        assert alive(second)


async def test_an_idle_session_is_ended_in_time() -> None:
    now = [1000.0]
    async with rig(stdio(*LEGACY, idleSeconds=60)) as made, made.raw() as raw:
        await made.ready()
        supervised = next(iter(made.proxy.backends._by_path.values()))
        supervised.bridge.modern.upstreams._now = lambda: now[0]
        pid = (await call(raw, "pid"))["pid"]
        now[0] += 59
        supervised.bridge.reap()
        assert alive(pid)
        now[0] += 2
        supervised.bridge.reap()
        await until(lambda: not alive(pid))


async def test_a_process_that_dies_is_replaced_at_the_next_call() -> None:
    async with stdio_rig(*LEGACY) as made, made.raw() as raw:
        crashed = await raw.modern("tools/call", name="crash")
        after = await raw.modern("tools/call", name="pid")

    assert (crashed.status_code, crashed.json()["error"]["code"]) == (502, -32603)
    assert after.status_code == 200


async def test_a_handshake_that_fails_is_said() -> None:
    peer = Scripted(eras=("legacy",))
    async with http_rig(peer) as made, made.raw() as raw:
        peer.answers["initialize"] = lambda seen: Reply(body=error(seen.body["id"], -32603))
        refused = await raw.modern("tools/call", name="echo")

    assert (refused.status_code, refused.json()["error"]["code"]) == (502, -32603)


async def test_one_caller_has_a_share_of_the_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """With other capabilities each of its requests begins another one."""
    monkeypatch.setattr("ostiary_proxy.upstreams.MOST_OF_ONE", 2)
    async with stdio_rig(*LEGACY) as made, made.raw() as mine, made.raw(OTHER) as other:
        theirs = (await call(other, "pid"))["pid"]
        for number in range(4):
            meta = {**META, CAPABILITIES: {"experimental": {"n": number}}}
            await call(mine, "pid", _meta=meta)
        upstreams = next(iter(made.proxy.backends._by_path.values())).bridge.modern.upstreams
        kept = len(upstreams._places)
        again = (await call(other, "pid"))["pid"]

    assert kept == 3
    assert theirs == again


@pytest.mark.parametrize(("process", "count"), [("PerSession", 5), ("PerUser", 2), ("Shared", 1)])
async def test_callers_of_both_eras_share_processes_as_the_owner_wants(
    process: str, count: int
) -> None:
    """architecture.md section 5: as where nothing is bridged."""
    richer = {**META, CAPABILITIES: {"sampling": {}, "elicitation": {}}}
    async with (
        rig(stdio(*LEGACY, process=process)) as made,
        made.raw() as mine,
        made.raw(OTHER) as other,
    ):
        await made.ready()
        pids = [
            (await call(mine, "pid"))["pid"],
            (await call(mine, "pid", _meta=richer))["pid"],
            (await call(other, "pid"))["pid"],
            (await call(mine, "pid", await open_session(mine)))["pid"],
            (await call(other, "pid", await open_session(other)))["pid"],
        ]
        hellos = (await call(mine, "said", _meta=richer))["said"]

    assert len(set(pids)) == count
    offered = {"sampling": {}, "elicitation": {}} if process == "PerSession" else {}
    assert [hello["capabilities"] for hello in hellos] == [offered]


@pytest.mark.parametrize("process", ["PerUser", "Shared"])
async def test_nobody_is_asked_by_a_process_that_serves_several(process: str) -> None:
    """Its question cannot be told from another's: the tool goes on with a no."""
    able = {**META, CAPABILITIES: {"elicitation": {}}}
    async with rig(stdio(*LEGACY, process=process)) as made, made.raw() as raw:
        await made.ready()
        answer = await call(raw, "ask", _meta=able)

    assert answer["resultType"] == "complete"
    assert answer["error"]["code"] == -32601


@pytest.mark.parametrize(("process", "heard"), [("PerUser", True), ("Shared", False)])
async def test_what_a_shared_process_logs_is_its_users_alone(process: str, heard: bool) -> None:
    loud = {**META, "io.modelcontextprotocol/logLevel": "debug"}
    async with rig(stdio(*LEGACY, "logs", process=process)) as made, made.raw() as raw:
        await made.ready()
        answer = await raw.modern("tools/call", name="mutter", _meta=loud)

    assert (b"muttered" in answer.content) is heard


async def test_each_request_may_have_a_process_to_itself_but_not_where_all_share_one() -> None:
    for process, count in (("PerUser", 2), ("Shared", 1)):
        backend = stdio(*LEGACY, process=process)
        async with rig(backend, sessionAffinity="Request") as made, made.raw() as raw:
            await made.ready()
            pids = {(await call(raw, "pid"))["pid"] for _ in range(2)}

        assert len(pids) == count


async def test_a_subscription_that_somebody_else_needs_stays() -> None:
    """A session and a modern client at one process, for one resource."""
    async with (
        rig(stdio(*LEGACY, "watch", process="Shared")) as made,
        made.raw() as mine,
        made.raw(OTHER) as other,
    ):
        await made.ready()
        session = await open_session(other)
        headers = {"mcp-session-id": session}
        await other.legacy("resources/subscribe", uri="memo:one", headers=headers)
        wanted = {"resourceSubscriptions": ["memo:one"]}
        async with listening(mine, **wanted) as stream:
            first = await anext(stream.aiter_lines())
            assert first.startswith("event")
            await other.legacy("resources/unsubscribe", uri="memo:one", headers=headers)
            still = (await call(other, "levels", session))["uris"]
            await other.legacy("resources/subscribe", uri="memo:one", headers=headers)

        async def one_is_left() -> bool:
            held = made.backend.source.commons._seats._common.values()
            return not any(channel.subscriptions for channel in held)

        await until_asked(one_is_left)
        after = (await call(other, "levels", session))["uris"]

    assert "memo:one" in still
    assert "memo:one" in after


async def test_a_session_that_is_begun_anew_is_counted() -> None:
    async with stdio_rig(*LEGACY) as made, made.raw() as raw:
        await raw.modern("tools/call", name="crash")
        await call(raw, "pid")
        text = made.proxy.runtime.metrics.text()

    assert b'ostiary_sessions_repaired_total{server="tools/time"} 1.0' in text
    assert [line["repaired"] for line in made.calls() if "repaired" in line] == ["process"]


ASKABLE = {**META, CAPABILITIES: {"elicitation": {}}}


def retry(held: dict[str, Any], colour: str) -> dict[str, Any]:
    """The parameters that answer the question of a held call."""
    (question,) = held["inputRequests"]
    return {
        "name": "ask",
        "arguments": {},
        "_meta": ASKABLE,
        "requestState": held["requestState"],
        "inputResponses": {question: {"action": "accept", "content": {"colour": colour}}},
    }


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_two_clients_of_one_caller_are_each_asked_their_own_question() -> None:
    """Over stdio nothing says whose a question is: who may be asked at once has a process of his
    own, once the server has asked anything."""
    words = {"name": "ask", "arguments": {}, "_meta": ASKABLE}
    colours = ("red", "green", "blue", "black")
    async with stdio_rig(*peer_command("features.py"), "legacy") as made, made.raw() as raw:
        first = (await raw.modern("tools/call", **words)).json()["result"]
        held = await asyncio.gather(*(raw.modern("tools/call", **words) for _ in range(3)))
        states = [first, *(answer.json()["result"] for answer in held)]
        assert [state["resultType"] for state in states] == ["input_required"] * 4
        processes = made.report.processes
        answers = await asyncio.gather(
            *(raw.modern("tools/call", **retry(*one)) for one in zip(states, colours, strict=True))
        )
        # one after the other they share one again
        again = (await raw.modern("tools/call", **words)).json()["result"]
        last = await raw.modern("tools/call", **retry(again, "white"))
        after = made.report.processes

    said = [str(answer.json()["result"]["content"]) for answer in (*answers, last)]
    assert [one in text for one, text in zip((*colours, "white"), said, strict=True)] == [True] * 5
    assert processes == after


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_a_question_that_may_be_anybodys_is_asked_of_nobody() -> None:
    """The very first of a server, while two are open: refused, so that none sees another's."""
    words = {"name": "ask", "arguments": {}, "_meta": ASKABLE}
    async with (
        stdio_rig(*peer_command("features.py"), "legacy") as made,
        made.raw() as raw,
        asyncio.TaskGroup() as group,
    ):
        waiting = group.create_task(
            raw.modern("tools/call", name="wait", arguments={"name": "w"}, _meta=ASKABLE)
        )
        await until(lambda: made.proxy.backends.in_flight)
        refused = await raw.modern("tools/call", **words)
        asked = (await raw.modern("tools/call", **words)).json()["result"]
        waiting.cancel()

    assert "Several calls are open" in refused.text
    assert asked["resultType"] == "input_required"


async def test_calls_share_a_process_however_many_at_a_server_that_asks_nothing() -> None:
    async with stdio_rig(*LEGACY) as made, made.raw() as raw:
        found = await asyncio.gather(*(call(raw, "pid", _meta=ASKABLE) for _ in range(5)))

    assert len({one["pid"] for one in found}) == 1
