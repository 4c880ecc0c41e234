"""The matrix of eras with clients that are not of the Python SDK 2.x.

A client is a program of another environment or language, which tries all that it can in one go and
tells what came; here is what should have come.  The servers are those of test_bridge.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
import pytest_asyncio
from matrix.plan import CLIENTS, ERAS, MODULES, TRANSPORTS, Era, Peer
from matrix.standing import standing
from tests.proxy import signing, test_bridge
from tests.proxy.conditions import until
from tests.proxy.peers.features import NAMES, NEW, Features
from tests.proxy.rig import OTHER, PLANNER, Rig, http_rig, peer_command, rig, stdio
from tests.proxy.test_bridge import ALL

from ostiary_proxy import config
from ostiary_proxy.era import LEGACY

pytestmark = [*test_bridge.pytestmark, pytest.mark.timeout(1200)]  # the first waits for all

AT_ONCE: Final = 3
"""Clients; each waits for the other side most of the time."""
MOST_SECONDS: Final = 480
"""Of one client, for all that it tries."""
WAYS: Final = config.Clients(sse=True)
"""The oldest SDK knows HTTP+SSE alone."""
Cell = tuple[Peer, Era, str]
"""Client, the server's era, the server's transport."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    feature = metafunc.function.__name__.removeprefix("test_")
    cells = [
        pytest.param((client, era, transport), id=f"{client.name}-{era}-{transport}")
        for client in CLIENTS
        for transport in TRANSPORTS
        for era in ERAS
        if feature in client.features
    ]
    metafunc.parametrize("cell", cells)


@dataclass(frozen=True, slots=True)
class Told:
    """What a client told of every feature."""

    lines: dict[str, dict[str, Any]]
    errors: str

    def of(self, feature: str) -> Any:
        assert feature in self.lines, f"the client ended before it: {self.errors}"
        line = self.lines[feature]
        assert "failed" not in line, line["failed"]
        return line["said"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everything(request: pytest.FixtureRequest) -> AsyncIterator[dict[Cell, Told]]:
    """What all clients told that some test of this run asks about."""
    here = (it for it in request.session.items if it.parent is request.node)
    wanted = list(dict.fromkeys(it.callspec.params["cell"] for it in here))  # type: ignore[attr-defined]
    free = asyncio.Semaphore(AT_ONCE)
    needed = dict.fromkeys((era, transport) for _, era, transport in wanted)
    async with standing(_rigs(tuple(needed))) as rigs, asyncio.TaskGroup() as group:

        async def one(client: Peer, era: Era, transport: str) -> Told:
            async with free:
                return await _run(client, rigs[era, transport].url)

        tasks = {cell: group.create_task(one(*cell)) for cell in wanted}
        await asyncio.wait(tasks.values())
        yield {cell: task.result() for cell, task in tasks.items()}


@asynccontextmanager
async def _rigs(
    needed: tuple[tuple[Era, str], ...],
) -> AsyncIterator[dict[tuple[Era, str], Rig]]:
    made: dict[tuple[Era, str], Rig] = {}
    async with AsyncExitStack() as stack:
        for era, transport in needed:
            if transport == "http":
                app = await stack.enter_async_context(Features().http(era))
                opened = http_rig(app, policies=(ALL,), clients=WAYS)
            else:
                backend = stdio(*peer_command("features.py"), era, maxProcesses=64)
                opened = rig(backend, policies=(ALL,), clients=WAYS)
            made[era, transport] = await stack.enter_async_context(opened)
        await until(lambda: all(it.report.state == "Ready" for it in made.values()), 120.0)
        yield made


async def _run(client: Peer, url: str) -> Told:
    tokens = [signing.sign(signing.claims(who)) for who in (PLANNER, OTHER)]
    process = await asyncio.create_subprocess_exec(
        *client.command,
        *(url, *tokens, client.word, *client.features),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "MODULES": str(MODULES)},
    )
    loop = asyncio.get_running_loop()
    alarm = loop.call_later(MOST_SECONDS, process.kill)
    said, errors = await process.communicate()
    alarm.cancel()
    lines = [json.loads(line) for line in said.splitlines()]
    return Told({line["feature"]: line for line in lines}, errors.decode(errors="replace"))


@pytest.fixture
def told(request: pytest.FixtureRequest, everything: dict[Cell, Told], cell: Cell) -> Any:
    """What this test's feature brought."""
    return everything[cell].of(request.function.__name__.removeprefix("test_"))


async def test_every_revision_is_served(told: Any, cell: Cell) -> None:
    """Those of older revisions are SDKs of their time, each in the newest that it knew."""
    assert told == (cell[0].revision or (NEW if cell[0].era == "modern" else LEGACY[-1]))


async def test_who_the_server_is_reaches_the_client(told: Any) -> None:
    assert told == ["features", "7", "Try them all."]


async def test_lists_and_templates(told: Any) -> None:
    assert set(told["tools"]) >= set(NAMES)
    assert told["resources"] == ["memo:one"]
    assert told["templates"] == ["memo:{name}"]
    assert told["prompts"] == ["greet"]


async def test_calls_with_mirrored_arguments(told: Any) -> None:
    assert told == "hello"


async def test_progress(told: Any) -> None:
    assert told == ["counted", [[1, 3, "step 1"], [2, 3, "step 2"], [3, 3, "step 3"]]]


async def test_cancellation(told: Any) -> None:
    assert told == "cancelled"


async def test_logging(told: Any) -> None:
    assert told == "warning words"


async def test_sampling(told: Any) -> None:
    assert told == "mirth"


async def test_elicitation_by_form(told: Any) -> None:
    assert told == ["red", "Which colour?"]


async def test_elicitation_by_url(told: Any) -> None:
    assert told == ["accept", "Go there"]


async def test_roots(told: Any) -> None:
    assert told.rstrip("/") == "file:///home"


async def test_several_questions_in_one_call(told: Any) -> None:
    assert [each.rstrip("/") for each in told] == ["red file:///home"] * 2


async def test_a_page_that_must_be_visited_first(told: Any, cell: Cell) -> None:
    """-32042 is a legacy word, for a legacy client of a legacy server alone."""
    client, server_era, _ = cell
    refused = [-32042] if (client.era, server_era) == ("legacy", "legacy") else []
    assert told == [refused, "consented"]


async def test_two_clients_that_are_asked_at_once(told: Any) -> None:
    assert told == ["blue", "green"] * 3


async def test_a_client_that_cannot_be_asked(told: Any) -> None:
    assert told is True


async def test_resources(told: Any, cell: Cell) -> None:
    assert told == ["remember", -32602 if cell[0].era == "modern" else -32002]


async def test_prompts_and_completion(told: Any) -> None:
    assert told == ["Hello", ["Anna"]]


async def test_subscriptions_and_list_changed(told: Any) -> None:
    assert told == ["notifications/resources/updated", "notifications/tools/list_changed"]


async def test_content_crosses_whole(told: Any) -> None:
    assert told == ["audio", "resource_link"]
