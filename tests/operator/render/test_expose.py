"""Routes from outside: exact paths, no rewrite, to our own Service, and to nothing else."""

from typing import Any

import pytest
from tests.operator.build import ENV, HTTP, SETTINGS, STDIO, server

from ostiary_operator.api import MCPServer, parse_group
from ostiary_operator.api.group import MCPGroup
from ostiary_operator.render import ServerView, children, proxy_config
from ostiary_operator.render.expose import MATCHES, RULES, Exposure, exposed_paths, render_routes
from ostiary_operator.render.group_links import passthrough_path
from ostiary_proxy.config import WELL_KNOWN, Clients
from ostiary_proxy.runtime import Endpoint
from ostiary_proxy.ways import find

URL = "https://mcp.example.com/time"
GATEWAY = {"gateway": {"name": "public", "namespace": "edge", "sectionName": "https"}}
INGRESS = {
    "ingress": {
        "className": "nginx",
        "tlsSecretName": "time-tls",
        "annotations": {"nginx.ingress.kubernetes.io/proxy-buffering": "off"},
    }
}
EDGE = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "edge"}}}


def exposed(via: dict[str, Any] | None = None, *, url: str = URL, **more: Any) -> MCPServer:
    expose: dict[str, Any] = {"url": url, "allowFrom": [EDGE]}
    return server(STDIO | {"expose": expose | ({"via": via} if via else {}), **more})


def of(root: MCPServer | MCPGroup, **more: Any) -> Exposure:
    return Exposure(root.spec.expose, **more)


def routes(root: MCPServer | MCPGroup, **more: Any) -> list[dict[str, Any]]:
    return render_routes(root, of(root, **more))


def group(url: str = "https://mcp.example.com/everyday") -> MCPGroup:
    parsed = parse_group(
        {
            "apiVersion": "ostiary.dev/v1alpha1",
            "kind": "MCPGroup",
            "metadata": {"name": "everyday", "namespace": "agents", "uid": "g-1"},
            "spec": {
                "members": [{"server": {"name": "time"}}],
                "expose": {"url": url, "via": GATEWAY, "allowFrom": [EDGE]},
            },
        }
    )
    assert isinstance(parsed, MCPGroup), str(parsed)
    return parsed


def matched(route: dict[str, Any]) -> list[str]:
    return [match["path"]["value"] for rule in route["spec"]["rules"] for match in rule["matches"]]


def test_an_http_route_matches_exact_paths_and_goes_to_the_service() -> None:
    (route,) = routes(exposed(GATEWAY))

    meta = route["metadata"]
    assert (route["apiVersion"], route["kind"]) == ("gateway.networking.k8s.io/v1", "HTTPRoute")
    assert (meta["name"], meta["namespace"]) == ("time", "tools")
    assert meta["labels"]["ostiary.dev/server"] == "time"
    assert meta["ownerReferences"][0]["uid"] == "u-1"
    assert route["spec"] == {
        "parentRefs": [
            {
                "group": "gateway.networking.k8s.io",
                "kind": "Gateway",
                "namespace": "edge",
                "name": "public",
                "sectionName": "https",
            }
        ],
        "hostnames": ["mcp.example.com"],
        "rules": [
            {
                "matches": [
                    {"path": {"type": "Exact", "value": "/time"}},
                    {"path": {"type": "Exact", "value": f"{WELL_KNOWN}/time"}},
                ],
                "backendRefs": [{"group": "", "kind": "Service", "name": "time", "port": 80}],
            }
        ],
    }


def test_a_gateway_is_looked_for_beside_the_server_first() -> None:
    (route,) = routes(exposed({"gateway": {"name": "public"}}))

    assert route["spec"]["parentRefs"][0]["namespace"] == "tools"
    assert "sectionName" not in route["spec"]["parentRefs"][0]


def test_an_ingress_matches_the_same() -> None:
    (ingress,) = routes(exposed(INGRESS, tls={"secretName": "inside"}))

    backend = {"service": {"name": "time", "port": {"number": 443}}}
    assert (ingress["apiVersion"], ingress["kind"]) == ("networking.k8s.io/v1", "Ingress")
    assert ingress["metadata"]["annotations"] == INGRESS["ingress"]["annotations"]
    assert ingress["spec"] == {
        "ingressClassName": "nginx",
        "tls": [{"hosts": ["mcp.example.com"], "secretName": "time-tls"}],
        "rules": [
            {
                "host": "mcp.example.com",
                "http": {
                    "paths": [
                        {"path": path, "pathType": "Exact", "backend": backend}
                        for path in ("/time", f"{WELL_KNOWN}/time")
                    ]
                },
            }
        ],
    }


