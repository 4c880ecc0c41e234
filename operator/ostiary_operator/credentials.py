"""Where the API server is and how to prove who we are: in a pod, or from a KUBECONFIG.

Reads files and the environment given to it; opens no connection.  A token file is read again for
every request, because the kubelet replaces it while we run.  Exec plugins and passwords are not
supported: the operator runs as a ServiceAccount, and a KUBECONFIG is for its developers.
"""

import asyncio
import base64
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ACCOUNT_DIR: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet mounts the pod's own token, CA and namespace."""


class NoCredentials(Exception):
    """Neither a pod's account nor a usable KUBECONFIG; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    server: str
    tls: ssl.SSLContext | None = None
    token: str = ""
    token_file: Path | None = None

    async def headers(self) -> dict[str, str]:
        """Empty where a client certificate speaks for us."""
        token = await read_token(self.token_file) if self.token_file else self.token
        return {"Authorization": f"Bearer {token}"} if token else {}


async def read_token(path: Path) -> str:
    """Of this moment: the kubelet replaces the file before its token expires."""
    return (await asyncio.to_thread(path.read_text)).strip()


def find_credentials(environ: Mapping[str, str], account: Path = ACCOUNT_DIR) -> Credentials:
    if path := environ.get("KUBECONFIG"):
        return from_kubeconfig(Path(path))
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port or not (account / "token").is_file():
        raise NoCredentials(
            "No API server is known: run in a pod with a ServiceAccount token, or set KUBECONFIG."
        )
    return Credentials(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        tls=ssl.create_default_context(cafile=str(account / "ca.crt")),
        token_file=account / "token",
    )


def from_kubeconfig(path: Path) -> Credentials:
    try:
        document = yaml.safe_load(path.read_text())
        context = _named(document, "contexts", "context", document["current-context"])
        cluster = _named(document, "clusters", "cluster", context["cluster"])
        user = _named(document, "users", "user", context["user"])
        return _credentials(cluster, user, path.parent)
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as err:
        raise NoCredentials(f"KUBECONFIG {path} cannot be used: {err!r}.") from err


def _named(document: Any, plural: str, singular: str, name: str) -> Any:
    for entry in document[plural]:
        if entry["name"] == name:
            return entry[singular] or {}
    raise KeyError(f"{singular} {name}")


def _credentials(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> Credentials:
    if "exec" in user or "auth-provider" in user:
        raise ValueError("exec plugins are not supported: use a token or a client certificate")
    server = str(cluster["server"])
    return Credentials(
        server=server.rstrip("/"),
        tls=_tls(cluster, user, folder) if server.startswith("https://") else None,
        token=str(user.get("token", "")),
        token_file=folder / user["tokenFile"] if "tokenFile" in user else None,
    )


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cafile=str(folder / cluster["certificate-authority"])
        if "certificate-authority" in cluster
        else None,
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        if "certificate-authority-data" in cluster
        else None,
    )
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "client-certificate" in user:
        context.load_cert_chain(folder / user["client-certificate"], folder / user["client-key"])
    elif "client-certificate-data" in user:
        # The ssl module takes a certificate from files alone.
        with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]) + b"\n")
            pair.write(base64.b64decode(user["client-key-data"]))
            pair.flush()
            context.load_cert_chain(pair.name)
    return context
