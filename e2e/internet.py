"""A server on "the internet", for tests of what may leave a cluster.

It has an address of public space (of AS112's, which sinks what nobody should ask) on every node's
own loopback: what is sent there never leaves the machine, and the proxy's guards and the cluster's
NetworkPolicies treat it as they treat every public address."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from e2e.cluster.images.recipes import SDK_SERVERS
from e2e.cluster.kubectl import Kubectl, namespace_manifest
from e2e.cluster.pki import Authority
from e2e.world import HERE

PUBLIC: Final = "192.31.196.10"
HTTPS: Final = 443
OTHER_PORT: Final = 8444
"""Where the stand-in listens too, and no manifest says so."""
VENDOR: Final = "e2e-vendor"
NAME: Final = f"mcp.{VENDOR}.svc.cluster.local"
"""Resolves to the public address: a Service without a selector."""


@dataclass(frozen=True, slots=True)
class Vendor:
    ca: str
    other_ca: str


@contextmanager
def standing(kubectl: Kubectl, folder: Path) -> Iterator[Vendor]:
    now = datetime.now(UTC)
    authority, other = Authority(folder / "ca", now=now), Authority(folder / "other", now=now)
    pair = authority.issue(NAME, hosts=[NAME, PUBLIC], server=True)
    kubectl("delete", "ns", VENDOR, "--ignore-not-found")  # of an earlier run, on its way out
    kubectl.apply(namespace_manifest(VENDOR, {}))
    files = {"tls.crt": pair.certificate, "tls.key": pair.key, "vendor.py": _read("vendor.py")}
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    metadata = {"namespace": VENDOR, "name": "mcp"}
    kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    kubectl.apply(*_on_every_node(metadata), *_at_a_name(metadata))
    status = ("rollout", "status", "daemonset/mcp", "--timeout=120s")
    kubectl("-n", VENDOR, *status, seconds=130)
    yield Vendor(authority.path.read_text(), other.path.read_text())
    kubectl("delete", "ns", VENDOR, "--wait=false")


def _read(name: str) -> bytes:
    return (HERE / name).read_bytes()


def _on_every_node(metadata: dict[str, str]) -> list[dict[str, Any]]:
    labels = {"app": "mcp"}
    serve = ["python3", "-m", "everything", "http", "--stateless", "--host", PUBLIC]
    tls = ["--certificate", "/vendor/tls.crt", "--key", "/vendor/tls.key"]
    address = ["python3", "/vendor/vendor.py", PUBLIC, "--"]

    def container(port: int) -> dict[str, Any]:
        return {
            "name": f"port-{port}",
            "image": SDK_SERVERS,
            "imagePullPolicy": "IfNotPresent",
            "command": [*address, *serve, *tls, "--port", str(port)],
            "securityContext": {"runAsUser": 0, "capabilities": {"add": ["NET_ADMIN"]}},
            "readinessProbe": {"tcpSocket": {"host": PUBLIC, "port": port}, "periodSeconds": 1},
            "volumeMounts": [{"name": "vendor", "mountPath": "/vendor"}],
        }

    pod = {
        "hostNetwork": True,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [container(HTTPS), container(OTHER_PORT)],
        "volumes": [{"name": "vendor", "secret": {"secretName": "mcp"}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return [{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec}]


def _at_a_name(metadata: dict[str, str]) -> list[dict[str, Any]]:
    ports = [{"name": "https", "port": HTTPS}]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"clusterIP": "None", "ports": ports},
    }
    addresses = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata | {"labels": {"kubernetes.io/service-name": "mcp"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [PUBLIC], "conditions": {"ready": True}}],
        "ports": ports,
    }
    return [service, addresses]