def test_the_least_ingress_leaves_everything_to_the_clusters_default() -> None:
    (ingress,) = routes(exposed({"ingress": {}}))

    assert "ingressClassName" not in ingress["spec"]
    assert ingress["spec"]["tls"] == [{"hosts": ["mcp.example.com"]}]
    assert "annotations" not in ingress["metadata"]


@pytest.mark.parametrize("url", [URL, "https://mcp.example.com/time/mcp", "https://a.example/mcp"])
def test_the_older_ways_in_are_where_the_proxy_has_them(url: str) -> None:
    root = exposed(GATEWAY, url=url, clients={"sse": True, "webSocket": True})
    assert root.spec.expose is not None
    section = proxy_config.render(root, ServerView(exposure=of(root)), SETTINGS, ENV).servers[0]
    endpoint = Endpoint.__new__(Endpoint)
    object.__setattr__(endpoint, "server", section)

    paths = [it for it in exposed_paths(root, root.spec.expose) if WELL_KNOWN not in it]

    assert section.clients == Clients(sse=True, webSocket=True)
    found = [find({root.spec.expose.path: endpoint}, path) for path in paths]
    assert [way.kind for way in found if way] == ["mcp", "sse", "messages", "webSocket"]


def test_a_group_has_paths_for_each_member_in_as_many_routes_as_it_takes() -> None:
    aliases = [f"s{number}" for number in range(100)]

    found = render_routes(group(), of(group()), map(passthrough_path, aliases))

    paths = [path for route in found for path in matched(route)]
    assert [it["metadata"]["name"] for it in found] == ["everyday-group", "everyday-group-1-mcp"]
    assert paths[:4] == [
        "/everyday",
        f"{WELL_KNOWN}/everyday",
        "/everyday/servers/s0/mcp",
        f"{WELL_KNOWN}/everyday/servers/s0/mcp",
    ]
    assert len(paths) == len(set(paths)) == 202
    for route in found:
        assert len(route["spec"]["rules"]) <= RULES
        assert all(len(rule["matches"]) <= MATCHES for rule in route["spec"]["rules"])
        refs = [rule["backendRefs"][0]["name"] for rule in route["spec"]["rules"]]
        assert set(refs) == {"everyday-group"}


def test_no_route_is_made_where_it_cannot_be_or_nobody_asked() -> None:
    missing = of(exposed(GATEWAY), has_routes=False)

    assert routes(exposed()) == []
    assert render_routes(exposed(GATEWAY), Exposure(taken_by="MCPServer a/b")) == []
    assert render_routes(exposed(GATEWAY), missing) == []
    assert missing.lacks_routes
    assert not of(exposed(INGRESS), has_routes=False).lacks_routes
    assert not of(exposed(), has_routes=False).lacks_routes


def test_document_wall_and_routes_of_a_server_agree() -> None:
    root = exposed(GATEWAY)
    view = ServerView(exposure=of(root))
    settings = SETTINGS.model_copy(update={"trustedHops": ("10.1.0.0/16",)})

    document = proxy_config.render(root, view, settings, ENV)
    wanted = children(root, view, settings, ENV)

    (section,) = document.servers
    assert section.exposed is not None
    assert (section.exposed.url, section.exposed.path) == (URL, "/time")
    assert section.url == "http://time.tools.svc/mcp"
    assert section.audiences[-1] == URL
    assert section.hosts[-1] == "mcp.example.com"
    assert document.hops == ("10.1.0.0/16",)
    (wall,) = [it for it in wanted if it["kind"] == "NetworkPolicy"]
    assert EDGE in wall["spec"]["ingress"][0]["from"]
    assert [it["kind"] for it in wanted][-2:] == ["Deployment", "HTTPRoute"]


@pytest.mark.parametrize("spec", [STDIO, HTTP])
def test_without_it_nothing_is_different(spec: dict[str, Any]) -> None:
    document = proxy_config.render(server(spec), ServerView(), SETTINGS, ENV)

    text = proxy_config.encode(document)
    assert "exposed" not in text
    assert "hops" not in text


def test_with_tls_the_edge_comes_to_the_encrypted_port() -> None:
    root = exposed(GATEWAY, tls={"secretName": "inside"})

    wanted = children(root, ServerView(exposure=of(root)), SETTINGS, ENV)

    (wall,) = [it for it in wanted if it["kind"] == "NetworkPolicy"]
    ports = [rule["ports"][0]["port"] for rule in wall["spec"]["ingress"] if EDGE in rule["from"]]
    assert ports == [8443]
