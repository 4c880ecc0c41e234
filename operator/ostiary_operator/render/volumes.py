"""The pod's volumes, and the mounts of each container.

The user's volumes keep their names; ours begin with `ostiary-`, which the CRD reserves.
"""

from typing import Final

from ostiary_operator.api import MCPServer
from ostiary_operator.api.container import Volume
from ostiary_proxy.config import CONFIG_DIR, KEYS_DIR, RUN_DIR, SHIM_DIR

from . import names
from .keys import MASTER_FIELD
from .meta import Manifest

HOME: Final = "/home/mcp"
TMP: Final = "/tmp"
TOKEN_DIR: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS: Final = 3607
"""What the API server itself gives pods: it marks the token as one that is refreshed."""
GROUP_READ: Final = 0o440

SHIM_VOLUME: Final = "ostiary-shim"
RUN_VOLUME: Final = "ostiary-run"
CONFIG_VOLUME: Final = "ostiary-config"
KEYS_VOLUME: Final = "ostiary-keys"
HOME_VOLUME: Final = "ostiary-home"
TMP_VOLUME: Final = "ostiary-tmp"
TOKEN_VOLUME: Final = "ostiary-token"


def volumes(server: MCPServer) -> list[Manifest]:
    name = server.metadata.name
    return [
        _empty(SHIM_VOLUME, "32Mi"),
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
        *(_empty(volume, "256Mi") for volume, path in _writable(server)),
        *([_token_volume()] if _wants_token(server) else []),
        *(_user_volume(volume) for volume in server.spec.volumes or ()),
    ]


def shim_mount() -> Manifest:
    return {"name": SHIM_VOLUME, "mountPath": SHIM_DIR}


def proxy_mounts() -> list[Manifest]:
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
