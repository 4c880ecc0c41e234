"""A gateway and its members' pods as proxies of their own: sessions, replicas, and pods that go."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.proxy import pods, rig
from tests.proxy.conditions import until, until_asked
from tests.proxy.grouped import everything
from tests.proxy.peers.features import Features
from tests.proxy.pods import Cluster, Pod, cluster
from tests.proxy.test_bridge import ALL
from tests.proxy.test_group_service import said

from ostiary_proxy import config, member_session
from ostiary_proxy.member_pods import MemberPods

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

MODES = ("legacy", "2026-07-28")


@asynccontextmanager
async def two(**more: Any) -> AsyncIterator[tuple[Cluster, Pod]]:
    """Two members, and a gateway before them."""
    async with (
        Features().http("both") as app,
        Features().http("legacy") as other,
        rig.served(app) as port,
        rig.served(other) as other_port,
        cluster() as made,
    ):
        await made.member("clock", port, policies=(ALL,))
        await made.member("notes", other_port, policies=(ALL,))
        made.make_group(**more)
        gateway = await made.gateway()
        await made.ready(gateway)
        yield made, gateway


@pytest.mark.parametrize("mode", MODES)
async def test_calls_pass_two_proxies_with_the_callers_own_token(mode: str) -> None:
    async with two() as (made, gateway):
        async with pods.client(gateway, mode) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert {"clock_echo", "notes_echo"} <= names
            for alias in ("clock", "notes"):
                assert said(await client.call_tool(f"{alias}_echo", {"text": alias})) == alias
        for pod in made.pods:
            await pod.stop()
        for pod in made.pods:
            calls = [line for line in pod.trail if line.get("method") == "tools/call"]
            assert {line["subject"] for line in calls} == {rig.PLANNER}
        members = [line for pod in made.pods[:2] for line in pod.trail]
        via = {line.get("via") for line in members if line.get("method") == "tools/call"}
        assert via == {"group:agents/everyday"}


async def begin(raw: rig.Raw) -> dict[str, str]:
    answer = await raw.initialize()
    session = {"mcp_session_id": answer.headers["mcp-session-id"]}
    await raw.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, **session)
    return session


async def echo(raw: rig.Raw, session: dict[str, str], tool: str = "clock_echo") -> Any:
    sent = await raw.legacy(
        "tools/call", 1, headers=session, name=tool, arguments={"text": "hello"}
    )
    return sent


async def test_a_session_is_known_at_every_replica_of_the_gateway_and_outlives_each() -> None:
    async with two() as (made, first):
        second = await made.gateway()
        async with pods.raw(first.url) as one, pods.raw(second.url) as other:
            session = await begin(one)
            for raw in (one, other, one, other):
                assert (await echo(raw, session)).status_code == 200
            await made.lose(first)
            for _ in range(3):
                answer = await echo(other, session)
                assert answer.json()["result"]["content"][0]["text"] == "hello"


async def test_a_session_goes_on_when_its_members_pod_goes() -> None:
    async with two() as (made, gateway):
        await made.again("clock")
        async with pods.raw(gateway.url) as raw:
            session = await begin(raw)
            assert (await echo(raw, session)).status_code == 200
            owner = await owning(made, "clock")
            await made.lose(owner)
            for _ in range(3):
                answer = await echo(raw, session)
                assert answer.json()["result"]["content"][0]["text"] == "hello", answer.text


async def test_a_pod_whose_server_has_not_come_up_gets_no_call_while_another_is_up() -> None:
    """It has a name from its first second: an image may take minutes to arrive."""
    async with two() as (made, gateway):
        server = made.servers["clock"]
        nobody = config.HttpBackend(port=pods.free_port())
        made.servers["clock"] = server.model_copy(update={"backend": nobody})
        starting = await made.again("clock")
        async with pods.raw(gateway.url) as raw:
            async with asyncio.timeout(20):
                # The gateway hears of the new pod, and tries it, after a moment.
                while '"NotReady"' not in starting.audit.read_text():
                    answer = await echo(raw, await begin(raw))
                    assert answer.json()["result"]["content"][0]["text"] == "hello", answer.text


async def test_a_session_begins_again_where_it_is_asked_for_however_pods_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One pod begins it, and before the next word another one comes up that it now belongs to."""
    async with two() as (made, gateway):
        one = made.of_server("clock")[0].address
        other = (await made.again("clock")).address
        async with pods.raw(gateway.url) as raw:
            session = await begin(raw)
            # of each beginning: the handshake, its end, and the call
            order = iter([one, one, other, one, one, other])

            async def choose(self: MemberPods, key: bytes, but: Collection[str] = ()) -> str:
                return next(order, other) if key else one

            monkeypatch.setattr(MemberPods, "choose", choose)
            answer = await echo(raw, session)
            assert answer.json()["result"]["content"][0]["text"] == "hello", answer.text
            assert next(order, "") == ""


