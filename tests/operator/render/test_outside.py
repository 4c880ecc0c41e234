"""The proxy's document and its pod for a server that is elsewhere."""

from typing import Any

import pytest
from tests.operator.build import ENV, LEGACY, REMOTE, SETTINGS, http, remote, service
from tests.operator.netpol import End, admits, pod

from ostiary_operator.api import MCPServer
from ostiary_operator.render import ServerView, children, names, proxy_config
from ostiary_operator.render.deployment import render_deployment
from ostiary_operator.render.workload import Unusable, Workload
from ostiary_proxy.config import HeaderFile, HttpBackend, Outside
from ostiary_proxy.document import parse_document

WORKLOAD = Workload({"app": "legacy"}, 8000, 80)
BUNDLE = {"caBundle": {"configMapKeyRef": {"name": "ca", "key": "bundle.pem"}}}
TOKEN = HeaderFile(name="authorization", file="/etc/ostiary/upstream/header-authorization")


def made(server: MCPServer, workload: Any = None, settings: Any = SETTINGS) -> dict[str, Any]:
    """The children, by kind and name."""
    found = children(server, ServerView(workload=workload), settings, ENV)
    return {f"{it['kind']}/{it['metadata']['name']}": it for it in found}


def backend(server: MCPServer, workload: Any = None, settings: Any = SETTINGS) -> HttpBackend:
    document = proxy_config.render(server, ServerView(workload=workload), settings, ENV)
    parsed = parse_document(proxy_config.encode(document).encode(), "config.json", "sidecar")
    assert parsed == document, "the proxy takes what is rendered"
    found = document.servers[0].backend
    assert isinstance(found, HttpBackend)
    return found


def pod_spec(server: MCPServer) -> Any:
    return render_deployment(server, SETTINGS)["spec"]["template"]["spec"]


def test_a_remotes_url_is_taken_apart_and_the_clusters_own_networks_are_closed() -> None:
    settings = SETTINGS.model_copy(update={"clusterCIDRs": ("203.0.113.0/24",)})

    found = backend(remote(), settings=settings)

    assert found == HttpBackend(
        host="mcp.example.com",
        port=443,
        path="/mcp",
        outside=Outside(source="remote", headers=(TOKEN,), closed=("203.0.113.0/24",)),
    )


def test_a_service_is_spoken_to_by_its_name_and_the_servers_path() -> None:
    server = service(transport={"streamableHTTP": {"path": "/api"}})

    found = backend(server, WORKLOAD)

    assert (found.host, found.port, found.path) == ("legacy-mcp.tools.svc", 80, "/api")
    assert found.outside == Outside(source="service", tls=False)


def test_a_ca_bundle_makes_a_service_speak_tls_for_its_own_name() -> None:
    found = backend(service(upstream=BUNDLE), WORKLOAD)

    assert found.outside is not None
    assert found.outside.tls
    assert found.outside.serverName == "legacy-mcp.tools.svc"
    assert found.outside.caFile == "/etc/ostiary/upstream/ca.crt"


def test_a_service_that_cannot_be_used_has_no_address() -> None:
    unusable = Unusable("ServiceUnusable", "it is an ExternalName")

    assert backend(service(), unusable).host == "unusable.invalid"
    assert made(service(), unusable)["NetworkPolicy/time"]["spec"]["egress"][2:] == []


def test_the_pod_holds_the_proxy_alone() -> None:
    found = pod_spec(remote())

    assert [it["name"] for it in found["containers"]] == ["proxy"]
    assert "initContainers" not in found
    assert "restartPolicy" not in found["containers"][0]
    volumes = [it["name"] for it in found["volumes"]]
    assert volumes == ["ostiary-run", "ostiary-config", "ostiary-keys", "ostiary-upstream"]
    mounts = [it["name"] for it in found["containers"][0]["volumeMounts"]]
    assert sorted(mounts) == sorted(volumes)
    context = found["containers"][0]["securityContext"]
    assert context["readOnlyRootFilesystem"]
    assert context["runAsNonRoot"]
    assert found["automountServiceAccountToken"] is False
    assert found["terminationGracePeriodSeconds"] == 40


