"""Legacy sessions at a modern backend, and when they have a process."""

import os
import signal
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.proxy.conditions import until
from tests.proxy.rig import OTHER, PLANNER, Rig, policy, request, rig, stdio, stdio_rig
from tests.proxy.signing import bearer, claims, sign
from tests.proxy.test_legacy_client import MODERN
from tests.proxy.test_session import open_session
from tests.proxy.test_sidecar import MASTER, Pod
from tests.proxy.test_stdio import LEGACY, alive, call
from tests.proxy.volumes import project
from tests.proxy.wire import Answer, ask

from ostiary_proxy.shared import ModernChannel


async def test_sessions_that_only_list_cost_no_process() -> None:
    async with stdio_rig(*MODERN) as made, made.raw() as raw:
        sessions = [await open_session(raw) for _ in range(20)]
        for session in sessions:
            listed = await raw.legacy("tools/list", headers={"mcp-session-id": session})
            assert len(listed.json()["result"]["tools"]) == 3
        assert made.report.processes == 1

        first = (await call(raw, "echo", sessions[0]))["id"]
        assert made.report.processes == 2

    assert first


async def test_sessions_do_not_share_a_process() -> None:
    async with stdio_rig(*MODERN) as made, made.raw() as raw:
        one, two = await open_session(raw), await open_session(raw)
        pids = [(await call(raw, "pid", session))["pid"] for session in (one, one, two)]

    assert pids[0] == pids[1] != pids[2]


async def test_an_idle_session_loses_its_process_and_gets_another() -> None:
    now = [1000.0]
    async with rig(stdio(*MODERN, idleSeconds=60)) as made, made.raw() as raw:
        await made.ready()
        session = await open_session(raw)
        pid = (await call(raw, "pid", session))["pid"]
        bridge = next(iter(made.proxy.backends._by_path.values())).bridge
        bridge.legacy.partners._now = lambda: now[0] + 10**10
        bridge.reap()
        await until(lambda: not alive(pid))

        assert (await call(raw, "pid", session))["pid"] != pid


async def test_an_idle_process_makes_room_for_another_sessions() -> None:
    async with rig(stdio(*MODERN, maxProcesses=1)) as made, made.raw() as raw:
        await made.ready()
        one, two = await open_session(raw), await open_session(raw)
        first = (await call(raw, "pid", one))["pid"]
        second = (await call(raw, "pid", two))["pid"]
        await until(lambda: not alive(first))
        third = (await call(raw, "pid", one))["pid"]

    assert len({first, second, third}) == 3


async def test_a_session_that_ends_takes_its_process_along() -> None:
    async with stdio_rig(*MODERN) as made, made.raw() as raw:
        session = await open_session(raw)
        pid = (await call(raw, "pid", session))["pid"]
        await raw.http.delete(made.url, headers={"mcp-session-id": session})
        await until(lambda: not alive(pid))


async def test_a_session_whose_client_goes_on_after_its_end_begins_anew() -> None:
    async with stdio_rig(*MODERN) as made, made.raw() as raw:
        session = await open_session(raw)
        pid = (await call(raw, "pid", session))["pid"]
        for _ in range(2):
            await raw.http.delete(made.url, headers={"mcp-session-id": session})
        assert counted(made) == 0

        assert (await call(raw, "pid", session))["pid"] != pid
        assert counted(made) == 1


