"""The local role, one process: its secret stands in the place of a gateway's address."""

from typing import Any

import orjson
from tests.proxy import documents, signing
from tests.proxy.groups import (
    ELSEWHERE,
    KEY,
    LINK,
    READER,
    Member,
    headers_of,
    hello,
    member,
    token,
)
from tests.proxy.rig import modern, modern_headers, request, stdio
from tests.proxy.signing import claims, sign
from tests.proxy.test_stdio import BOTH

from ostiary_proxy import between, config

LIST = request("tools/list")


def internal(made: Member, uid: str = LINK.uid, **more: bool) -> dict[str, str]:
    headers = between.internal_headers(uid, made.proxy.runtime.internal, **more)
    return {name.decode().replace("-", "_"): value.decode() for name, value in headers}


async def test_in_one_process_its_secret_stands_for_the_gateways_address() -> None:
    async with member(stdio(*BOTH), role="local") as made:
        begun = await made.ask(hello(), key=KEY, **internal(made))
        found = await made.call("pid", **internal(made))
        refused = [
            await made.ask(LIST),
            await made.ask(LIST, **internal(made, "g-2")),
            await made.ask(LIST, Ostiary_Internal=f"{LINK.uid}.{'0' * 64}"),
            await made.ask(LIST, Ostiary_Internal=f"{LINK.uid}."),
        ]
        unkeyed = await made.ask(hello(), token(), key=KEY)

    assert (begun.status, found.status, unkeyed.status) == (200, 200, 400)
    assert [answer.status for answer in refused] == [401] * 4
    assert made.proxy.runtime.internal not in str(made.trail)
    assert made.ended()[0]["via"] == "group:agents/everyday"


async def test_in_one_process_the_gateway_reads_the_lists_by_the_secret() -> None:
    async with member(stdio(*BOTH), role="local", policies=()) as made:
        own = internal(made, catalogue=True)
        listed = await made.ask(hello(), None, **own)
        called = await made.ask(
            modern("tools/call", 1, name="pid"),
            None,
            **modern_headers("tools/call", {"name": "pid"}),
            **own,
        )
        forged = await made.ask(LIST, None, Ostiary_Catalogue="1")
        bearing = await made.ask(LIST, token(), **own)

    assert listed.status == 200
    assert called.status == 404
    assert forged.status == 401
    assert bearing.status == 403  # whoever shows a token is who that says


async def test_a_pods_proxy_knows_no_such_secret() -> None:
    async with member(stdio(*BOTH)) as made:
        secret = made.proxy.runtime.internal
        names = {"Ostiary_Internal": f"{LINK.uid}.{secret}", "Ostiary_Catalogue": "1"}
        refused = [
            await made.ask(LIST, None, local=ELSEWHERE, **names),
            await made.ask(LIST, None, **names),
            await made.ask(LIST, local=ELSEWHERE, **names),
        ]

    assert [answer.status for answer in refused] == [401] * 3


async def test_only_the_clusters_issuer_says_who_a_gateway_is() -> None:
    key = signing.key(name="local")
    body = claims(READER, aud=[config.CATALOGUE_AUDIENCE], iss=signing.LOCAL_ISSUER)
    issuers = (signing.issuer(), signing.issuer(key, kind="local"))
    async with member(stdio(*BOTH), role="local") as made:
        server = documents.server(**made.values)
        made.proxy.apply(documents.document(9, role="local", issuers=issuers, servers=(server,)))
        answer = await made.ask(LIST, sign(body, with_key=key), **internal(made))

    assert answer.status == 401


async def test_the_secret_counts_on_this_machine_alone() -> None:
    statuses: list[int] = []

    async def send(event: Any) -> None:
        statuses.extend([event["status"]] if "status" in event else [])

    async def receive() -> Any:
        return {"type": "http.request", "body": orjson.dumps(hello()), "more_body": False}

    async with member(stdio(*BOTH), role="local") as made:
        secret = between.internal_headers(LINK.uid, made.proxy.runtime.internal)
        plain = headers_of(host="localhost")
        headers = [
            (name.replace("_", "-").lower().encode(), it if isinstance(it, bytes) else it.encode())
            for name, it in plain.items()
        ]
        for address in ("127.0.0.1", "::1", "10.1.2.3", ""):
            scope = {
                "type": "http",
                "method": "POST",
                "path": "/mcp",
                "headers": [*headers, *secret],
                "client": (address, 5),
            }
            await made.proxy._app(scope, receive, send)

    assert statuses == [200, 200, 401, 401]
