"""The node under the product tests: what they take for granted, seen to hold.

Most of all that NetworkPolicies are enforced: on a cluster that does not, every
test of a closed door would be worthless."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from e2e.cluster.images.recipes import PYTHON, TIME_SERVER
from e2e.cluster.kubectl import Kubectl, namespace_manifest
from e2e.cluster.waiting import eventually

SERVE = """
import http.server
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("", 8080), Hello).serve_forever()
"""
ASK = """
import sys, urllib.request
try: print(urllib.request.urlopen(sys.argv[1], timeout=2).read().decode())
except OSError as error: print("refused:", error)
"""
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def container(name: str, *command: str, image: str = PYTHON, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "securityContext": CONTAINED,
        **fields,
    }


def pod(
    namespace: str, name: str, main: Mapping[str, Any], *, init: list[Any] | None = None
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": RESTRICTED,
            "initContainers": init or [],
            "containers": [main],
        },
    }


@dataclass(frozen=True, slots=True)
class Street:
    """A web server, two neighbours, and a far one in another namespace."""

    kubectl: Kubectl
    near: str
    far: str

    def address(self, name: str) -> str:
        found = self.kubectl.get("pod", name, self.near)
        assert found is not None
        return str(found["status"]["podIP"])

    def reaches(self, caller: str, target: str) -> bool:
        namespace = self.far if caller == "far" else self.near
        done = self.kubectl.exec(caller, "python3", "-c", ASK, target, namespace=namespace)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip() == "hello"

    def resolves(self, caller: str, name: str) -> bool:
        script = f"import socket; print(socket.gethostbyname({name!r}))"
        done = self.kubectl.exec(caller, "python3", "-c", script, namespace=self.near)
        return done.returncode == 0


@pytest.fixture(scope="module")
def street(kubectl: Kubectl) -> Iterator[Street]:
    near, far = "street-near", "street-far"
    for name, labels in ((near, {}), (far, {"team": "b"})):
        kubectl.apply(namespace_manifest(name, labels))
        kubectl.eventually("sa", "default", bool, namespace=name)
    web = container("web", "python3", "-c", SERVE)
    web["readinessProbe"] = {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": near, "name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    kubectl.apply(pod(near, "web", web), service)
    for namespace, name in ((near, "client"), (near, "other"), (far, "far")):
        kubectl.apply(pod(namespace, name, container("sleep", "sleep", "100000")))
    for namespace, name in ((near, "web"), (near, "client"), (near, "other"), (far, "far")):
        kubectl.wait("condition=Ready", f"pod/{name}", namespace=namespace)
    yield Street(kubectl, near, far)
    kubectl("delete", "ns", near, far, "--wait=false")


def ingress(selector: Mapping[str, Any], *rules: Mapping[str, Any]) -> dict[str, Any]:
    return {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": list(rules)}


def egress(selector: Mapping[str, Any], *rules: Mapping[str, Any]) -> dict[str, Any]:
    return {"podSelector": selector, "policyTypes": ["Egress"], "egress": list(rules)}


def app(name: str) -> dict[str, Any]:
    return {"matchLabels": {"app": name}}


FAR = {"namespaceSelector": {"matchLabels": {"team": "b"}}, "podSelector": app("far")}
DNS_POD = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
}
DNS_PORTS = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
WEB = "http://web.street-near.svc/"

Spec = Callable[[Street], dict[str, Any] | None]
# what is applied; who then reaches the web server, and who does not
RULES: Mapping[str, tuple[Spec, Mapping[str, bool]]] = {
    "no policy": (lambda s: None, {"client": True, "other": True, "far": True}),
    "default deny": (lambda s: ingress({}), {"client": False, "far": False}),
    "namespace and pod together": (
        lambda s: ingress(
            app("web"), {"from": [FAR], "ports": [{"protocol": "TCP", "port": 8080}]}
        ),
        {"far": True, "client": False},
    ),
    "another port range": (
        lambda s: ingress(
            app("web"),
            {"from": [{"podSelector": app("client")}], "ports": [{"port": 9000, "endPort": 9100}]},
        ),
        {"client": False},
    ),
    "a block with a hole": (
        lambda s: ingress(
            app("web"),
            {
                "from": [
                    {"ipBlock": {"cidr": "10.0.0.0/8", "except": [f"{s.address('client')}/32"]}}
                ]
            },
        ),
        {"other": True, "client": False},
    ),
    "egress to DNS alone": (
        lambda s: egress(app("client"), {"to": [DNS_POD], "ports": DNS_PORTS}),
        {"client": False, "other": True},
    ),
    "egress to DNS and the web server": (
        lambda s: egress(
            app("client"),
            {"to": [DNS_POD], "ports": DNS_PORTS},
            {"to": [{"podSelector": app("web")}], "ports": [{"port": 8080}]},
        ),
        {"client": True},
    ),
    "removed again": (lambda s: None, {"client": True, "far": True}),
}


def test_the_node_is_ready(kubectl: Kubectl) -> None:
    nodes = kubectl.json("get", "nodes")["items"]

    ready = [
        condition["status"]
        for node in nodes
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    ]
    assert ready
    assert set(ready) == {"True"}


@pytest.mark.parametrize(("spec", "expected"), RULES.values(), ids=RULES.keys())
def test_network_policies_are_enforced(
    street: Street, spec: Spec, expected: Mapping[str, bool]
) -> None:
    policy = spec(street)
    if policy is None:
        street.kubectl("-n", street.near, "delete", "networkpolicy", "it", "--ignore-not-found")
    else:
        metadata = {"namespace": street.near, "name": "it"}
        kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
        street.kubectl.apply({**kind, "metadata": metadata, "spec": policy})

    def as_expected() -> bool:
        seen = {caller: street.reaches(caller, WEB) for caller in expected}
        assert seen == expected
        return True

    eventually(as_expected, seconds=15, what="the policy is enforced")


def test_a_pod_that_may_ask_dns_alone_still_resolves(street: Street) -> None:
    allowed = egress(app("client"), {"to": [DNS_POD], "ports": DNS_PORTS})
    metadata = {"namespace": street.near, "name": "dns-only"}
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}

    street.kubectl.apply({**kind, "metadata": metadata, "spec": allowed})

    eventually(lambda: not street.reaches("client", WEB), seconds=15)
    assert street.resolves("client", "web")
    street.kubectl("-n", street.near, "delete", "networkpolicy", "dns-only")


def test_a_name_that_does_not_exist_is_said_not_to(street: Street) -> None:
    assert street.resolves("client", "web.street-near.svc.cluster.local")
    assert not street.resolves("client", "nobody.street-near.svc.cluster.local")


def test_a_restricted_pod_runs_with_a_native_sidecar(
    kubectl: Kubectl, make_namespace: Callable[..., str]
) -> None:
    strict = make_namespace("strict", labels={"pod-security.kubernetes.io/enforce": "restricted"})
    sidecar = container("sidecar", "python3", "-c", SERVE, restartPolicy="Always")
    sidecar["startupProbe"] = {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1}
    check = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080').read().decode())"
    main = container("main", "python3", "-c", f"{check}; import time; time.sleep(1000)")

    kubectl.apply(pod(strict, "it", main, init=[sidecar]))
    kubectl.wait("condition=Ready", "pod/it", namespace=strict)

    # the sidecar was there before the server asked it anything
    seen = kubectl("-n", strict, "logs", "it", "-c", "main")
    assert not seen or seen.strip() == "hello"


def test_a_reference_server_from_pypi_answers_on_its_stdin(
    kubectl: Kubectl, namespace: str
) -> None:
    client = {"name": "test", "version": "1"}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
    sleeper = container("server", "sleep", "1000", image=TIME_SERVER)
    kubectl.apply(pod(namespace, "it", sleeper))
    kubectl.wait("condition=Ready", "pod/it", namespace=namespace)

    done = kubectl.run(
        "-n", namespace, "exec", "-i", "it", "--", "mcp-server-time", stdin=f"{line}\n"
    )

    assert json.loads(done.stdout.splitlines()[0])["result"]["serverInfo"]["name"]
