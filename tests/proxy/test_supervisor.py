"""The gates that every backend shares: eras, and how long a stream lives."""

import asyncio
import time

import pytest
from tests.proxy.conditions import until
from tests.proxy.peers.everything import Peer
from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import (
    PLANNER,
    http_rig,
    modern,
    rig,
    served,
    stdio_rig,
)
from tests.proxy.signing import claims, sign
from tests.proxy.streams import session_of

from ostiary_proxy import config, supervisor
from ostiary_proxy.cells import not_bridged
from ostiary_proxy.era import LEGACY, MODERN


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_caller_of_either_era_is_served_whatever_the_backend_speaks(era: str) -> None:
    """Obligation 13."""
    peer = Scripted(eras=(era,))
    async with http_rig(peer) as made, made.raw() as raw:
        discovered = await raw.modern("server/discover")
        called = await raw.modern("tools/call", name="echo")
        begun = await raw.initialize()

        assert made.report.served == (*LEGACY, *MODERN)
        assert made.report.protocol == ("2025-11-25" if era == "legacy" else "2026-07-28")
        assert made.report.notBridged == not_bridged(legacy=era == "legacy", modern=era == "modern")

    for answer in (discovered, called, begun):
        assert answer.status_code == 200
        assert "result" in answer.json()


async def test_a_revision_of_neither_era_is_told_which_there_are() -> None:
    """Obligation 10."""
    async with http_rig(Scripted(eras=("legacy",))) as made, made.raw() as raw:
        body = modern("tools/list")
        body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2031-01-01"
        answer = await raw.post(body, mcp_protocol_version="2031-01-01", mcp_method="tools/list")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32022)
    assert answer.json()["error"]["data"]["supported"] == [*MODERN]


@pytest.mark.parametrize("pinned", ["2025-06-18", "2026-07-28"])
async def test_a_pinned_backend_is_asked_in_no_other_revision(pinned: str) -> None:
    """Obligation 16."""
    peer = Scripted()
    async with (
        served(peer) as port,
        rig(config.HttpBackend(port=port, protocol=pinned)) as made,
        made.raw() as raw,
    ):
        await made.ready()
        called = await raw.modern("tools/call", name="echo")
        begun = await raw.initialize()

    assert (called.status_code, begun.status_code) == (200, 200)
    if pinned == "2026-07-28":
        assert peer.asked("initialize") == []
    else:
        assert peer.asked("server/discover") == []
        first = peer.asked("initialize")[0].body["params"]
        assert first["protocolVersion"] == pinned


async def test_a_pin_that_does_not_hold_is_said() -> None:
    peer = Scripted(eras=("legacy",))
    async with (
        served(peer) as port,
        rig(config.HttpBackend(port=port, protocol="2026-07-28")) as made,
    ):
        await until(lambda: made.report.state == "Unavailable")
        report = made.report

    assert report.reason == "ProtocolUnsupported"
    assert "spec.transport.protocol" in report.message


async def test_an_auto_client_of_a_legacy_backend_is_a_modern_one() -> None:
    peer = Scripted(eras=("legacy",), session="s1")
    async with http_rig(peer) as made, made.client("auto") as client:
        tools = await client.list_tools()

        assert client.protocol_version == "2026-07-28"

    assert [tool.name for tool in tools.tools] == ["echo", "hidden_one"]


@pytest.mark.parametrize("kind", ["http", "stdio"])
async def test_a_held_stream_ends_with_the_token_that_opened_it(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """access.md section 2: plain expiry ends GET and listen streams; calls in flight may finish."""
    monkeypatch.setattr(supervisor, "TEND_SECONDS", 0.05)
    peer = Peer()
    async with peer.http() as app:
        made = http_rig(app) if kind == "http" else stdio_rig()
        async with made as rig, rig.raw() as raw:
            headers = await session_of(raw)
            soon = sign(claims(PLANNER, exp=int(time.time()) + 5))
            headers["authorization"] = f"Bearer {soon}"
            async with raw.http.stream("GET", rig.url, headers=headers) as held:
                assert held.status_code == 200
                async with asyncio.timeout(30):
                    await held.aread()
            assert (await raw.http.get(rig.url, headers=headers)).status_code == 401
