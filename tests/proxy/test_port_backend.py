"""Servers on a port that are spoken to like children, with and without a process of ours."""

import sys
from pathlib import Path
from typing import Any

import pytest
from tests.proxy.conditions import until
from tests.proxy.rig import rig
from tests.proxy.test_companion import free_port

from ostiary_proxy.config import SseBackend, WebSocketBackend

SERVER = """
import sys
from tests.proxy.peers.everything import Peer
import uvicorn
uvicorn.run(Peer().server.sse_app(), port=int(sys.argv[1]), log_level="error")
"""


async def test_the_local_role_starts_the_server_and_ends_it() -> None:
    port = free_port()
    root = str(Path(__file__).parents[2])
    command = (sys.executable, "-c", SERVER, str(port))
    backend = SseBackend(port=port, command=command, env={"PYTHONPATH": root})
    async with rig(backend) as made:
        await until(lambda: made.report.state == "Ready", 120)
        assert made.report.processes == 1
        async with made.client("legacy") as client:
            said = await client.call_tool("echo", {"text": "here"})

    assert said.content[0].text == "here"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("spoken", "mode"), [("2025-06-18", "2026-07-28"), ("2026-07-28", "legacy")]
)
async def test_clients_of_the_other_era_are_served_too(spoken: Any, mode: str) -> None:
    """Obligations 51 and 52: the bridge knows of no transport."""
    port = free_port()
    root = str(Path(__file__).parents[2])
    command = (sys.executable, "-c", SERVER, str(port))
    backend = SseBackend(port=port, command=command, env={"PYTHONPATH": root}, protocol=spoken)
    async with rig(backend) as made:
        await until(lambda: made.report.state == "Ready", 120)
        async with made.client(mode) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            said = await client.call_tool("echo", {"text": "here"})

        assert made.report.protocol == spoken

    assert "echo" in names
    assert said.content[0].text == "here"  # type: ignore[union-attr]


async def test_a_server_that_cannot_start_says_why() -> None:
    backend = WebSocketBackend(port=free_port(), command=("no-such-program-at-all",))
    async with rig(backend) as made:
        await until(lambda: made.report.reason == "CommandNotFound")
        assert made.report.processes == 0
