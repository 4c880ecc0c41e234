"""A group from outside the cluster: the whole of it, and each member's own way below it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from tests.proxy import grouped, rig
from tests.proxy.grouped import GroupRig, group_rig

from ostiary_proxy import config
from ostiary_proxy.group_places import passthroughs

HOST = "mcp.example.com"
URL = f"https://{HOST}/all"
BELOW = f"{URL}/servers/clock/mcp"
EXPOSED = config.Exposed(url=URL, host=HOST, path="/all")


def world() -> tuple[config.Server, config.Server]:
    """As the operator writes it: a member takes what callers from outside bring."""
    link = grouped.link("clock")
    link = link.model_copy(update={"audiences": (*link.audiences, URL, BELOW)})
    clock = grouped.of("clock", rig.stdio(), groups=(link,))
    whole = grouped.group([grouped.member(clock)])
    return clock, whole.model_copy(
        update={
            "exposed": EXPOSED,
            "audiences": (*whole.audiences, URL, BELOW),
            "hosts": (*whole.hosts, HOST),
        }
    )


@asynccontextmanager
async def outside(made: GroupRig, path: str, audience: str) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {made.token(audience=audience)}", "host": HOST}
    url = f"http://127.0.0.1:{made.proxy.port}{path}"
    http = httpx2.AsyncClient(headers=headers, timeout=30)
    async with http, Client(streamable_http_client(url, http_client=http)) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "audience", "tool"),
    [("/all", URL, "clock_echo"), ("/all/servers/clock/mcp", BELOW, "echo")],
    ids=["all", "one member"],
)
async def test_a_caller_from_outside_is_served_by_the_members(
    path: str, audience: str, tool: str
) -> None:
    async with group_rig(*world()) as made:
        await made.ready()
        async with outside(made, path, audience) as client:
            names = {it.name for it in (await client.list_tools()).tools}
            result = await client.call_tool(tool, {"text": "from outside"})

    assert tool in names
    assert "from outside" in str(result.content)


async def test_a_token_for_one_members_way_opens_no_other() -> None:
    async with group_rig(*world()) as made, httpx2.AsyncClient(timeout=30) as http:
        await made.ready()
        headers = {"authorization": f"Bearer {made.token(audience=BELOW)}", "host": HOST}
        answer = await http.get(f"http://127.0.0.1:{made.proxy.port}/all", headers=headers)

    assert answer.status_code == 401


def test_each_members_way_knows_its_own_url() -> None:
    _, whole = world()

    (way,) = passthroughs(whole)

    assert way.exposed == config.Exposed(url=BELOW, host=HOST, path="/all/servers/clock/mcp")
    assert BELOW in way.audiences
    assert URL not in way.audiences
    assert passthroughs(whole.model_copy(update={"exposed": None}))[0].exposed is None
