"""What the server's own container gets: environment, resources, volumes, account, rights.

Shaped as in a pod where a pod has the field, so that what people know stays true.
"""

import re
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from .fields import DataKey, DnsLabel, Quantity, Subdomain, SubdomainOrNone
from .schema import ATOMIC, Part, Rule, exactly_one, keyed

PROXY_UID: Final = 64000
"""The proxy's own user id: a server that had it could read the proxy's files."""
SERVER_UID: Final = 65532
SERVER_GID: Final = 65532

EnvName = Annotated[str, Field(min_length=1, max_length=253, pattern="^[!-<>-~]+$")]


class KeyRef(Part):
    name: Subdomain
    """Name of the object, in this namespace. Required."""
    key: DataKey
    """Key in its data. Required."""
    optional: bool | None = None
    """Start without the variable when the object or the key is missing. Default: false."""


class FieldRef(Part):
    fieldPath: Annotated[str, Field(min_length=1, max_length=317)]
    """Field of the pod, for example metadata.name or status.podIP. Required."""
    apiVersion: Annotated[str, Field(max_length=32)] | None = None
    """Version that the path is written for. Default: v1."""


class ResourceFieldRef(Part):
    resource: Annotated[str, Field(min_length=1, max_length=63)]
    """Resource of the container, for example limits.memory. Required."""
    containerName: DnsLabel | None = None
    """Container that is asked. Default: the server's own."""
    divisor: Quantity | None = None
    """Unit of the value, for example 1Mi. Default: 1."""


class EnvSource(Part):
    laws: ClassVar = (
        exactly_one(
            "secretKeyRef",
            "configMapKeyRef",
            "fieldRef",
            "resourceFieldRef",
            message="write exactly one of secretKeyRef, configMapKeyRef, fieldRef and "
            "resourceFieldRef",
        ),
    )

    secretKeyRef: KeyRef | None = None
    """A key of a Secret; the only place for a credential. Default: none."""
    configMapKeyRef: KeyRef | None = None
    """A key of a ConfigMap. Default: none."""
    fieldRef: FieldRef | None = None
    """A field of the pod. Default: none."""
    resourceFieldRef: ResourceFieldRef | None = None
    """A resource of the container. Default: none."""


class EnvVar(Part):
    laws: ClassVar = (
        Rule(
            cel="!(has(self.value) && has(self.valueFrom))",
            message="write value or valueFrom, not both",
            holds=lambda it: it.value is None or it.valueFrom is None,
            field="valueFrom",
        ),
    )

    name: EnvName
    """Name of the variable. Required."""
    value: Annotated[str, Field(max_length=32768)] | None = None
    """Its value, for everyone who may read this object to see; $(NAME) stands for an earlier
    variable. Default: empty."""
    valueFrom: EnvSource | None = None
    """Where the value comes from instead. Default: none."""


class EnvFromRef(Part):
    name: Subdomain
    """Name of the object, in this namespace. Required."""
    optional: bool | None = None
    """Start without it when it is missing. Default: false."""


class EnvFrom(Part):
    laws: ClassVar = (
        exactly_one(
            "secretRef",
            "configMapRef",
            message="write exactly one of secretRef and configMapRef",
        ),
    )

    prefix: Annotated[str, Field(max_length=128, pattern="^[!-<>-~]*$")] | None = None
    """Put before the name of each variable. Default: nothing."""
    secretRef: EnvFromRef | None = None
    """All keys of a Secret. Default: none."""
    configMapRef: EnvFromRef | None = None
    """All keys of a ConfigMap. Default: none."""


ResourceName = Annotated[str, Field(max_length=317)]


class Resources(Part):
    requests: Annotated[dict[ResourceName, Quantity] | None, Field(max_length=16)] = None
    """What the scheduler sets aside, for example cpu: 100m, memory: 128Mi. Default: none."""
    limits: Annotated[dict[ResourceName, Quantity] | None, Field(max_length=16)] = None
    """What the server may use at most; over its memory limit it is killed. Default: none."""


class KeyToPath(Part):
    key: DataKey
    """Key in the object's data. Required."""
    path: Annotated[str, Field(min_length=1, max_length=253)]
    """File that it becomes, relative to the mount. Required."""
    mode: Annotated[int, Field(ge=0, le=511)] | None = None
    """Mode bits of the file, decimal. Default: those of the volume."""


Items = Annotated[tuple[KeyToPath, ...] | None, Field(max_length=64, json_schema_extra=ATOMIC)]
Mode = Annotated[int, Field(ge=0, le=511)]


class ClaimVolume(Part):
    claimName: Subdomain
    """A PersistentVolumeClaim of this namespace. Mounted for writing, it makes an update stop the
    old pod before the new one starts. Required."""


class ConfigMapVolume(Part):
    name: Subdomain
    """A ConfigMap of this namespace. Required."""
    items: Items = None
    """Keys to mount and their file names. Default: every key."""
    defaultMode: Mode | None = None
    """Mode bits of the files, decimal. Default: 420 (0644)."""
    optional: bool | None = None
    """Start with an empty folder when it is missing. Default: false."""


