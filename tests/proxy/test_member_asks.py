"""A gateway's own questions to its members, and what a token for them is good for.

Real proxies: gateways and members' pods on addresses of their own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.proxy import pods, rig, signing
from tests.proxy.conditions import until
from tests.proxy.peers.features import Features
from tests.proxy.pods import GATEWAY, Cluster, Pod, cluster
from tests.proxy.test_bridge import ALL

from ostiary_proxy import config
from ostiary_proxy.member_asks import by_token

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

CATALOGUE = {"aud": config.CATALOGUE_AUDIENCE}


@asynccontextmanager
async def one() -> AsyncIterator[tuple[Cluster, Pod, Pod]]:
    """A member's pod, and a gateway."""
    async with Features().http("both") as app, rig.served(app) as port, cluster() as made:
        member = await made.member("clock", port, policies=(ALL,))
        made.make_group()
        yield made, member, await made.gateway()


def state(gateway: Pod) -> config.MemberReport:
    return pods.report(gateway).members[0]


def test_a_token_is_read_anew_and_none_is_shown_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "token"
    identity = by_token(path)
    assert identity() == ()
    for text in ("one", "two\n"):
        path.write_text(text)
        assert identity() == ((b"authorization", b"Bearer " + text.strip().encode()),)


async def test_a_gateway_whose_token_is_not_taken_says_so_and_recovers() -> None:
    async with one() as (made, _, gateway):
        made.show("no-token")
        (member,) = gateways_members(gateway)
        member.look_again()
        await until(lambda: state(gateway).state == "Unhealthy")
        assert state(gateway).reason == "TokenRefused"
        assert "consent" in state(gateway).message
        made.show(signing.sign(signing.claims(GATEWAY, aud=config.CATALOGUE_AUDIENCE)))
        await until(lambda: state(gateway).state == "Ready", 20.0)


def gateways_members(gateway: Pod) -> Any:
    return next(iter(gateway.proxy.backends._by_path.values()))._gateway.members  # type: ignore[attr-defined]


async def test_a_stolen_catalogue_token_is_good_at_its_own_address_alone_and_for_lists_alone() -> (
    None
):
    async with one() as (_, member, gateway):
        stolen = pods.token(GATEWAY, config.CATALOGUE_AUDIENCE)
        async with pods.raw(member.url, stolen, "127.0.7.60") as thief:
            assert (await thief.modern("tools/list")).status_code == 401
        async with pods.raw(gateway.url, stolen, "127.0.7.60") as thief:
            # Nor is it good at the group itself.
            assert (await thief.modern("tools/list")).status_code == 401
        async with pods.raw(member.url, stolen, gateway.address) as at_home:
            listed = (await at_home.modern("tools/list")).json()["result"]["tools"]
            assert "echo" in {tool["name"] for tool in listed}
            for method, params in (
                ("tools/call", {"name": "echo", "arguments": {"text": "x"}}),
                ("resources/read", {"uri": "memo:one"}),
                ("prompts/get", {"name": "greet"}),
            ):
                refused = await at_home.modern(method, **params)
                assert "error" in refused.json(), method


async def test_nobody_speaks_for_a_caller_without_the_callers_own_token() -> None:
    """What a gateway holds (its address, its token, its session keys) makes no caller."""
    async with one() as (_, member, gateway):
        stolen = pods.token(GATEWAY, config.CATALOGUE_AUDIENCE)
        key = {"ostiary_session": "0" * 32}
        for bearer in (stolen, "", "ost_aaaa"):
            async with pods.raw(member.url, bearer, gateway.address) as raw:
                call = rig.modern("tools/call", name="echo", arguments={"text": "x"})
                headers = rig.modern_headers("tools/call", {"name": "echo"})
                answer = await raw.post(call, **headers, **key)
                assert answer.status_code in (400, 401, 403, 404), answer.text


async def test_a_callers_token_for_the_group_is_good_through_the_group_alone() -> None:
    async with one() as (_, member, gateway):
        async with pods.raw(member.url, pods.token(), "127.0.7.60") as beside:
            assert (await beside.modern("tools/list")).status_code == 401
        async with pods.raw(gateway.url, pods.token(), "127.0.7.60") as through:
            called = await through.modern("tools/call", name="clock_echo", arguments={"text": "x"})
            assert called.json()["result"]["content"][0]["text"] == "x"
            # The thief of a member's things has its own address, and no gateway's.
        mine = pods.token(audience="http://clock.tools.svc/mcp")
        async with pods.raw(gateway.url, mine, "127.0.7.60") as wrong:
            assert (await wrong.modern("tools/list")).status_code == 401
