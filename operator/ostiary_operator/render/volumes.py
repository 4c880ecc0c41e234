"""The pod's volumes, and the mounts of each container.

A gateway's pod has the proxy's alone, and the token that it shows to its members.  The user's
volumes keep their names; ours begin with `ostiary-`, which the CRD reserves.
"""

from pathlib import PurePosixPath
from typing import Final

from ostiary_operator.api import MCPGroup, MCPServer
from ostiary_operator.api.clients import ServerTls
from ostiary_operator.api.container import Volume
from ostiary_operator.api.source import ConfigMapKey, SecretKey
from ostiary_proxy.config import (
    CATALOGUE_AUDIENCE,
    CATALOGUE_TOKEN,
    CONFIG_DIR,
    KEYS_DIR,
    RUN_DIR,
    SHIM_DIR,
    TLS_CERTIFICATE,
    TLS_DIR,
    TLS_KEY,
    UPSTREAM_DIR,
)

from . import names
from .keys import MASTER_FIELD
from .meta import Manifest, Root, prefix
from .outside import CA_FILE, has_bundle, header_file, headers_of

HOME: Final = "/home/mcp"
TMP: Final = "/tmp"
TOKEN_DIR: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS: Final = 3607
"""What the API server itself gives pods: it marks the token as one that is refreshed."""
CATALOGUE_SECONDS: Final = 3600
GROUP_READ: Final = 0o440

SHIM_VOLUME: Final = "ostiary-shim"
RUN_VOLUME: Final = "ostiary-run"
CONFIG_VOLUME: Final = "ostiary-config"
KEYS_VOLUME: Final = "ostiary-keys"
UPSTREAM_VOLUME: Final = "ostiary-upstream"
TLS_VOLUME: Final = "ostiary-tls"
HOME_VOLUME: Final = "ostiary-home"
TMP_VOLUME: Final = "ostiary-tmp"
TOKEN_VOLUME: Final = "ostiary-token"
CATALOGUE_VOLUME: Final = "ostiary-catalogue"


_CATALOGUE: Final = PurePosixPath(CATALOGUE_TOKEN)


def volumes(server: MCPServer) -> list[Manifest]:
    beside = server.spec.image is not None
    return [
        *([_empty(SHIM_VOLUME, "32Mi")] if beside else []),
        *_of_every_proxy(server),
        *([_upstream_volume(server)] if _wants_upstream(server) else []),
        *([_tls_volume(server.spec.tls)] if server.spec.tls else []),
        *(_empty(volume, "256Mi") for volume, path in _writable(server) if beside),
        *([_token_volume()] if _wants_token(server) else []),
        *(_user_volume(volume) for volume in server.spec.volumes or ()),
    ]


def gateway_volumes(group: MCPGroup) -> list[Manifest]:
    return [*_of_every_proxy(group), _catalogue_volume()]


def _of_every_proxy(root: Root) -> list[Manifest]:
    name = prefix(root)
    return [
        _empty(RUN_VOLUME, "1Mi"),
        {"name": CONFIG_VOLUME, "configMap": {"name": names.config(name)}},
        {
            "name": KEYS_VOLUME,
            "projected": {
                "defaultMode": GROUP_READ,
                "sources": [
                    {
                        "secret": {
                            "name": names.key(name, number),
                            "optional": True,
                            "items": [{"key": MASTER_FIELD, "path": str(number)}],
                        }
                    }
                    for number in names.KEY_NUMBERS
                ],
            },
        },
    ]


def shim_mount() -> Manifest:
    return {"name": SHIM_VOLUME, "mountPath": SHIM_DIR}


def proxy_mounts(server: MCPServer) -> list[Manifest]:
    upstream = {"name": UPSTREAM_VOLUME, "mountPath": UPSTREAM_DIR, "readOnly": True}
    tls = {"name": TLS_VOLUME, "mountPath": TLS_DIR, "readOnly": True}
    return [
        *_mounts_of_every_proxy(),
        *([upstream] if _wants_upstream(server) else []),
        *([tls] if server.spec.tls else []),
    ]


def gateway_mounts() -> list[Manifest]:
    folder = str(_CATALOGUE.parent)
    catalogue = {"name": CATALOGUE_VOLUME, "mountPath": folder, "readOnly": True}
    return [*_mounts_of_every_proxy(), catalogue]


