"""One hop to a pod that misbehaves: what is repeated, what is not, and what travels."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.proxy.peers.scripted import Reply, Scripted
from tests.proxy.rig import PLANNER, Raw, Rig, rig, stdio
from tests.proxy.test_recipe import initialize
from tests.proxy.test_stdio import LEGACY
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ostiary_proxy import forward
from ostiary_proxy import recipe as recipes
from ostiary_proxy.listener import Listener, bind
from ostiary_proxy.policy import Caller
from ostiary_proxy.recipe import Owner
from ostiary_proxy.upstream import UnreachableError

OTHER_POD = "127.0.0.3"


@dataclass
class Two:
    made: Rig
    raw: Raw
    session: str

    async def ask(self, method: str, **more: Any) -> Any:
        headers = {"mcp-session-id": self.session, **more.pop("headers", {})}
        return await self.raw.legacy(method, headers=headers, **more)


@asynccontextmanager
async def two(sibling: Scripted | None) -> AsyncIterator[Two]:
    """A proxy, and beside it a pod that holds a session and does as it is told, or is not there."""

    async def resolve(name: str) -> frozenset[str]:
        return frozenset({"127.0.0.1", OTHER_POD})

    options = {"address": "127.0.0.1", "resolve": resolve}
    async with (
        rig(stdio(*LEGACY), proxy=options, pods="time-pods") as made,
        made.raw() as raw,
    ):
        await made.ready()
        if sibling is None:
            yield Two(made, raw, session_of(made))
            return
        listener = Listener(sibling, bind(OTHER_POD, made.port), protocol=HttpToolsProtocol)
        await listener.start()
        try:
            yield Two(made, raw, session_of(made))
        finally:
            await listener.close()


async def test_an_address_that_swallows_the_try_costs_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As that of a pod does which is gone."""
    monkeypatch.setattr(forward, "DIAL_SECONDS", 0.2)
    with socket.socket() as deaf, socket.socket() as one, socket.socket() as other:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for filling in (one, other):
            filling.setblocking(False)
            filling.connect_ex(deaf.getsockname())
        pool = forward.pool_from("127.0.0.1", *deaf.getsockname())

        with pytest.raises(UnreachableError):
            async with asyncio.timeout(4):
                await pool.request(b"GET / HTTP/1.1\r\n\r\n", safe=True, seconds=60)


def session_of(made: Rig) -> str:
    caller = Caller.service_account(*PLANNER.split(":")[2:])
    snapshot = made.proxy.runtime.snapshot
    assert snapshot is not None
    owner = Owner("u", OTHER_POD)
    now = made.proxy.runtime.now()
    recipe = recipes.write(initialize().params, "2025-11-25", caller, owner, now)
    return recipes.seal(recipe, snapshot.endpoints["/mcp"].sealer, "u1")


async def test_the_callers_token_and_what_concerns_the_protocol_travel_and_nothing_else() -> None:
    sibling = Scripted()
    async with two(sibling) as both:
        answer = await both.ask(
            "tools/call",
            name="x",
            headers={"cookie": "c=1", "x-secret": "s", "traceparent": "00-1"},
        )
        seen = sibling.asked("tools/call")[0]
        authorization = both.raw.http.headers["authorization"]
        metrics = both.made.proxy.runtime.metrics.text()

    assert answer.json()["result"]["method"] == "tools/call"
    assert seen.headers["authorization"] == authorization
    assert seen.headers["ostiary-forwarded"] == "127.0.0.1"
    assert seen.headers["mcp-session-id"] == both.session
    assert seen.headers["traceparent"] == "00-1"
    assert not {"cookie", "x-secret", "origin"} & seen.headers.keys()
    assert b"ostiary_forwarded_requests_total" in metrics


async def test_a_pod_that_could_not_serve_it_is_passed_over() -> None:
    sibling = Scripted()
    busy = Reply(503, b"{}", headers={"ostiary-not-here": "1"})
    sibling.answers["tools/call"] = lambda _: busy
    async with two(sibling) as both:
        answer = await both.ask("tools/call", name="pid")

    assert answer.json()["result"]["pid"]
    assert len(sibling.asked("tools/call")) == 1


async def test_what_it_says_is_said() -> None:
    sibling = Scripted()
    sibling.answers["tools/call"] = lambda _: Reply(503, b"{}", headers={"retry-after": "7"})
    async with two(sibling) as both:
        answer = await both.ask("tools/call", name="pid")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")


async def test_a_call_that_may_have_run_is_not_repeated_and_a_list_is() -> None:
    async with two(None) as both:
        heard: list[bytes] = []

        async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"expect: 100-continue" in head:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            heard.append(await reader.readuntil(b"}"))
            writer.close()

        async with await asyncio.start_server(breaks, OTHER_POD, both.made.port):
            called = await both.ask("tools/call", name="pid")
            listed = await both.ask("tools/list")

    assert (called.status_code, called.json()["error"]["code"]) == (502, -32603)
    assert listed.status_code == 200
    assert len(heard) == 2


async def test_a_call_that_nobody_asked_the_body_of_is_made_elsewhere() -> None:
    """RFC 9110, 10.1.1: a pod that leaves between the two has not run it."""
    async with two(None) as both:
        heard: list[bytes] = []

        async def leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.close()
            heard.append(await reader.read())

        async with await asyncio.start_server(leaves, OTHER_POD, both.made.port):
            called = await both.ask("tools/call", name="pid")

    assert called.json()["result"]["pid"]
    assert heard[0].endswith(b"expect: 100-continue\r\n\r\n")
    assert b"".join(heard[1:]) == b""


async def test_a_pod_that_is_gone_is_replaced_at_once() -> None:
    async with two(None) as both:
        answer = await both.ask("tools/call", name="pid")

    assert answer.json()["result"]["pid"]
    assert [line["repaired"] for line in both.made.calls() if line.get("repaired")] == ["process"]
