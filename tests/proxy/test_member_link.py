"""The way to a member: gone pods are passed by, and a member that is away is left alone."""

import asyncio
from typing import Any

import pytest
from tests.proxy import pods
from tests.proxy.rig import served

from ostiary_proxy.between import SESSION_HEADER
from ostiary_proxy.breaker import FAILURES
from ostiary_proxy.config import Member
from ostiary_proxy.member_link import Errand, MemberAwayError, MemberLink, travelling


class Backend:
    """Answers 200 and notes what came."""

    def __init__(self) -> None:
        self.heads: list[dict[bytes, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        self.heads.append(dict(scope["headers"]))
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


def linked(port: int, *addresses: str) -> MemberLink:
    async def resolve(name: str) -> frozenset[str]:
        assert name == "clock-pods.tools.svc"
        return frozenset(addresses)

    member = Member(
        alias="clock",
        namespace="tools",
        name="clock",
        uid="u",
        host="clock-pods.tools.svc",
        port=port,
    )
    clock = asyncio.get_running_loop().time
    return MemberLink(member, port=lambda: 0, resolve=resolve, clock=clock)


async def test_a_pod_that_is_gone_is_passed_by_whatever_was_to_be_sent() -> None:
    backend = Backend()
    async with served(backend) as port:
        link = linked(port, "127.0.0.1", "127.0.8.1", "127.0.8.2")
        for number in range(12):
            errand = Errand((), b"{}", key=b"%032x" % number, safe=number % 2 == 0)
            answer = await link.send(errand, 5)
            assert answer.status == 200
            answer.close()
        link.close()
    assert {head[b"host"] for head in backend.heads} == {b"clock.tools.svc"}
    assert all(SESSION_HEADER in head for head in backend.heads)


async def test_a_member_that_is_away_is_left_alone_for_a_moment() -> None:
    link = linked(pods.free_port(), "127.0.0.1")
    for _ in range(FAILURES):
        with pytest.raises(MemberAwayError):
            await link.send(Errand((), b"{}"), 5)
    sent = link.pods.pool("127.0.0.1").requests
    with pytest.raises(MemberAwayError) as away:
        await link.send(Errand((), b"{}"), 5)
    assert link.pods.pool("127.0.0.1").requests == sent
    assert away.value.seconds >= 1


async def test_the_gateways_own_look_finds_a_member_that_is_back() -> None:
    """And lets callers in again, however long the breaker would have left it alone."""
    port = pods.free_port()
    link = linked(port, "127.0.0.1")
    for _ in range(FAILURES):
        with pytest.raises(MemberAwayError):
            await link.send(Errand((), b"{}"), 5)
    assert link.breaker.open
    async with served(Backend(), port):
        (await link.send(Errand((), b"{}", looks=True), 5)).close()
        (await link.send(Errand((), b"{}"), 5)).close()
        link.close()


def test_of_a_clients_headers_few_travel() -> None:
    sent = {
        b"authorization": b"Bearer x",
        b"cookie": b"c",
        b"origin": b"o",
        b"host": b"h",
        b"mcp-session-id": b"s",
        b"ostiary-session": b"k",
        b"ostiary-internal": b"i",
        b"mcp-param-region": b"r",
        b"traceparent": b"t",
        b"x-forwarded-for": b"f",
    }
    assert dict(travelling(sent)).keys() == {b"authorization", b"mcp-param-region", b"traceparent"}