async def test_a_session_may_take_its_time_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that starts on a busy node: what waits for it has the time of a call."""
    monkeypatch.setattr(member_session, "TELL_SECONDS", 0.05)

    async def slow(body: bytes) -> None:
        if b'"initialize"' in body:
            await asyncio.sleep(0.3)

    async with (
        Features().http("legacy") as app,
        rig.served(delayed(app, slow)) as port,
        cluster() as made,
    ):
        await made.member("notes", port, policies=(ALL,))
        made.make_group()
        gateway = await made.gateway()
        await made.ready(gateway)
        async with pods.raw(gateway.url) as raw:
            answer = await echo(raw, await begin(raw), "notes_echo")
            assert answer.json()["result"]["content"][0]["text"] == "hello", answer.text


def delayed(app: Any, first: Callable[[bytes], Awaitable[None]]) -> Any:
    """The same application, which does this for each body before it reads it."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        async def heard() -> Any:
            message = await receive()
            await first(message.get("body", b""))
            return message

        await app(scope, heard, send)

    return serve


async def owning(made: Cluster, name: str) -> Pod:
    """The pod of that server which served a call."""

    async def found() -> bool:
        return any("tools/call" in pod.audit.read_text() for pod in made.of_server(name))

    await until_asked(found)
    return next(p for p in made.of_server(name) if "tools/call" in p.audit.read_text())


@pytest.mark.parametrize("mode", MODES)
async def test_no_call_fails_while_a_member_is_scaled_out_and_in(mode: str) -> None:
    async with two() as (made, gateway):
        done: list[str] = []
        stop = asyncio.Event()

        async def calling() -> None:
            async with pods.client(gateway, mode) as client:
                while not stop.is_set():
                    done.append(said(await client.call_tool("clock_echo", {"text": "hello"})))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(calling())
            await until(lambda: len(done) > 20)
            for _ in range(2):
                await made.again("clock")
            count = len(done)
            await until(lambda: len(done) > count + 50)
            for pod in made.of_server("clock")[:2]:
                made.forget(pod)
                await pod.drain()
                await pod.stop()
            count = len(done)
            await until(lambda: len(done) > count + 50)
            stop.set()
        assert set(done) == {"hello"}


async def test_members_get_nothing_that_a_client_did_not_mean_for_them() -> None:
    """Credentials, sessions and marks of ours end at the member's proxy."""
    seen: list[dict[bytes, bytes]] = []
    async with (
        Features().http("both") as app,
        rig.served(everything(app, seen)) as port,
        cluster() as made,
    ):
        await made.member("clock", port, policies=(ALL,))
        made.make_group()
        gateway = await made.gateway()
        await made.ready(gateway)
        for mode in MODES:
            async with pods.client(gateway, mode) as client:
                await client.call_tool("clock_echo", {"text": "x"})
    names = {name for headers in seen for name in headers}
    assert b"mcp-protocol-version" in names
    assert not {n for n in names if n.startswith(b"ostiary") or n in (b"authorization", b"cookie")}
