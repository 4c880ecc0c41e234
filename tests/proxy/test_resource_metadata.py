"""What a client is told of where to get a token, and that nothing hints at it where there is none.

Obligation 58.  Security row 5 as far as a resource server has it: the issuer is named as its own
metadata does."""

from typing import Any

import httpx2
import pytest
from tests.proxy import documents, signing
from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import Rig, http_rig, request
from tests.proxy.signing import oidc_issuer, person, sign
from tests.proxy.wire import Wire

from ostiary_proxy import config

WELL_KNOWN = "/.well-known/oauth-protected-resource"
ISSUERS = (signing.issuer(), oidc_issuer())
AUDIENCES = (signing.AUDIENCE, "http://time.tools.svc.cluster.local/mcp", "http://time.tools/mcp")
HOSTS = ("time.tools.svc", "time.tools.svc.cluster.local", "time.tools", "time")


def with_issuers(rig: Rig, **values: Any) -> None:
    server = documents.server(**{**(rig.values or {}), **values})
    document = documents.document(rig.generation, role="local", issuers=ISSUERS, servers=(server,))
    rig.proxy.apply(document)
    rig.generation += 1


async def get(rig: Rig, path: str, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as http:
        return await http.get(f"http://127.0.0.1:{rig.port}{path}", headers=headers)


@pytest.mark.parametrize("path", [WELL_KNOWN, f"{WELL_KNOWN}/mcp"])
@pytest.mark.parametrize(
    ("host", "resource"),
    [
        ("time.tools.svc", "http://time.tools.svc/mcp"),
        ("TIME.tools.svc:80", "http://time.tools.svc/mcp"),
        ("time.tools.svc.cluster.local", "http://time.tools.svc.cluster.local/mcp"),
        ("time.tools", "http://time.tools/mcp"),
        ("time", "http://time.tools.svc/mcp"),
        ("localhost:9999", "http://localhost:9999/mcp"),
        ("[::1]:9999", "http://[::1]:9999/mcp"),
    ],
)
async def test_the_resource_is_the_audience_whose_host_was_asked(
    path: str, host: str, resource: str
) -> None:
    async with http_rig(Scripted()) as rig:
        with_issuers(rig, audiences=AUDIENCES, hosts=HOSTS)

        answer = await get(rig, path, host=host)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "resource": resource,
        "authorization_servers": [signing.OIDC],
        "bearer_methods_supported": ["header"],
        "resource_name": "tools/time",
    }


@pytest.mark.parametrize("token", [None, "x", "expired"])
async def test_the_challenge_says_where_the_metadata_is(token: str | None) -> None:
    if token == "expired":
        token = sign(person(exp=1), typ="at+jwt")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with http_rig(Scripted()) as rig:
        with_issuers(rig)
        answer = await get(rig, "/mcp", **headers)
        where = f"http://127.0.0.1:{rig.port}{WELL_KNOWN}/mcp"
        metadata = await get(rig, where.removeprefix(f"http://127.0.0.1:{rig.port}"))

    first = 'Bearer error="invalid_token", ' if token else "Bearer "
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == f'{first}resource_metadata="{where}"'
    assert metadata.json()["resource"] == f"http://127.0.0.1:{rig.port}/mcp"


@pytest.mark.parametrize("path", [WELL_KNOWN, f"{WELL_KNOWN}/mcp"])
async def test_without_an_issuer_nothing_hints_at_a_login(path: str) -> None:
    async with http_rig(Scripted()) as rig:
        metadata = await get(rig, path)
        refused = await get(rig, "/mcp")

    assert metadata.status_code == 404
    assert metadata.headers["content-type"] == "application/json"
    assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/register",
        f"{WELL_KNOWN}/other",
        f"{WELL_KNOWN}mcp",
        f"{WELL_KNOWN}/",
    ],
)
async def test_what_is_not_ours_is_404_in_json_with_an_issuer_too(path: str) -> None:
    async with http_rig(Scripted()) as rig:
        with_issuers(rig)
        answer = await get(rig, path)

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


async def test_host_and_verb_are_checked_before_anything_is_told() -> None:
    async with http_rig(Scripted()) as rig:
        with_issuers(rig)
        strange = await get(rig, f"{WELL_KNOWN}/mcp", host="evil.example")
        page = await get(rig, f"{WELL_KNOWN}/mcp", origin="http://evil.example")
        async with httpx2.AsyncClient() as http:
            post = await http.post(f"http://127.0.0.1:{rig.port}{WELL_KNOWN}/mcp")

    assert (strange.status_code, page.status_code, post.status_code) == (421, 403, 405)
    assert post.headers["allow"] == "GET"


async def test_a_host_that_would_break_out_of_the_header_never_gets_there() -> None:
    async with http_rig(Scripted()) as rig:
        with_issuers(rig)
        async with Wire(rig.port) as wire:
            wire.writer.write(b'GET /mcp HTTP/1.1\r\nHost: localhost", x="y\r\n\r\n')
            answer = await wire.receive()

    assert answer.status == 421
    assert "www-authenticate" not in answer.headers


async def test_of_several_endpoints_each_has_its_own_and_the_root_none() -> None:
    async with http_rig(Scripted()) as rig:
        servers = tuple(
            documents.server(**{**(rig.values or {}), "path": f"/tools/{name}/mcp", "uid": name})
            for name in ("time", "notes")
        )
        rig.proxy.apply(documents.document(9, role="local", issuers=ISSUERS, servers=servers))
        one = await get(rig, f"{WELL_KNOWN}/tools/notes/mcp")
        root = await get(rig, WELL_KNOWN)

    assert one.json()["resource"] == f"http://127.0.0.1:{rig.port}/tools/notes/mcp"
    assert root.status_code == 404


async def test_a_page_of_an_allowed_origin_may_read_it() -> None:
    origin = "https://console.example"
    async with http_rig(Scripted()) as rig:
        with_issuers(rig, clients=config.Clients(allowedOrigins=(origin,)))
        answer = await get(rig, f"{WELL_KNOWN}/mcp", origin=origin)

    assert answer.headers["access-control-allow-origin"] == origin


def scoped(tool: str, scope: str) -> config.Rule:
    who = config.Subject(kind="oidc", issuer=signing.OIDC, claims={"scope": (scope,)})
    return config.Rule(name=scope, subjects=(who,), allow=config.Allow(tools=(tool,)))


async def test_insufficient_scope_is_said_only_where_a_scope_would_help() -> None:
    rules = (scoped("echo", "read"), scoped("set_*", "write"))
    policies = (config.Policy(namespace="tools", name="p", rules=rules),)
    statuses, challenges = [], []
    async with http_rig(Scripted()) as rig:
        with_issuers(rig, policies=policies)
        for scope, tool in (("", "echo"), ("read", "set_time"), ("read", "drop"), ("read", "echo")):
            headers = {
                "authorization": f"Bearer {sign(person(scope=scope), typ='at+jwt')}",
                "accept": "application/json, text/event-stream",
            }
            async with httpx2.AsyncClient() as http:
                body = request("tools/call", name=tool, arguments={})
                answer = await http.post(rig.url, json=body, headers=headers)
            statuses.append(answer.status_code)
            challenges.append(answer.headers.get("www-authenticate", ""))
        where = f'resource_metadata="http://127.0.0.1:{rig.port}{WELL_KNOWN}/mcp"'

    assert statuses == [403, 403, 200, 200]
    assert challenges[0] == f'Bearer error="insufficient_scope", scope="read", {where}'
    assert challenges[1] == f'Bearer error="insufficient_scope", scope="write", {where}'
    assert challenges[2:] == ["", ""]
