"""From outside the cluster to a tool: a real client, a real edge routed as rendered, a real proxy.

The client finds the edge by the name of the exposed URL, and knows no other."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth_utils import check_resource_allowed
from tests.edge import nginx
from tests.operator.build import ENV, SETTINGS, STDIO, server
from tests.proxy import signing
from tests.proxy.certificates import Authority
from tests.proxy.rig import PLANNER, Rig, policy, rig, stdio
from tests.proxy.signing import oidc_issuer

from ostiary_operator.render import ServerView, proxy_config
from ostiary_operator.render.expose import Exposure, render_routes
from ostiary_proxy import config

HOST = "mcp.example.com"
URL = f"https://{HOST}/team/time"
INSIDE = "http://time.tools.svc/mcp"
CLIENT = "127.0.0.7"
VIAS = {
    "HTTPRoute": {"gateway": {"name": "public", "namespace": "edge"}},
    "Ingress": {"ingress": {"className": "nginx"}},
}
pytestmark = pytest.mark.usefixtures("nginx")


class Edge(httpx2.AsyncHTTPTransport):
    """A client's connections, where a name server would have told it the edge's address."""

    def __init__(self, port: int, trusted: ssl.SSLContext) -> None:
        super().__init__(verify=trusted, local_address=CLIENT, trust_env=False)
        self._port = port

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions = {**request.extensions, "sni_hostname": request.url.host}
        request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        return await super().handle_async_request(request)


@dataclass(frozen=True, slots=True)
class Way:
    rig: Rig
    port: int
    trusted: ssl.SSLContext

    def http(self, audience: str | None = URL, **headers: str) -> httpx2.AsyncClient:
        if audience is not None:
            token = signing.sign(signing.claims(PLANNER, aud=[audience]))
            headers = {**headers, "authorization": f"Bearer {token}"}
        transport = Edge(self.port, self.trusted)
        return httpx2.AsyncClient(headers=headers, transport=transport, timeout=30)

    @asynccontextmanager
    async def client(self, mode: str, http: httpx2.AsyncClient) -> AsyncIterator[Client]:
        async with (
            http,
            Client(streamable_http_client(URL, http_client=http), mode=mode) as client,
        ):
            yield client

    def calls(self) -> list[dict[str, Any]]:
        return self.rig.asked("tools/call")


@asynccontextmanager
async def way_in(folder: Path, kind: str, hops: tuple[str, ...]) -> AsyncIterator[Way]:
    """Document and routes as the operator renders them; only the backend is this machine's."""
    expose = {"url": URL, "via": VIAS[kind]}
    root = server(STDIO | {"expose": expose, "clients": {"sse": True}})
    exposure = Exposure(root.spec.expose)
    settings = SETTINGS.model_copy(update={"trustedHops": hops})
    document = proxy_config.render(root, ServerView(exposure=exposure), settings, ENV)
    authority = Authority()
    trusted = ssl.create_default_context(cadata=authority.pem.decode())
    async with rig(stdio()) as made:
        (section,) = document.servers
        own = {"backend": stdio(), "policies": (policy(),)}
        made.proxy.apply(
            document.model_copy(
                update={
                    "generation": 2,
                    "role": "local",
                    "issuers": (signing.issuer(), oidc_issuer()),
                    "servers": (section.model_copy(update=own),),
                }
            )
        )
        await made.ready()
        routes = render_routes(root, exposure)
        pair = authority.pair(HOST)
        async with nginx.routing(routes, folder, pair, upstream=made.port) as port:
            yield Way(made, port, trusted)


HOPS = (f"{nginx.ADDRESS}/32",)


@pytest.mark.parametrize("kind", VIAS)
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_clients_of_both_eras_come_in_with_a_token_for_either_url(
    tmp_path: Path, kind: str, mode: str
) -> None:
    async with way_in(tmp_path, kind, HOPS) as way:
        for audience in (URL, INSIDE):
            http = way.http(audience, **{"x-forwarded-for": "6.6.6.6"})
            async with way.client(mode, http) as client:
                tools = await client.list_tools()
                result = await client.call_tool("echo", {"text": "from outside"})

            assert "echo" in {tool.name for tool in tools.tools}
            assert "from outside" in str(result.content)

    assert len(way.calls()) == 2
    for line in way.calls():
        assert (line["outcome"], line["source"]) == ("allowed", CLIENT)
        assert line["through"] == nginx.ADDRESS


@pytest.mark.parametrize("kind", VIAS)
async def test_a_client_is_told_where_to_get_a_token_by_urls_that_it_can_reach(
    tmp_path: Path, kind: str
) -> None:
    async with way_in(tmp_path, kind, HOPS) as way, way.http(None) as http:
        refused = await http.post(URL, json={})
        _, _, where = refused.headers["www-authenticate"].partition("resource_metadata=")
        metadata = await http.get(where.strip('"'))

    found = metadata.json()
    assert refused.status_code == 401
    assert where == f'"https://{HOST}{config.WELL_KNOWN}/team/time"'
    assert found["resource"] == URL
    assert found["authorization_servers"] == [signing.OIDC]
    assert check_resource_allowed(requested_resource=URL, configured_resource=found["resource"])


async def test_a_client_that_knows_nothing_newer_comes_in_below(tmp_path: Path) -> None:
    async with way_in(tmp_path, "Ingress", HOPS) as way:

        def make(**_: Any) -> httpx2.AsyncClient:
            return way.http()

        streams = sse_client(f"{URL}/sse", httpx_client_factory=make)
        async with Client(streams, mode="legacy") as client:
            result = await client.call_tool("echo", {"text": "from outside"})

    assert "from outside" in str(result.content)
    (line,) = way.calls()
    assert (line["source"], line["through"]) == (CLIENT, nginx.ADDRESS)


async def test_what_is_not_exposed_never_comes_to_the_proxy(tmp_path: Path) -> None:
    async with way_in(tmp_path, "HTTPRoute", HOPS) as way, way.http() as http:
        answers = [
            await http.post(f"https://{HOST}{path}", json={})
            for path in ("/mcp", "/team/time/mcp", "/team", "/", "/team/time/ws")
        ]

    assert {it.text for it in answers} == {"no route\n"}
    assert not [line for line in way.rig.trail if line["event"] in ("call", "refusal")]


async def test_an_edge_that_nobody_named_is_not_believed(tmp_path: Path) -> None:
    async with (
        way_in(tmp_path, "Ingress", ("192.0.2.0/24",)) as way,
        way.client("2026-07-28", way.http()) as client,
    ):
        await client.call_tool("echo", {"text": "x"})

    (line,) = way.calls()
    assert line["source"] == nginx.ADDRESS
    assert "through" not in line


async def test_who_passes_the_edge_by_is_not_believed_either(tmp_path: Path) -> None:
    async with way_in(tmp_path, "Ingress", HOPS) as way:
        token = signing.sign(signing.claims(PLANNER, aud=[URL]))
        headers = {
            "authorization": f"Bearer {token}",
            "host": HOST,
            "x-forwarded-for": "198.51.100.9",
            "x-forwarded-host": "time.tools.svc",
        }
        transport = httpx2.AsyncHTTPTransport(local_address=CLIENT, trust_env=False)
        url = f"http://127.0.0.1:{way.rig.port}/team/time"
        http = httpx2.AsyncClient(headers=headers, transport=transport, timeout=30)
        async with (
            http,
            Client(streamable_http_client(url, http_client=http), mode="2026-07-28") as client,
        ):
            await client.call_tool("echo", {"text": "x"})

    (line,) = way.calls()
    assert line["source"] == CLIENT
    assert "through" not in line
