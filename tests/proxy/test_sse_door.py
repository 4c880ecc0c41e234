"""HTTP+SSE of 2024-11-05 for clients: obligation 61, security rows 7, 22 and 24."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import orjson
import pytest
from mcp import ClientSession
from mcp.client.sse import sse_client
from tests.proxy import signing
from tests.proxy.conditions import PATIENCE, until
from tests.proxy.peers.scripted import Reply, Scripted, event, result
from tests.proxy.rig import (
    OTHER,
    PLANNER,
    Rig,
    http_rig,
    modern,
    peer_command,
    policy,
    request,
    stdio_rig,
)

from ostiary_proxy.config import Clients, Limits

OPEN = Clients(sse=True, allowedOrigins=("https://app.example",))
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
ECHO = request("tools/call", 5, name="echo", arguments={"text": "ü"})


@asynccontextmanager
async def plain(**values: Any) -> AsyncIterator[Rig]:
    command = peer_command("plain.py")
    async with stdio_rig(*command, "legacy", **{"clients": OPEN, **values}) as rig:
        yield rig


class Old:
    """A client of the old transport, by hand."""

    def __init__(self, rig: Rig, http: httpx2.AsyncClient, stream: httpx2.Response) -> None:
        self._base = f"http://127.0.0.1:{rig.port}"
        self.http = http
        self._lines = stream.aiter_lines()
        self.where = ""

    async def event(self) -> tuple[str, str]:
        name, data = "", ""
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    data = line.removeprefix("data: ")
                elif not line and data:
                    return name, data
        return "", ""

    async def hear(self) -> Any:
        return orjson.loads((await self.event())[1])

    async def post(self, body: object, where: str = "", **headers: str) -> httpx2.Response:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = {"content-type": "application/json", **headers}
        url = self._base + (where or self.where)
        return await self.http.post(url, content=content, headers=sent)

    async def begin(self, version: str = "2024-11-05") -> Any:
        info = {"name": "old", "version": "1"}
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": info}
        taken = await self.post(request("initialize", 0, **params))
        assert (taken.status_code, taken.content) == (202, b"")
        answer = await self.hear()
        await self.post(INITIALIZED)
        return answer


def headers_of(who: str) -> dict[str, str]:
    return {"authorization": f"Bearer {signing.sign(signing.claims(who))}"}


@asynccontextmanager
async def opened(rig: Rig, who: str = PLANNER, **headers: str) -> AsyncIterator[Old]:
    url = f"http://127.0.0.1:{rig.port}/sse"
    async with (
        httpx2.AsyncClient(headers=headers_of(who), timeout=PATIENCE) as http,
        http.stream("GET", url, headers={"accept": "text/event-stream", **headers}) as stream,
    ):
        assert stream.status_code == 200
        old = Old(rig, http, stream)
        name, old.where = await old.event()
        assert name == "endpoint"
        yield old


async def test_the_sdks_own_client_of_the_old_transport_is_served() -> None:
    peer = Scripted(eras=("legacy",), session="up")
    async with http_rig(peer, clients=OPEN) as rig:
        url = f"http://127.0.0.1:{rig.port}/sse"
        async with (
            sse_client(url, headers=headers_of(PLANNER)) as streams,
            ClientSession(*streams) as session,
        ):
            shaken = await session.initialize()
            tools = {tool.name for tool in (await session.list_tools()).tools}
            called = await session.call_tool("echo", {"text": "grüße"})

    assert shaken.server_info.name == "scripted"
    assert tools == {"echo", "hidden_one"}
    assert not called.is_error
    (line,) = [line for line in rig.calls() if line["method"] == "tools/call"]
    assert (line["name"], line["subject"]) == ("echo", PLANNER)
    assert peer.asked("tools/call")[0].body["params"]["arguments"] == {"text": "grüße"}
    assert peer.seen[-1].verb == "DELETE"


async def test_the_endpoint_event_names_a_path_of_this_very_endpoint() -> None:
    """FastMCP #562 is the classic breakage; the path is right below a prefix too."""
    async with plain() as rig, opened(rig) as old:
        assert old.where.startswith("/messages?session_id=")
        assert len(old.where) > len("/messages?session_id=") + 24

    async with plain(path="/default/time/mcp") as rig:
        url = f"http://127.0.0.1:{rig.port}/default/time/sse"
        head = {**headers_of(PLANNER), "accept": "text/event-stream"}
        async with (
            httpx2.AsyncClient(headers=head, timeout=PATIENCE) as http,
            http.stream("GET", url) as stream,
        ):
            old = Old(rig, http, stream)
            _, old.where = await old.event()
            assert old.where.startswith("/default/time/messages?session_id=")
            await old.begin()


async def test_every_message_is_decided_by_itself() -> None:
    async with plain(policies=(policy(deny=("hidden_*",)),)) as rig, opened(rig) as old:
        await old.begin()
        await old.post(request("tools/call", 1, name="hidden_one"))
        denied = await old.hear()
        await old.post(request("tools/list", 2))
        listed = await old.hear()
        rig.apply(policies=(policy(tools=("pid",)),))
        await old.post(ECHO)
        later = await old.hear()

    assert (denied["id"], denied["error"]["code"]) == (1, -32602)
    assert {tool["name"] for tool in listed["result"]["tools"]} == {"echo", "pid"}
    assert (later["id"], later["error"]["code"]) == (5, -32602)
    refused = [line for line in rig.refusals() if line.get("method") == "tools/call"]
    assert len(refused) == 2


