"""The way in from outside the cluster: its own path, Host, audience and metadata, beside the rest.

Obligation 58: what is told of the resource follows from the config, not from the request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import orjson
import pytest
from tests.proxy import documents, signing
from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import PLANNER, Rig, http_rig, request
from tests.proxy.signing import oidc_issuer

from ostiary_proxy import config

HOST = "mcp.example.com"
URL = f"https://{HOST}:8443/team/time"
EXPOSED = config.Exposed(url=URL, host=HOST, path="/team/time")
INSIDE = signing.AUDIENCE
WAYS = {
    "exposed": EXPOSED,
    "audiences": (INSIDE, URL),
    "hosts": ("time.tools.svc", HOST),
    "clients": config.Clients(sse=True, webSocket=True),
}
CALL = orjson.dumps(request("tools/call", name="echo", arguments={}))


@asynccontextmanager
async def exposed(*, issuers: bool = True, **more: Any) -> AsyncIterator[Rig]:
    known = (signing.issuer(), oidc_issuer()) if issuers else (signing.issuer(),)
    async with http_rig(Scripted()) as rig:
        own = {"policies": more.pop("policies")} if "policies" in more else {}
        served = documents.server(**{**(rig.values or {}), **WAYS, **own})
        rig.proxy.apply(
            documents.document(
                rig.generation, role="local", issuers=known, servers=(served,), **more
            )
        )
        yield rig


async def ask(
    rig: Rig, path: str, *, audience: str = "", verb: str = "POST", **headers: str
) -> httpx2.Response:
    sent = {
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    if audience:
        token = signing.sign(signing.claims(PLANNER, aud=[audience]))
        sent["authorization"] = f"Bearer {token}"
    async with httpx2.AsyncClient(timeout=30) as http:
        content = CALL if verb == "POST" else None
        url = f"http://127.0.0.1:{rig.port}{path}"
        return await http.request(verb, url, headers=sent, content=content)


@pytest.mark.parametrize("audience", [INSIDE, URL], ids=["inside", "outside"])
@pytest.mark.parametrize(
    ("path", "host"), [("/mcp", "time.tools.svc"), ("/team/time", f"{HOST}:8443")]
)
async def test_either_url_is_served_with_a_token_for_either(
    audience: str, path: str, host: str
) -> None:
    async with exposed() as rig:
        answer = await ask(rig, path, audience=audience, host=host)

    assert answer.status_code == 200
    assert "result" in answer.text


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/team/time", "evil.example", 421),
        ("/team/time/", HOST, 404),
        ("/team", HOST, 404),
        ("/team/time/mcp", HOST, 404),
        ("//team/time", HOST, 400),
    ],
)
async def test_nothing_else_is_served(path: str, host: str, status: int) -> None:
    async with exposed() as rig:
        answer = await ask(rig, path, audience=URL, host=host)

    assert answer.status_code == status


async def test_a_token_for_another_path_of_the_host_is_refused() -> None:
    async with exposed() as rig:
        answer = await ask(rig, "/team/time", audience=URL + "r", host=HOST)

    assert answer.status_code == 401


@pytest.mark.parametrize("host", [HOST, f"{HOST}:8443", HOST.upper()])
async def test_outside_metadata_and_challenge_name_the_url_outside(host: str) -> None:
    async with exposed() as rig:
        refused = await ask(rig, "/team/time", host=host)
        place = f"{config.WELL_KNOWN}/team/time"
        metadata = await ask(rig, place, verb="GET", host=host)

    where = f"https://{HOST}:8443{place}"
    assert refused.headers["www-authenticate"] == f'Bearer resource_metadata="{where}"'
    assert metadata.json()["resource"] == URL


async def test_inside_they_name_the_url_inside() -> None:
    async with exposed() as rig:
        refused = await ask(rig, "/mcp", host="time.tools.svc")
        metadata = await ask(rig, f"{config.WELL_KNOWN}/mcp", verb="GET", host="time.tools.svc")

    where = f"http://time.tools.svc{config.WELL_KNOWN}/mcp"
    assert refused.headers["www-authenticate"] == f'Bearer resource_metadata="{where}"'
    assert metadata.json()["resource"] == INSIDE


async def test_without_an_issuer_nothing_outside_hints_at_a_login() -> None:
    async with exposed(issuers=False) as rig:
        metadata = await ask(rig, f"{config.WELL_KNOWN}/team/time", verb="GET", host=HOST)

    assert metadata.status_code == 404


async def test_the_older_ways_in_lie_below_it() -> None:
    async with (
        exposed() as rig,
        httpx2.AsyncClient(timeout=30) as http,
        http.stream(
            "GET",
            f"http://127.0.0.1:{rig.port}/team/time/sse",
            headers={
                "accept": "text/event-stream",
                "host": HOST,
                "authorization": f"Bearer {signing.sign(signing.claims(PLANNER, aud=[URL]))}",
            },
        ) as stream,
    ):
        lines = stream.aiter_lines()
        first = [await anext(lines), await anext(lines)]

    assert first[0] == "event: endpoint"
    assert first[1].startswith("data: /team/time/messages?")


FORWARDED = {
    "x_forwarded_for": "6.6.6.6, 198.51.100.1",
    "x_forwarded_proto": "https",
    "x_forwarded_host": HOST,
}


async def test_a_hop_is_believed_about_client_and_host() -> None:
    async with exposed(hops=("127.0.0.0/8",)) as rig:
        # It rewrote the Host, as some do.
        answer = await ask(rig, "/team/time", audience=URL, host="10.0.0.7:8080", **FORWARDED)
        refused = await ask(rig, "/team/time", host="10.0.0.7:8080", **FORWARDED)

    assert answer.status_code == 200
    assert f'"https://{HOST}:8443/' in refused.headers["www-authenticate"]
    assert {(it["source"], it["through"]) for it in rig.trail if it.get("server")} == {
        ("198.51.100.1", "127.0.0.1")
    }


async def test_who_is_no_hop_is_not_believed() -> None:
    async with exposed(hops=("10.0.0.0/8",)) as rig:
        answer = await ask(rig, "/team/time", audience=URL, host=HOST, **FORWARDED)
        misled = await ask(rig, "/team/time", audience=URL, host="10.0.0.7", **FORWARDED)

    assert (answer.status_code, misled.status_code) == (200, 421)
    found = [it for it in rig.trail if it.get("server")]
    assert {it["source"] for it in found} == {"127.0.0.1"}
    assert not any("through" in it for it in found)


async def test_a_hop_that_speaks_of_a_pod_of_ours_makes_nobody_one() -> None:
    """What comes from a sibling is told by the connection's own address alone."""
    async with exposed(hops=("127.0.0.0/8",)) as rig:
        headers = {**FORWARDED, "x_forwarded_for": "10.0.0.2", "ostiary_forwarded": "1.1.1.1"}
        answer = await ask(rig, "/team/time", audience=URL, host=HOST, **headers)

    assert answer.status_code == 403
    assert rig.refusals()[-1]["reason"] == "NotASibling"
