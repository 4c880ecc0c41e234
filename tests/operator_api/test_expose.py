"""Ways in from outside on the real API server: made, kept, taken down, and who has a URL."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.installed import Launcher, Running, leads
from tests.operator_api.manifests import (
    API,
    Manifest,
    condition,
    group,
    member,
    says,
    server,
)

KIND = "httproutes.gateway.networking.k8s.io"
WELL_KNOWN = "/.well-known/oauth-protected-resource"
GATEWAY = {"gateway": {"name": "public", "namespace": "edge"}}
INGRESS = {"ingress": {"className": "nginx", "annotations": {"example.com/a": "b"}}}
EDGE = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "edge"}}}


@pytest.fixture(scope="module")
def operator(launcher: Launcher) -> Iterator[Running]:
    """It looks for the kind every second."""
    with launcher.running(OSTIARY_RESYNC_SECONDS="1") as running:
        leads(running)
        yield running
        assert "Traceback" not in running.logged()


@pytest.fixture
def http_routes(kubectl: Kubectl) -> Iterator[None]:
    """The kind, with as much of its schema as is written here."""
    kubectl.apply(HTTP_ROUTES)
    kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{KIND}")
    yield
    kubectl("delete", "crd", KIND, "--ignore-not-found")


class Place:
    """One namespace, asked."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self.kubectl, self.namespace = kubectl, namespace

    @property
    def host(self) -> str:
        return f"{self.namespace}.example.com"

    @property
    def url(self) -> str:
        return f"https://{self.host}/time"

    def expose(self, via: Any = None, *, name: str = "time", url: str = "") -> None:
        given = {"url": url or self.url, "allowFrom": [EDGE], **({"via": via} if via else {})}
        self.kubectl.apply(server(self.namespace, name, expose=given))

    def get(self, kind: str, name: str = "time") -> Manifest | None:
        return self.kubectl.get(kind, name, self.namespace)

    def until_there(self, kind: str, name: str = "time") -> Manifest:
        found: Manifest = eventually(lambda: self.get(kind, name), seconds=30, what=kind)
        return found

    def until_gone(self, kind: str) -> None:
        eventually(lambda: self.get(kind) is None, seconds=30, what=f"no {kind}")

    def until_said(self, kind: str, reason: str, name: str = "time") -> Manifest:
        eventually(
            lambda: says(self.get("mcpserver", name), kind, reason),
            seconds=30,
            what=f"{kind} {reason}",
        )
        return condition(self.get("mcpserver", name), kind)

    def section(self, name: str = "time") -> dict[str, Any]:
        found = self.until_there("configmap", f"{name}-proxy")
        section: dict[str, Any] = json.loads(found["data"]["config.json"])["servers"][0]
        return section


@pytest.fixture
def place(kubectl: Kubectl, namespace: str, operator: Running) -> Place:
    return Place(kubectl, namespace)


def test_an_ingress_is_made_owned_kept_and_removed(place: Place, kubectl: Kubectl) -> None:
    place.expose(INGRESS)

    ingress = place.until_there("ingress")
    root = place.get("mcpserver")
    assert root
    assert ingress["metadata"]["ownerReferences"][0]["uid"] == root["metadata"]["uid"]
    assert ingress["metadata"]["annotations"]["example.com/a"] == "b"
    assert ingress["spec"]["ingressClassName"] == "nginx"
    (rule,) = ingress["spec"]["rules"]
    assert rule["host"] == place.host
    assert [(it["path"], it["pathType"]) for it in rule["http"]["paths"]] == [
        ("/time", "Exact"),
        (f"{WELL_KNOWN}/time", "Exact"),
    ]

    kubectl("-n", place.namespace, "delete", "ingress", "time")
    again = place.until_there("ingress")
    assert again["metadata"]["uid"] != ingress["metadata"]["uid"]

    place.expose()
    place.until_gone("ingress")
    assert place.section()["exposed"]["url"] == place.url


def test_document_wall_and_status_follow_the_spec(place: Place, kubectl: Kubectl) -> None:
    place.expose()
    eventually(
        lambda: (place.get("mcpserver") or {}).get("status", {}).get("exposedURL") == place.url,
        seconds=30,
        what="exposedURL",
    )

    section = place.section()
    wall = place.until_there("networkpolicy")
    assert place.url in section["audiences"]
    assert place.host in section["hosts"]
    assert EDGE in wall["spec"]["ingress"][0]["from"]

    patch = '[{"op": "remove", "path": "/spec/expose"}]'
    kubectl("-n", place.namespace, "patch", "mcpserver", "time", "--type=json", f"-p={patch}")
    eventually(
        lambda: "exposedURL" not in (place.get("mcpserver") or {})["status"],
        seconds=30,
        what="a status without the URL",
    )
    # Which is written last.
    assert "exposed" not in place.section()
    assert EDGE not in place.until_there("networkpolicy")["spec"]["ingress"][0]["from"]


def test_the_status_of_an_exposed_group_is_written(place: Place, kubectl: Kubectl) -> None:
    """The API server refuses a status with a field that the CRD does not have, all of it."""
    kubectl.apply(server(place.namespace))
    kubectl.apply(group(place.namespace, member(place.namespace), expose={"url": place.url}))

    eventually(
        lambda: (
            (place.get("mcpgroup", "everyday") or {}).get("status", {}).get("exposedURL")
            == place.url
        ),
        seconds=30,
        what="exposedURL of the group",
    )


