"""The Gateway API's own manifests, out of its Go module: whole, with every rule of its schema."""

from typing import Final

from e2e.cluster.kubectl import Kubectl
from e2e.cluster.programs import Module, module_folder

MODULE: Final = Module("gomod-gateway", "sigs.k8s.io/gateway-api", "gateway-api")
KIND: Final = "httproutes.gateway.networking.k8s.io"
_MANIFEST: Final = "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"


def http_routes() -> str:
    """The kind HTTPRoute, as a cluster's admin installs it."""
    return (module_folder(MODULE) / _MANIFEST).read_text()


def install(kubectl: Kubectl) -> None:
    # longer than what `kubectl apply` notes in an annotation
    kubectl.apply(http_routes(), server_side=True)
    kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{KIND}")


def remove(kubectl: Kubectl) -> None:
    kubectl("delete", "crd", KIND, "--ignore-not-found")
