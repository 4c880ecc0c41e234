"""Sessions at members: each at its first use."""

import asyncio
from typing import Any

import pytest
from tests.proxy import rig
from tests.proxy.test_group_service import both

from ostiary_proxy.member_session import gathered
from ostiary_proxy.upstream import SilentError

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


async def test_sessions_begin_at_their_first_use_and_end_everywhere() -> None:
    async with both() as made, made.raw() as raw:
        begun = await raw.initialize()
        session = {"mcp_session_id": begun.headers["mcp-session-id"]}
        listed = await raw.legacy("tools/list", headers=session)
        assert listed.json()["result"]["tools"]
        assert (await raw.legacy("ping", headers=session)).json()["result"] == {}
        called = await raw.legacy(
            "tools/call", 2, headers=session, name="legacy_echo", arguments={"text": "x"}
        )
        assert called.json()["result"]["content"][0]["text"] == "x"
        again = await raw.legacy("tasks/list", 3, headers=session)
        assert again.json()["error"]["code"] == -32601
        ended = await raw.http.delete(raw.url, headers=rig.dashed(session))
        assert ended.status_code == 204
    handshakes = [
        line["server"]
        for line in made.trail
        if line.get("method") == "initialize" and line["subject"] == rig.PLANNER
    ]
    # The gateway's own look at a member is modern: a handshake there is a client's.
    assert handshakes.count("legacy") == 1
    assert handshakes.count("modern") == 0
    deletes = [line["server"] for line in made.trail if line.get("method") == "DELETE"]
    assert sorted(deletes) == ["everyday", "legacy"]


class Trickle:
    """An answer that never ends, and is never silent."""

    @property
    def connection(self) -> "Trickle":
        return self

    async def chunk(self, seconds: float) -> bytes:
        await asyncio.sleep(0.001)
        return b":"


async def test_an_answer_that_trickles_takes_no_longer_than_a_silent_one() -> None:
    answer: Any = Trickle()
    with pytest.raises(SilentError):
        await gathered(answer, 0.05)