def test_without_the_gateway_api_it_is_said_and_the_route_comes_with_it(
    place: Place, kubectl: Kubectl, request: pytest.FixtureRequest
) -> None:
    place.expose(GATEWAY)
    said = place.until_said("ResolvedRefs", "GatewayAPIMissing")
    assert "install the Gateway API" in said["message"]
    assert place.until_there("deployment")

    request.getfixturevalue("http_routes")
    route = place.until_there(KIND)

    root = place.get("mcpserver")
    assert root
    assert route["metadata"]["ownerReferences"][0]["uid"] == root["metadata"]["uid"]
    assert route["spec"]["hostnames"] == [place.host]
    place.until_said("ResolvedRefs", "ResolvedRefs")

    kubectl("-n", place.namespace, "delete", KIND, "time")
    assert place.until_there(KIND)["metadata"]["uid"] != route["metadata"]["uid"]

    kubectl("delete", "crd", KIND)
    place.until_said("ResolvedRefs", "GatewayAPIMissing")
    kubectl.apply(HTTP_ROUTES)
    place.until_there(KIND)
    place.expose(INGRESS)
    place.until_there("ingress")
    place.until_gone(KIND)


def test_what_a_gateway_says_of_the_route_is_told(
    place: Place, kubectl: Kubectl, http_routes: None
) -> None:
    place.expose(GATEWAY)
    route = place.until_there(KIND)
    refusal = {
        "type": "Accepted",
        "status": "False",
        "reason": "NotAllowedByListeners",
        "message": "no listener takes this host",
        "observedGeneration": route["metadata"]["generation"],
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    ref = {"name": "public", "namespace": "edge"}
    parents = [{"parentRef": ref, "controllerName": "example.com/c", "conditions": [refusal]}]

    patch = json.dumps({"status": {"parents": parents}})
    words = ("--subresource=status", "--type=merge", f"-p={patch}")
    kubectl("-n", place.namespace, "patch", KIND, "time", *words)

    said = place.until_said("ResolvedRefs", "RouteRefused")
    assert "Gateway edge/public: NotAllowedByListeners" in said["message"]


def test_the_older_of_two_has_the_url_and_leaves_it_to_the_other(
    place: Place, kubectl: Kubectl
) -> None:
    place.expose(INGRESS, name="older")
    place.until_there("ingress", "older")
    older = place.get("mcpserver", "older")
    assert older
    url = older["spec"]["expose"]["url"]
    # Times of creation are whole seconds: "time" comes after "older" by its name as well.
    place.expose(INGRESS, url=url)

    said = place.until_said("Accepted", "URLTaken")
    assert f"MCPServer {place.namespace}/older" in said["message"]
    assert place.get("ingress") is None
    assert "exposed" not in place.section()
    assert url not in place.section()["audiences"]
    assert EDGE not in place.until_there("networkpolicy")["spec"]["ingress"][0]["from"]

    kubectl("-n", place.namespace, "delete", "mcpserver", "older")
    place.until_there("ingress")
    place.until_said("Accepted", "Accepted")
    assert place.section()["exposed"]["url"] == url


def test_a_group_has_a_way_in_for_the_whole_and_for_each_member(
    place: Place, kubectl: Kubectl
) -> None:
    place.kubectl.apply(
        server(place.namespace),
        {
            "apiVersion": API,
            "kind": "MCPGroup",
            "metadata": {"name": "all", "namespace": place.namespace},
            "spec": {
                "members": [{"server": {"name": "time"}, "alias": "clock"}],
                "expose": {"url": f"https://{place.host}/all", "allowFrom": [EDGE], "via": INGRESS},
            },
        },
    )

    ingress = place.until_there("ingress", "all-group")
    paths = [it["path"] for it in ingress["spec"]["rules"][0]["http"]["paths"]]
    assert paths[::2] == ["/all", "/all/servers/clock/mcp"]
    eventually(
        lambda: f"https://{place.host}/all" in place.section()["groups"][0]["audiences"],
        seconds=30,
        what="a member that takes tokens for the group's URL",
    )
    root = place.get("mcpgroup", "all")
    assert root
    assert ingress["metadata"]["ownerReferences"][0]["uid"] == root["metadata"]["uid"]
    # The older has what lies below it, too.
    place.expose(INGRESS, name="younger", url=f"https://{place.host}/all/servers/x/mcp")
    said = place.until_said("Accepted", "URLTaken", "younger")
    assert f"MCPGroup {place.namespace}/all" in said["message"]


def test_an_ingress_of_somebody_elses_with_the_name_is_left_alone(
    place: Place, kubectl: Kubectl
) -> None:
    foreign: Manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "time", "namespace": place.namespace},
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
    }
    kubectl.apply(foreign)
    place.expose(INGRESS)

    said = place.until_said("Ready", "NameTaken")

    assert f"Ingress {place.namespace}/time" in said["message"]
    assert (place.get("ingress") or {})["spec"] == foreign["spec"]


OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
HTTP_ROUTES: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": KIND,
        "annotations": {"api-approved.kubernetes.io": "unapproved, experimental-only"},
    },
    "spec": {
        "group": "gateway.networking.k8s.io",
        "names": {"kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": OPEN, "status": OPEN},
                    }
                },
            }
        ],
    },
}