def test_credentials_are_mounted_by_key_and_are_not_optional() -> None:
    upstream = {**REMOTE["upstream"], **BUNDLE}
    volume = next(
        it for it in pod_spec(remote(upstream=upstream))["volumes"] if "upstream" in it["name"]
    )

    assert volume["projected"] == {
        "defaultMode": 0o440,
        "sources": [
            {
                "secret": {
                    "name": "saas",
                    "items": [{"key": "token", "path": "header-authorization"}],
                }
            },
            {"configMap": {"name": "ca", "items": [{"key": "bundle.pem", "path": "ca.crt"}]}},
        ],
    }


def test_a_server_without_credentials_mounts_none() -> None:
    names_of = [it["name"] for it in pod_spec(service())["volumes"]]

    assert "ostiary-upstream" not in names_of


def test_the_pod_of_an_image_is_what_it_was() -> None:
    found = pod_spec(http())

    assert [it["name"] for it in found["initContainers"]] == ["shim", "proxy"]
    assert found["initContainers"][1]["restartPolicy"] == "Always"
    assert [it["name"] for it in found["containers"]] == ["server"]


@pytest.mark.parametrize(
    ("address", "port", "open_"),
    [
        ("93.184.215.14", 443, True),
        ("2606:2800:21f::1", 443, True),
        ("93.184.215.14", 80, False),
        ("10.0.0.1", 443, False),
        ("169.254.169.254", 443, False),
        ("100.64.0.1", 443, False),
        ("fd00::1", 443, False),
        ("203.0.113.9", 443, False),
    ],
)
def test_a_remotes_pod_reaches_its_port_on_the_internet(
    address: str, port: int, open_: bool
) -> None:
    settings = SETTINGS.model_copy(update={"clusterCIDRs": ("203.0.113.0/24",)})
    wall = made(remote(), settings=settings)["NetworkPolicy/time"]

    assert admits(wall, "egress", End(address=address), port) == open_


def test_a_remote_that_is_an_address_is_reached_there_alone() -> None:
    wall = made(remote(remote={"url": "https://1.1.1.1:8443/"}))["NetworkPolicy/time"]

    assert admits(wall, "egress", End(address="1.1.1.1"), 8443)
    assert not admits(wall, "egress", End(address="1.1.1.2"), 8443)


def test_a_services_pod_reaches_the_pods_of_that_service_alone() -> None:
    wall = made(service(), WORKLOAD)["NetworkPolicy/time"]

    assert admits(wall, "egress", pod("tools", {"app": "legacy"}), 8000)
    assert not admits(wall, "egress", pod("tools", {"app": "legacy"}), 9090)
    assert not admits(wall, "egress", pod("tools", {"app": "other"}), 8000)
    assert not admits(wall, "egress", pod("other", {"app": "legacy"}), 8000)
    assert not admits(wall, "egress", End(address="93.184.215.14"), 8000)


def test_protection_admits_the_proxy_to_the_workload_and_nobody_else() -> None:
    found = made(service(), WORKLOAD)
    wall = found[f"NetworkPolicy/{names.protection('time')}"]

    assert wall["spec"]["podSelector"] == {"matchLabels": {"app": "legacy"}}
    assert wall["spec"]["policyTypes"] == ["Ingress"]
    assert wall["metadata"]["ownerReferences"][0]["uid"] == "u-1"
    assert admits(wall, "ingress", pod("tools", {"ostiary.dev/server": "time"}), 8000)
    assert not admits(wall, "ingress", pod("tools", {"ostiary.dev/server": "time"}), 9090)
    assert not admits(wall, "ingress", pod("tools"), 8000)
    assert not admits(wall, "ingress", pod("other", {"ostiary.dev/server": "time"}), 8000)
    order = list(found)
    assert order.index(f"NetworkPolicy/{names.protection('time')}") < order.index("Deployment/time")


@pytest.mark.parametrize(
    ("server", "workload"),
    [
        (service(service={"name": "legacy-mcp", "port": 80}), WORKLOAD),
        (service(), Unusable("ServiceNotFound", "not found")),
        (remote(), None),
        (http(), None),
    ],
    ids=["not asked for", "no such Service", "remote", "image"],
)
def test_without_a_workload_to_protect_there_is_no_protection(
    server: MCPServer, workload: Any
) -> None:
    assert f"NetworkPolicy/{names.protection('time')}" not in made(server, workload)


def test_the_service_of_the_test_names_a_port() -> None:
    from ostiary_operator.render.workload import read_service

    wanted = service().spec.service
    assert wanted is not None
    assert isinstance(read_service(wanted, "tools", LEGACY), Workload)