def _mounts_of_every_proxy() -> list[Manifest]:
    return [
        {"name": RUN_VOLUME, "mountPath": RUN_DIR},
        {"name": CONFIG_VOLUME, "mountPath": CONFIG_DIR, "readOnly": True},
        {"name": KEYS_VOLUME, "mountPath": KEYS_DIR, "readOnly": True},
    ]


def server_mounts(server: MCPServer) -> list[Manifest]:
    token = {"name": TOKEN_VOLUME, "mountPath": TOKEN_DIR, "readOnly": True}
    return [
        {**shim_mount(), "readOnly": True},
        {"name": RUN_VOLUME, "mountPath": RUN_DIR},
        *({"name": volume, "mountPath": path} for volume, path in _writable(server)),
        *([token] if _wants_token(server) else []),
        *(_user_mount(volume) for volume in server.spec.volumes or ()),
    ]


def has_writable_claim(server: MCPServer) -> bool:
    return any(
        volume.persistentVolumeClaim is not None and not volume.readOnly
        for volume in server.spec.volumes or ()
    )


def _writable(server: MCPServer) -> list[tuple[str, str]]:
    """Folders that are always writable, unless the user mounts something in their place."""
    taken = {volume.mountPath.rstrip("/") for volume in server.spec.volumes or ()}
    ours = [(HOME_VOLUME, HOME), (TMP_VOLUME, TMP)]
    return [(volume, path) for volume, path in ours if path not in taken]


def _empty(name: str, limit: str) -> Manifest:
    return {"name": name, "emptyDir": {"sizeLimit": limit}}


def _wants_upstream(server: MCPServer) -> bool:
    return bool(headers_of(server)) or has_bundle(server)


def _upstream_volume(server: MCPServer) -> Manifest:
    """Not optional: a Secret that is missing is the kubelet's to say, and no request goes out
    without its credential."""
    upstream = server.spec.upstream
    sources = [
        {"secret": _item(header.secretKeyRef, header_file(header))} for header in headers_of(server)
    ]
    if upstream is not None and upstream.caBundle is not None:
        sources.append({"configMap": _item(upstream.caBundle.configMapKeyRef, CA_FILE)})
    return {
        "name": UPSTREAM_VOLUME,
        "projected": {"defaultMode": GROUP_READ, "sources": sources},
    }


def _tls_volume(tls: ServerTls) -> Manifest:
    """Not optional, as the Secret of a header is not."""
    items = [{"key": name, "path": name} for name in (TLS_CERTIFICATE, TLS_KEY)]
    return {
        "name": TLS_VOLUME,
        "secret": {"secretName": tls.secretName, "defaultMode": GROUP_READ, "items": items},
    }


def _item(reference: SecretKey | ConfigMapKey, file: str) -> Manifest:
    return {"name": reference.name, "items": [{"key": reference.key, "path": file}]}


def _wants_token(server: MCPServer) -> bool:
    return bool(server.spec.identity and server.spec.identity.kubernetesToken)


def _token_volume() -> Manifest:
    """What automounting would give every container, for the server's alone."""
    namespace = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
    return {
        "name": TOKEN_VOLUME,
        "projected": {
            "defaultMode": GROUP_READ,
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
                {
                    "configMap": {
                        "name": "kube-root-ca.crt",
                        "items": [{"key": "ca.crt", "path": "ca.crt"}],
                    }
                },
                {"downwardAPI": {"items": [namespace]}},
            ],
        },
    }


def _catalogue_volume() -> Manifest:
    """Opens the members' lists and nothing else; the API server itself takes no such token."""
    token = {
        "path": _CATALOGUE.name,
        "audience": CATALOGUE_AUDIENCE,
        "expirationSeconds": CATALOGUE_SECONDS,
    }
    return {
        "name": CATALOGUE_VOLUME,
        "projected": {"defaultMode": GROUP_READ, "sources": [{"serviceAccountToken": token}]},
    }


def _user_volume(volume: Volume) -> Manifest:
    source = volume.as_manifest()
    for field in ("name", "mountPath", "readOnly", "subPath"):
        source.pop(field, None)
    if volume.persistentVolumeClaim is not None and volume.readOnly:
        source["persistentVolumeClaim"]["readOnly"] = True
    return {"name": volume.name, **source}


def _user_mount(volume: Volume) -> Manifest:
    given = volume.as_manifest()
    fields = ("name", "mountPath", "readOnly", "subPath")
    return {field: given[field] for field in fields if field in given}
