"""Handshakes and lists that cost no process: by revision and capabilities, until lists change."""

import asyncio

import pytest
from tests.proxy.conditions import until
from tests.proxy.peers.talking import Talking
from tests.proxy.rig import rig, stdio, stdio_rig
from tests.proxy.test_session import open_session
from tests.proxy.test_stdio import BOTH, LEGACY

from ostiary_proxy import catalogue
from ostiary_proxy.config import WebSocketBackend

STARTED = b'ostiary_processes_started_total{server="tools/time"} %d.0'


async def test_clients_alike_are_answered_by_one_process_and_others_by_another() -> None:
    async with stdio_rig(*LEGACY) as made, made.raw() as raw:
        for version, capabilities in (
            ("2025-11-25", {}),
            ("2025-11-25", {}),
            ("2025-11-25", {"sampling": {}}),
            ("2025-06-18", {}),
        ):
            begun = await raw.legacy(
                "initialize",
                protocolVersion=version,
                capabilities=capabilities,
                clientInfo={"name": "raw", "version": "1"},
            )
            headers = {"mcp-session-id": begun.headers["mcp-session-id"]}
            listed = await raw.legacy("tools/list", headers=headers)
            assert begun.json()["result"]["protocolVersion"] == version
            assert listed.json()["result"]["tools"][0]["name"] == "echo"
        text = made.proxy.runtime.metrics.text()

    assert STARTED % 4 in text


async def test_many_handshakes_at_once_start_one_process() -> None:
    async with stdio_rig(*LEGACY) as made, made.raw() as raw:
        answers = await asyncio.gather(*(raw.initialize() for _ in range(20)))
        text = made.proxy.runtime.metrics.text()

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["mcp-session-id"] for answer in answers}) == 20
    assert STARTED % 2 in text


async def test_pages_are_kept_by_cursor() -> None:
    async with stdio_rig(*LEGACY, "pages") as made, made.raw() as raw:
        headers = {"mcp-session-id": await open_session(raw)}
        first = (await raw.legacy("tools/list", headers=headers)).json()["result"]
        second = await raw.legacy("tools/list", cursor=first["nextCursor"], headers=headers)
        crew = len(made.backend._crew)

    assert [tool["name"] for tool in first["tools"]] == ["echo"]
    assert [tool["name"] for tool in second.json()["result"]["tools"]] == ["pid", "hidden_one"]
    assert crew == 0


async def test_a_list_that_a_server_leaves_unanswered_holds_up_no_other() -> None:
    peer = Talking(silent=frozenset({"prompts/list"}))
    async with peer.served() as port, rig(WebSocketBackend(port=port)) as made, made.raw() as raw:
        await made.ready()
        headers = {"mcp-session-id": await open_session(raw)}
        async with asyncio.timeout(catalogue.LIST_SECONDS / 2):
            listed = await raw.legacy("tools/list", headers=headers)

    assert len(listed.json()["result"]["tools"]) == 2


async def test_lists_that_changed_are_asked_for_again_and_listeners_are_told() -> None:
    async with rig(stdio(*BOTH, process="Shared")) as made, made.raw() as raw:
        await made.ready()
        session = await open_session(raw)
        headers = {"mcp-session-id": session}
        await raw.legacy("tools/list", headers=headers)
        before = set(made.backend.catalogue._profiles.values())
        async with raw.http.stream("GET", made.url, headers=headers) as stream:
            await raw.modern("tools/call", name="change")
            heard = await anext(stream.aiter_bytes())
        await raw.legacy("tools/list", headers=headers)
        after = set(made.backend.catalogue._profiles.values())

    assert b"notifications/tools/list_changed" in heard
    assert not before & after


async def test_the_number_of_kept_profiles_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "PROFILES", 2)
    async with stdio_rig(*LEGACY) as made, made.raw() as raw:
        for number in range(4):
            answer = await raw.legacy(
                "initialize",
                protocolVersion="2025-11-25",
                capabilities={"experimental": {str(number): {}}},
                clientInfo={"name": "raw", "version": "1"},
            )
            assert answer.status_code == 200
        kept = len(made.backend.catalogue._profiles)
        await until(lambda: made.backend.catalogue.processes == 0)

    assert kept == 2


async def test_a_server_that_refuses_a_handshake_is_quoted_and_begins_no_session() -> None:
    async with stdio_rig(*BOTH, "picky") as made, made.raw() as raw:
        refused = await raw.initialize("2025-06-18")
        taken = await raw.initialize("2025-11-25")
        kept = len(made.backend.catalogue._profiles)

    assert refused.json()["error"]["code"] == -32602
    assert "mcp-session-id" not in refused.headers
    assert "mcp-session-id" in taken.headers
    assert kept == 1