@pytest.mark.parametrize("words", [MODERN, LEGACY], ids=["modern", "legacy"])
async def test_a_session_outlives_the_proxy_that_began_it(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    """Another process of the proxy, with the same master key and nothing else of the first."""
    pods: list[Pod] = []
    try:
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            pod = Pod(tmp_path / name)
            pods.append(pod)
            project(pod.keys_dir, {"0": MASTER})
            pod.write(1, backend=stdio(*words), policies=(policy(),))
        await pods[0].start()
        await pods[0].becomes(200)
        begun = await asked(pods[0], "initialize", protocolVersion="2025-11-25", capabilities={})
        session = begun.headers["mcp-session-id"]
        before = (await asked(pods[0], "tools/call", session, name="pid")).json["result"]["pid"]
        pods[0].process.kill()
        await pods[0].process.communicate()

        await pods[1].start()
        await pods[1].becomes(200)
        answer = await asked(pods[1], "tools/call", session, name="pid")
        metrics = (await ask(pods[1].admin_port, "GET", "/metrics")).body
        await until(lambda: b'"repaired":"process"' in pods[1].out.read_bytes())
    finally:
        for pod in pods:
            await pod.close()

    assert answer.status == 200
    assert answer.json["result"]["pid"] != before
    assert b'ostiary_sessions_repaired_total{server="tools/time"} 1.0' in metrics


async def asked(pod: Pod, method: str, session: str = "", **params: Any) -> Answer:
    headers = {"Content_Type": "application/json", "Accept": "application/json, text/event-stream"}
    if session:
        headers["Mcp_Session_Id"] = session
    if method == "initialize":
        params["clientInfo"] = {"name": "raw", "version": "1"}
    body = orjson.dumps(request(method, 1, **params))
    token = bearer(sign(claims(PLANNER)))
    return await ask(pod.mcp_port, "POST", "/mcp", body, Authorization=token, **headers)


async def test_a_lost_process_gets_the_level_and_the_subscriptions_and_is_counted() -> None:
    async with stdio_rig(*MODERN, "watch", "logs") as made, made.raw() as raw, made.raw() as deaf:
        session = await open_session(raw)
        headers = {"mcp-session-id": session}
        level = await raw.legacy("logging/setLevel", level="warning", headers=headers)
        followed = await raw.legacy("resources/subscribe", uri="memo:one", headers=headers)
        pid = (await call(raw, "pid", session))["pid"]
        async with deaf.http.stream("GET", made.url, headers=headers) as stream:
            assert stream.status_code == 200
            os.kill(pid, signal.SIGKILL)
            await until(lambda: counted(made) == 1)
            told = (await call(raw, "echo", session))["params"]["_meta"]
            listened = (await call(raw, "listened", session))["listened"]
            after = (await call(raw, "pid", session))["pid"]

    assert (level.status_code, followed.status_code) == (200, 200)
    assert after != pid
    assert told["io.modelcontextprotocol/logLevel"] == "warning"
    assert [one["resourceSubscriptions"] for one in listened] == [["memo:one"]]


async def test_a_process_that_is_lost_without_a_stream_is_begun_at_the_next_call() -> None:
    async with stdio_rig(*MODERN) as made, made.raw() as raw:
        session = await open_session(raw)
        pid = (await call(raw, "pid", session))["pid"]
        assert counted(made) == 0
        os.kill(pid, signal.SIGKILL)
        await until(lambda: made.report.processes == 1)

        assert (await call(raw, "pid", session))["pid"] != pid
        assert counted(made) == 1

    assert [line["repaired"] for line in made.calls() if "repaired" in line] == ["process"]


def counted(made: Rig) -> float:
    """Sessions that were begun anew."""
    name = b'ostiary_sessions_repaired_total{server="tools/time"} '
    found = [
        line for line in made.proxy.runtime.metrics.text().splitlines() if line.startswith(name)
    ]
    return float(found[0].removeprefix(name)) if found else 0.0


async def test_a_lost_process_ends_its_session_where_its_owner_wants_that() -> None:
    async with stdio_rig(*MODERN, onSessionLoss="End") as made, made.raw() as raw:
        session = await open_session(raw)
        pid = (await call(raw, "pid", session))["pid"]
        os.kill(pid, signal.SIGKILL)
        await until(lambda: made.report.processes == 1)
        headers = {"mcp-session-id": session}
        after = await raw.legacy("tools/call", name="pid", headers=headers)

    assert after.status_code == 404


async def test_the_stream_hears_of_changes_again_once_the_lists_process_is_back() -> None:
    async with stdio_rig(*MODERN, "watch") as made, made.raw() as raw, made.raw() as deaf:
        headers = {"mcp-session-id": await open_session(raw)}
        async with deaf.http.stream("GET", made.url, headers=headers) as stream:
            assert stream.status_code == 200
            lists = made.backend.source.catalogue
            await until(lambda: listens(lists) == 1)
            lists.close()
            await until(lambda: made.backend.source.catalogue not in (None, lists))
            await until(lambda: listens(made.backend.source.catalogue) == 1)


def listens(channel: ModernChannel) -> int:
    return sum(
        call.message is not None and call.message.method == "subscriptions/listen"
        for call in channel.calls.values()
    )


@pytest.mark.parametrize(("process", "count"), [("PerSession", 5), ("PerUser", 2), ("Shared", 1)])
async def test_callers_of_both_eras_share_processes_as_the_owner_wants(
    process: str, count: int
) -> None:
    """architecture.md section 5: as where nothing is bridged."""
    async with (
        rig(stdio(*MODERN, process=process)) as made,
        made.raw() as mine,
        made.raw(OTHER) as other,
    ):
        await made.ready()
        sessions = [(raw, await open_session(raw)) for raw in (mine, mine, other)]
        pids = [(await call(raw, "pid", session))["pid"] for raw, session in sessions]
        pids += [(await call(raw, "pid"))["pid"] for raw in (mine, other)]
        # The end of one session is not the end of what it shares.
        await mine.http.delete(made.url, headers={"mcp-session-id": sessions[0][1]})
        after = (await call(mine, "pid", sessions[1][1]))["pid"]

    assert len(set(pids)) == count
    assert after == pids[1]


async def test_a_shared_process_is_told_of_nothing_that_it_could_ask_of_a_client() -> None:
    capabilities = {"sampling": {}, "elicitation": {}, "roots": {}, "experimental": {"x": {}}}
    async with rig(stdio(*MODERN, process="PerUser")) as made, made.raw() as raw:
        await made.ready()
        begun = await raw.legacy(
            "initialize",
            protocolVersion="2025-11-25",
            capabilities=capabilities,
            clientInfo={"name": "raw", "version": "1"},
        )
        session = begun.headers["mcp-session-id"]
        told = (await call(raw, "echo", session))["params"]["_meta"]

    assert told["io.modelcontextprotocol/clientCapabilities"] == {"experimental": {"x": {}}}


@pytest.mark.parametrize(("process", "heard"), [("PerUser", True), ("Shared", False)])
async def test_what_a_shared_process_logs_is_its_users_alone(process: str, heard: bool) -> None:
    """Nobody can tell whose call it was about."""
    async with rig(stdio(*MODERN, "logs", process=process)) as made, made.raw() as raw:
        await made.ready()
        session = await open_session(raw)
        headers = {"mcp-session-id": session}
        await raw.legacy("logging/setLevel", level="debug", headers=headers)
        answer = await raw.legacy("tools/call", name="mutter", headers=headers)

    assert (b"muttered" in answer.content) is heard
    assert b'"done":true' in answer.content.replace(b" ", b"")


async def test_a_session_ends_for_good_where_its_owner_wants_that() -> None:
    async with stdio_rig(*MODERN, onSessionLoss="End") as made, made.raw() as raw:
        session = await open_session(raw)
        await raw.http.delete(made.url, headers={"mcp-session-id": session})
        listed = await raw.legacy("tools/list", headers={"mcp-session-id": session})

    assert listed.status_code == 404


async def test_a_process_of_the_bridge_makes_room_for_another_principals() -> None:
    """It counts against the cap as any other, and is the one to go when it is the idlest."""
    async with rig(stdio(*LEGACY, maxProcesses=1)) as made:
        await made.ready()
        async with made.raw() as modern, made.raw() as legacy:
            first = (await call(modern, "pid"))["pid"]
            second = (await call(legacy, "pid", await open_session(legacy)))["pid"]
            await until(lambda: not alive(first))
            assert alive(second)