async def test_what_the_server_asks_and_reports_comes_on_the_stream() -> None:
    async with plain() as rig, opened(rig) as old:
        await old.begin()
        params = {"name": "progress", "_meta": {"progressToken": "t"}}
        await old.post(request("tools/call", 1, **params))
        told = [await old.hear() for _ in range(3)]
        await old.post(request("tools/call", 2, name="ask"))
        asked = await old.hear()
        await old.post({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "decline"}})
        answer = await old.hear()

    assert [it.get("method") for it in told] == ["notifications/progress"] * 2 + [None]
    assert {it["params"]["progressToken"] for it in told[:2]} == {"t"}
    assert asked["method"] == "elicitation/create"
    assert answer["result"]["answer"] == {"action": "decline"}


async def test_the_end_of_the_stream_gives_the_session_back() -> None:
    async with plain() as rig:
        async with opened(rig) as old:
            await old.begin()
            await until(lambda: rig.report.processes == 2)
        await until(lambda: rig.report.processes == 1)


async def test_a_stream_is_its_principals_alone() -> None:
    """Row 7: another's id, a made-up one and none look alike."""
    async with plain() as rig, opened(rig) as old, opened(rig, OTHER) as other:
        await old.begin()
        refused = [
            await other.post(ECHO, old.where),
            await old.post(ECHO, "/messages?session_id=" + "A" * 32),
            await old.post(ECHO, "/messages"),
            await old.post(ECHO, old.where + "&session_id=x"),
        ]
        bodies = [it.json() for it in refused]
        await old.post(ECHO)
        assert (await old.hear())["id"] == 5

    assert [it.status_code for it in refused] == [404] * 4
    for body in bodies:
        del body["error"]["data"]
    assert bodies[0] == bodies[1] == bodies[2] == bodies[3]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, -32700),
        (b"[]", {}, 400, -32600),
        (orjson.dumps([ECHO]), {}, 400, -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"x"}', {}, 400, -32600),
        (orjson.dumps(ECHO), {"content-type": "text/plain"}, 415, -32600),
        (b" " * 2000, {}, 413, -32600),
        (orjson.dumps(ECHO), {"authorization": "Bearer x"}, 401, -32603),
        (orjson.dumps(ECHO), {"origin": "https://evil.example"}, 403, -32600),
        (orjson.dumps(ECHO), {"host": "evil.example"}, 421, -32600),
    ],
)
async def test_a_post_that_is_no_message_is_refused_where_it_came(
    body: bytes, headers: dict[str, str], status: int, code: int
) -> None:
    async with plain(limits=Limits(requestBytes=1024)) as rig, opened(rig) as old:
        await old.begin()
        answer = await old.post(body, **headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_session_of_2025_03_26_may_send_batches() -> None:
    """Obligation 6, on this way in too."""
    async with plain() as rig, opened(rig) as old:
        await old.begin("2025-03-26")
        taken = await old.post([ECHO, {**ECHO, "id": 6}])
        answers = [await old.hear(), await old.hear()]

    assert taken.status_code == 202
    assert sorted(it["id"] for it in answers) == [5, 6]


async def test_where_it_is_off_there_is_nothing_there() -> None:
    async with plain(clients=Clients()) as rig, httpx2.AsyncClient() as http:
        for path in ("/sse", "/messages", "/ws"):
            url = f"http://127.0.0.1:{rig.port}{path}"
            assert (await http.get(url)).status_code == 404


async def test_a_page_that_is_listed_may_open_it() -> None:
    async with plain() as rig, opened(rig, origin="https://app.example") as old:
        answer = await old.post(INITIALIZED, origin="https://app.example")

    assert answer.headers["access-control-allow-origin"] == "https://app.example"


async def test_whoever_loses_every_rule_loses_the_stream() -> None:
    async with plain() as rig, opened(rig) as old:
        await old.begin()
        rig.apply(policies=())
        assert await old.event() == ("", "")


async def test_a_way_that_is_closed_ends_what_came_through_it() -> None:
    async with plain() as rig, opened(rig) as old:
        rig.apply(clients=Clients())
        assert await old.event() == ("", "")


async def test_an_http_backends_own_words_arrive_too() -> None:
    peer = Scripted(eras=("legacy",), session="up")
    word = b'{"jsonrpc":"2.0",\ndata: "method":"notifications/x"}'
    peer.answers["GET"] = lambda seen: Reply(
        body=[event(word)], kind="text/event-stream", hang=True
    )
    async with http_rig(peer, clients=OPEN) as rig, opened(rig) as old:
        await old.begin()
        assert await old.hear() == {"jsonrpc": "2.0", "method": "notifications/x"}
        await old.post(ECHO)
        assert (await old.hear())["id"] == 5
    await until(lambda: any(it.verb == "DELETE" for it in peer.seen))
    assert result


async def test_a_self_contained_request_needs_no_session() -> None:
    peer = Scripted()
    async with http_rig(peer, clients=OPEN) as rig, opened(rig) as old:
        await old.post(modern("tools/call", 1, name="echo"))
        assert (await old.hear())["id"] == 1

    sent = peer.asked("tools/call")[0].headers
    assert (sent["mcp-method"], sent["mcp-name"]) == ("tools/call", "echo")
    assert "mcp-session-id" not in sent


async def test_a_modern_call_whose_headers_would_repeat_an_argument_is_served() -> None:
    """Obligation 11: the stream's client has no headers to send with a message."""
    command = peer_command("plain.py")
    async with stdio_rig(*command, "mirrors", clients=OPEN) as rig, opened(rig) as old:
        await old.post(modern("tools/call", 5, name="echo", arguments={"region": "eu"}))
        said = await old.hear()

    assert said["result"]["params"]["arguments"] == {"region": "eu"}
