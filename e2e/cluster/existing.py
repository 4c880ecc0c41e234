"""Somebody else's cluster behind the same face as ControlPlane, for kind, envtest and the like.

It cannot be killed and shows no audit log: tests that need that say so as NOT RUN."""

import base64
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from e2e.cluster.audit import AuditEvent
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.paths import Unavailable
from e2e.cluster.pki import private_pem, write_private
from e2e.cluster.waiting import eventually

SIGNER = "kubernetes.io/kube-apiserver-client"


class ExistingCluster:
    def __init__(self, folder: Path, *, kubeconfig: Path) -> None:
        self.folder = folder
        self.admin_kubeconfig = kubeconfig
        self._kubectl = Kubectl(kubeconfig)

    @property
    def url(self) -> str:
        return str(self._config()["clusters"][0]["cluster"]["server"])

    def kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A certificate that the cluster itself signs, as its admin approves it."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject)
        pem = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        name = f"ostiary-test-{time.time_ns()}"
        self._kubectl.create(_signing_request(name, pem))
        self._kubectl("certificate", "approve", name)
        signed = eventually(lambda: self._signed(name), what=f"certificate of {user}")
        document = self._config()
        document["users"][0]["user"] = {
            "client-certificate-data": signed,
            "client-key-data": base64.b64encode(private_pem(key)).decode(),
        }
        path = self.folder / "users" / f"{name}.kubeconfig"
        return write_private(path, json.dumps(document).encode())

    def audit_events(self, *, since: int = 0) -> list[AuditEvent]:
        raise Unavailable("a given cluster shows no audit log: run without OSTIARY_TEST_CLUSTER")

    def kill_apiserver(self) -> None:
        raise Unavailable("a given cluster is not ours to kill: run without OSTIARY_TEST_CLUSTER")

    def _config(self) -> Any:
        return self._kubectl.json("config", "view", "--raw", "--minify", "--flatten")

    def _signed(self, name: str) -> str:
        found = self._kubectl.get("csr", name)
        return found["status"].get("certificate", "") if found else ""


def _signing_request(name: str, pem: bytes) -> dict[str, Any]:
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(pem).decode(),
            "signerName": SIGNER,
            "usages": ["client auth"],
        },
    }
