"""Channels for the bridge: the arguments that headers repeat, and what counts as a process."""

from typing import Any

import orjson
import pytest
from tests.proxy.conditions import until
from tests.proxy.peers.scripted import Reply, Scripted, Seen, error, result
from tests.proxy.rig import OTHER, Raw, Rig, http_rig, rig, stdio, stdio_rig
from tests.proxy.test_legacy_client import MODERN
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import LEGACY, call

from ostiary_proxy.sources import HttpSource


def tool(header: str) -> dict[str, Any]:
    schema = {"properties": {"region": {"type": "string", "x-mcp-header": header}}}
    return {"name": "echo", "inputSchema": schema}


async def test_a_legacy_clients_call_bears_the_headers_that_its_backend_wants() -> None:
    """Obligation 49: built from the list that the last look saw."""
    peer = Scripted(eras=("modern",))
    peer.answers["tools/list"] = lambda seen: Reply(
        body=result(seen.body["id"], {"tools": [tool("Region")]})
    )
    async with http_rig(peer) as made, made.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        await raw.legacy("tools/call", name="echo", arguments={"region": "eu"}, headers=headers)
        await raw.legacy("tools/call", name="echo", arguments={}, headers=headers)

    first, second = peer.asked("tools/call")
    assert first.headers["mcp-param-region"] == "eu"
    assert "mcp-param-region" not in second.headers


async def test_headers_that_do_not_match_any_more_are_built_anew_once() -> None:
    """Obligation 49: -32020."""
    peer = Scripted(eras=("modern",))
    header = ["Old"]

    def listed(seen: Seen) -> Reply:
        return Reply(body=result(seen.body["id"], {"tools": [tool(header[0])]}))

    def called(seen: Seen) -> Reply:
        if "mcp-param-new" not in seen.headers:
            return Reply(400, error(seen.body["id"], -32020))
        return Reply(body=result(seen.body["id"], {"ok": True}))

    peer.answers |= {"tools/list": listed, "tools/call": called}
    async with http_rig(peer) as made, made.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        header[0] = "New"
        answer = await raw.legacy(
            "tools/call", name="echo", arguments={"region": "eu"}, headers=headers
        )

    assert orjson.loads(answer.content)["result"] == {"ok": True}
    assert len(peer.asked("tools/call")) == 2


async def test_the_children_of_the_bridge_are_counted() -> None:
    async with stdio_rig(*LEGACY) as made, made.raw() as raw:
        assert made.report.processes == 1
        await call(raw, "pid")
        assert made.report.processes == 2
        await raw.modern("tools/call", name="crash")
        assert made.report.processes == 1


def test_http_has_no_process_that_answers_for_everybody() -> None:
    source: Any = HttpSource.__new__(HttpSource)

    assert source.catalogue is None


CELLS = [
    pytest.param(client, words, id=f"{client}-{era}")
    for client in ("legacy", "modern")
    for era, words in (("legacy", LEGACY), ("modern", MODERN))
]


@pytest.mark.parametrize(("client", "words"), CELLS)
async def test_fifty_clients_that_only_look_around_cost_one_process(
    client: str, words: tuple[str, ...]
) -> None:
    """In every cell of 6.12: each connects, lists and leaves without a word; the next one works."""
    async with rig(stdio(*words, maxProcesses=1)) as made:
        await made.ready()
        for number in range(51):
            who = f"system:serviceaccount:agents:client-{number}"
            async with made.raw(who) as raw:
                assert await names(raw, client) == ["echo", "pid", "hidden_one"]
                if number == 0:
                    await until(lambda: made.report.processes == 1)
                    begun = started(made)
                elif number == 50:
                    await until(lambda: made.report.processes == 1)
                    assert started(made) == begun
                    session = await open_session(raw) if client == "legacy" else ""
                    assert (await call(raw, "pid", session))["pid"]


async def names(raw: Raw, client: str) -> list[str]:
    if client == "legacy":
        headers = {"mcp-session-id": await open_session(raw)}
        listed = await raw.legacy("tools/list", headers=headers)
    else:
        assert (await raw.modern("server/discover")).status_code == 200
        listed = await raw.modern("tools/list")
    return [tool["name"] for tool in listed.json()["result"]["tools"]]


def started(made: Rig) -> bytes:
    text = made.proxy.runtime.metrics.text().splitlines()
    (line,) = [it for it in text if it.startswith(b"ostiary_processes_started_total{")]
    return bytes(line)


async def test_a_modern_client_sees_what_its_own_calls_have_changed() -> None:
    async with stdio_rig(*LEGACY) as made, made.raw() as mine, made.raw(OTHER) as other:
        await call(mine, "grow")
        grown, plain = await names(mine, "modern"), await names(other, "modern")
        told = (await other.modern("tools/list")).json()["result"]

    assert told["resultType"] == "complete"
    assert grown == [*plain, "grown"]


async def test_a_cursor_that_is_none_is_said_in_the_clients_era() -> None:
    async with stdio_rig(*LEGACY, "pages") as made, made.raw() as raw:
        first = (await raw.modern("tools/list")).json()["result"]
        second = (await raw.modern("tools/list", cursor=first["nextCursor"])).json()["result"]
        wrong = await raw.modern("tools/list", cursor="7")
        await until(lambda: made.report.processes == 1)

    assert [tool["name"] for tool in (*first["tools"], *second["tools"])] == [
        "echo",
        "pid",
        "hidden_one",
    ]
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, -32602)


async def test_lists_may_be_each_callers_own() -> None:
    async with rig(stdio(*LEGACY, lists="PerSession")) as made, made.raw() as raw:
        await made.ready()
        await names(raw, "modern")
        assert made.report.processes == 2
