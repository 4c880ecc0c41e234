"""Pinned tool sets of servers that are no child of ours: on a port, and on the internet."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.proxy.conditions import until, until_asked
from tests.proxy.peers.scripted import Reply, Scripted, Seen, result
from tests.proxy.rig import Raw, Rig, rig, served
from tests.proxy.test_companion import free_port
from tests.proxy.test_pins import ADD, CHANGES, GET, approving

from ostiary_proxy import config


@dataclass
class Turncoat(Scripted):
    """Tells of these tools, and runs any that it is told to."""

    tools: list[dict[str, Any]] = field(default_factory=lambda: [ADD, GET])

    def __post_init__(self) -> None:
        self.answers["tools/list"] = self._listed
        self.answers["tools/call"] = self._called

    def _listed(self, seen: Seen) -> Reply:
        return Reply(body=result(seen.body["id"], {"tools": self.tools}))

    def _called(self, seen: Seen) -> Reply:
        text = f"ran {seen.body['params']['name']}"
        return Reply(body=result(seen.body["id"], {"content": [{"type": "text", "text": text}]}))


SOURCES: dict[str, config.Outside | None] = {
    "beside": None,
    "service": config.Outside(source="service", tls=False, loopback=True),
    "remote": config.Outside(source="remote", tls=False, loopback=True),
}


@asynccontextmanager
async def pinned(
    app: Turncoat, outside: config.Outside | None, pin: config.Pin
) -> AsyncIterator[tuple[Rig, Raw]]:
    async with served(app) as port:
        backend = config.HttpBackend(port=port, outside=outside)
        async with (
            rig(backend, tools=config.ToolFilter(pin=pin)) as made,
            made.raw() as raw,
        ):
            if outside is None or outside.source == "service":
                await made.ready()
            yield made, raw


async def listed(raw: Raw, era: str) -> set[str]:
    ask = raw.modern if era == "modern" else raw.legacy
    return {tool["name"] for tool in (await ask("tools/list")).json()["result"]["tools"]}


async def all_listed(raw: Raw, era: str) -> bool:
    return await listed(raw, era) == {"add", "get"}


async def runs(raw: Raw, era: str, name: str) -> bool:
    ask = raw.modern if era == "modern" else raw.legacy
    return f"ran {name}" in (await ask("tools/call", name=name, arguments={})).text


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("source", SOURCES)
async def test_a_change_is_met_by_the_list_that_would_show_it(source: str, era: str) -> None:
    app = Turncoat()
    async with pinned(app, SOURCES[source], approving(ADD, GET)) as (_, raw):
        assert await listed(raw, era) == {"add", "get"}
        assert await runs(raw, era, "add")
        for change in CHANGES.values():
            app.tools = [{**ADD, **change}, GET]
            assert await listed(raw, era) == {"get"}
            assert not await runs(raw, era, "add")
            assert await runs(raw, era, "get")
            app.tools = [ADD, GET]
            await until_asked(lambda: all_listed(raw, era))


@pytest.mark.parametrize("source", SOURCES)
async def test_a_tool_that_was_never_listed_is_not_run(source: str) -> None:
    """The very first request is a call: nothing is taken on trust.  A remote is asked nothing by
    us, so that what it has is known from the first list that passes by."""
    app = Turncoat(tools=[{**ADD, "description": "other"}, GET])
    async with pinned(app, SOURCES[source], approving(ADD, GET)) as (_, raw):
        assert not await runs(raw, "modern", "add")
        assert not await runs(raw, "modern", "hidden")
        if source == "remote":
            assert not await runs(raw, "modern", "get")
            assert await listed(raw, "modern") == {"get"}
        assert await runs(raw, "modern", "get")
        assert not await runs(raw, "modern", "add")


PEER = """
import sys
import uvicorn
from tests.proxy.peers.everything import Peer
uvicorn.run(Peer().server.sse_app(), port=int(sys.argv[1]), log_level="error")
"""


async def test_a_server_of_http_and_sse_that_grows_a_tool_shows_it_to_nobody() -> None:
    """A real server, of the SDK's own transport."""
    port = free_port()
    root = str(Path(__file__).parents[2])
    command = (sys.executable, "-c", PEER, str(port))
    backend = config.SseBackend(port=port, command=command, env={"PYTHONPATH": root})
    async with rig(backend, tools=config.ToolFilter(pin=config.Pin(mode="Warn"))) as made:
        await until(lambda: made.report.state == "Ready", 120)
        known = made.report.tools
        pins = tuple(config.ToolPin(name=tool.name, digest=tool.digest) for tool in known)
        made.apply(tools=config.ToolFilter(pin=config.Pin(mode="Enforce", tools=pins)))
        async with made.client("legacy") as client:
            before = {tool.name for tool in (await client.list_tools()).tools}
            await client.call_tool("grow", {})
            after = {tool.name for tool in (await client.list_tools()).tools}
    assert "grow" in before
    assert before == after


async def test_the_metric_counts_what_nobody_approved() -> None:
    app = Turncoat()
    async with pinned(app, None, approving(ADD, mode="Warn")) as (made, raw):

        def counted() -> bool:
            text = made.proxy.runtime.metrics.text().decode()
            return 'ostiary_tools_unapproved{server="tools/time"} 1' in text

        await until(counted)
        app.tools = [ADD]
        made.proxy.backends._by_path["/mcp"].look_again()
        await until(lambda: not counted())
        assert await listed(raw, "legacy") == {"add"}