class SecretVolume(Part):
    secretName: Subdomain
    """A Secret of this namespace. Required."""
    items: Items = None
    """Keys to mount and their file names. Default: every key."""
    defaultMode: Mode | None = None
    """Mode bits of the files, decimal. Default: 420 (0644)."""
    optional: bool | None = None
    """Start with an empty folder when it is missing. Default: false."""


class EmptyDirVolume(Part):
    medium: Literal["", "Memory"] | None = None
    """Memory: held in memory and counted as such. Default: the node's disk."""
    sizeLimit: Quantity | None = None
    """Beyond it the pod is evicted. Default: none."""


RESERVED_PATHS: Final = ("/ostiary", "/run/ostiary", "/etc/ostiary", "/proc", "/sys", "/dev")
MOUNT_PATH_PATTERN: Final = r"^(/([^/:.][^/:]*|[.][^/:.][^/:]*|[.][.][^/:]+))+/?$"
_reserved_cel: Final = " || ".join(
    f"self.mountPath == '{path}' || self.mountPath.startsWith('{path}/')" for path in RESERVED_PATHS
)


def _is_reserved(path: str) -> bool:
    return any(path == taken or path.startswith(f"{taken}/") for taken in RESERVED_PATHS)


class Volume(Part):
    """A curated union: never a path of the node."""

    laws: ClassVar = (
        exactly_one(
            "persistentVolumeClaim",
            "configMap",
            "secret",
            "emptyDir",
            message="write exactly one of persistentVolumeClaim, configMap, secret and emptyDir",
        ),
        Rule(
            cel="!self.name.startsWith('ostiary-')",
            message="names that begin with ostiary- are the operator's own: choose another",
            holds=lambda it: not it.name.startswith("ostiary-"),
            field="name",
        ),
        Rule(
            cel=f"self.mountPath.matches('{MOUNT_PATH_PATTERN}')",
            message="write an absolute path without ':' and without empty, '.' or '..' steps, "
            "for example /data",
            holds=lambda it: re.fullmatch(MOUNT_PATH_PATTERN[1:-1], it.mountPath) is not None,
            field="mountPath",
        ),
        Rule(
            cel=f"!({_reserved_cel})",
            message=f"{', '.join(RESERVED_PATHS)} and what lies below them are taken: "
            "mount it elsewhere, for example at /data",
            holds=lambda it: not _is_reserved(it.mountPath),
            field="mountPath",
        ),
    )

    name: DnsLabel
    """Name of the volume, unique in this list. Required."""
    mountPath: Annotated[str, Field(min_length=1, max_length=256)]
    """Where the server finds it. At /tmp or /home/mcp it takes the place of the folder that is
    there by default. Required."""
    readOnly: bool | None = None
    """Mount it for reading only. Default: false; ConfigMaps and Secrets are never writable."""
    subPath: (
        Annotated[
            str, Field(max_length=256, pattern=r"^([^/.][^/]*|[.][^/.][^/]*|[.][.][^/]+)(/.*)?$")
        ]
        | None
    ) = None
    """Path inside the volume to mount instead of its root; such a mount of a ConfigMap or Secret
    is not refreshed. Default: the root."""
    persistentVolumeClaim: ClaimVolume | None = None
    """A claim of this namespace. Default: none."""
    configMap: ConfigMapVolume | None = None
    """Files from a ConfigMap. Default: none."""
    secret: SecretVolume | None = None
    """Files from a Secret. Default: none."""
    emptyDir: EmptyDirVolume | None = None
    """An empty folder that lives as long as the pod. Default: none."""


class Security(Part):
    laws: ClassVar = (
        Rule(
            cel=f"!has(self.runAsUser) || self.runAsUser != {PROXY_UID}",
            message=f"{PROXY_UID} is the proxy's own user id: choose another, "
            f"or leave it out for {SERVER_UID}",
            holds=lambda it: it.runAsUser != PROXY_UID,
            field="runAsUser",
        ),
    )

    runAsUser: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """User id of the server's processes, never 0. Default: 65532. The restricted Pod Security
    standard holds whatever is set here."""
    readOnlyRootFilesystem: bool | None = None
    """Whether the image's own files cannot be changed; /tmp and /home/mcp are always writable.
    Default: true."""


class Identity(Part):
    serviceAccountName: SubdomainOrNone | None = None
    """ServiceAccount to run as instead of one of the server's own, which has no rights. Needs a
    grant by the cluster admin. Default: <name>-mcp."""
    kubernetesToken: bool | None = None
    """Give the server's container the account's Kubernetes API token. Needs a grant by the cluster
    admin. Default: false."""
    cloudMetadata: bool | None = None
    """Let the pod reach the cloud's metadata service. Needs a grant by the cluster admin.
    Default: false."""


class LocalRef(Part):
    name: Subdomain
    """Name of the Secret, in this namespace. Required."""


Env = Annotated[tuple[EnvVar, ...] | None, Field(max_length=128, json_schema_extra=keyed("name"))]
EnvFroms = Annotated[tuple[EnvFrom, ...] | None, Field(max_length=32, json_schema_extra=ATOMIC)]
Volumes = Annotated[
    tuple[Volume, ...] | None, Field(max_length=32, json_schema_extra=keyed("name"))
]
PullSecrets = Annotated[
    tuple[LocalRef, ...] | None, Field(max_length=16, json_schema_extra=keyed("name"))
]
