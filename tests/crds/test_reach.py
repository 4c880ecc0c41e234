"""How far a CRD's fields reach: not to the node, not to more rights, not into another namespace.

Walks the committed schemas; needs no API server.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import re2
import yaml
from e2e.cluster.paths import ROOT

Schema = dict[str, Any]
CRDS: Final = sorted((ROOT / "crds").glob("*.yaml"))

POD: Final = """
    activeDeadlineSeconds automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks
    ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers hostname
    hostnameOverride initContainers nodeName os overhead priority readinessGates resourceClaims
    restartPolicy runtimeClassName schedulerName schedulingGates serviceAccount
    setHostnameAsFQDN shareProcessNamespace subdomain
"""
CONTAINER: Final = """
    containers containerPort devicePath hostIP hostPort lifecycle livenessProbe mountPropagation
    postStart preStop ports readinessProbe restartPolicyRules startupProbe subPathExpr
    terminationMessagePath volumeDevices volumeMounts
"""
SECURITY_CONTEXTS: Final = """
    add allowPrivilegeEscalation appArmorProfile capabilities fsGroup fsGroupChangePolicy
    privileged procMount runAsGroup runAsNonRoot runAsUserName seLinuxChangePolicy seLinuxOptions
    seccompProfile securityContext supplementalGroups supplementalGroupsPolicy sysctls
    unsafeSysctls windowsOptions
"""
VOLUMES: Final = """
    awsElasticBlockStore azureDisk azureFile cephfs cinder csi downwardAPI driver ephemeral fc
    flexVolume flocker gcePersistentDisk gitRepo glusterfs hostPath image iscsi local nfs
    photonPersistentDisk portworxVolume projected quobyte rbd scaleIO serviceAccountToken
    storageos volumeClaimTemplate vsphereVolume
"""
"""Of the node, of a network, or of somebody else's driver; tokens."""
FORBIDDEN: Final = frozenset(f"{POD} {CONTAINER} {SECURITY_CONTEXTS} {VOLUMES}".split())
"""Fields of Kubernetes 1.36 by which a pod leaves its walls, or its image's owner theirs."""
OURS: Final = {
    "spec.image": "the image of the server's container, a string",
    "spec.network.egress.to[].ports": "ports of others that the server may call",
}
"""Namesakes that are something else."""

REFERENCES: Final = {
    "spec.env[].valueFrom.secretKeyRef": "name",
    "spec.env[].valueFrom.configMapKeyRef": "name",
    "spec.envFrom[].secretRef": "name",
    "spec.envFrom[].configMapRef": "name",
    "spec.volumes[].secret": "secretName",
    "spec.volumes[].configMap": "name",
    "spec.volumes[].persistentVolumeClaim": "claimName",
    "spec.imagePullSecrets[]": "name",
    "spec.upstream.headers[].secretKeyRef": "name",
    "spec.upstream.caBundle.configMapKeyRef": "name",
    "spec.tls": "secretName",
}
"""Every reference to a Secret, a ConfigMap or a claim, and its field that names the object."""


def schemas(path: Path) -> Iterator[Schema]:
    for version in yaml.safe_load(path.read_text())["spec"]["versions"]:
        yield version["schema"]["openAPIV3Schema"]


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Each part with its path, by whatever keyword it hangs there."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from nodes(part, f"{path}.{name}".lstrip("."))
    for keyword in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(keyword), dict):
            yield from nodes(schema[keyword], f"{path}[]")
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword, ()):
            yield from nodes(part, path)


def reached(*files: Path) -> list[tuple[str, Schema]]:
    return [found for file in files for schema in schemas(file) for found in nodes(schema)]


def leaf(path: str) -> str:
    return path.rpartition(".")[2].replace("[]", "")


@pytest.mark.parametrize("file", CRDS, ids=lambda file: file.stem)
def test_no_field_of_a_pod_that_breaks_its_walls_can_be_written(file: Path) -> None:
    """Security row 30."""
    fields = {path for path, _ in reached(file) if path.startswith("spec.") and path[-1] != "]"}

    assert fields
    assert {path for path in fields - set(OURS) if leaf(path) in FORBIDDEN} == set()


@pytest.mark.parametrize("file", CRDS, ids=lambda file: file.stem)
def test_nothing_passes_that_the_schema_does_not_name(file: Path) -> None:
    """Security row 30: a field of any name could be a forbidden one."""
    loose = {
        path
        for path, part in reached(file)
        if part.get("x-kubernetes-preserve-unknown-fields")
        or part.get("x-kubernetes-embedded-resource")
        or part.get("additionalProperties") is True
    }
    maps = {
        path: held.get("items", held).get("type")
        for path, part in reached(file)
        if isinstance(held := part.get("additionalProperties"), dict)
    }

    assert loose == set()
    # Free keys hold words and quantities, or lists of words, never an object of any shape.
    assert set(maps.values()) <= {"string", None}
    assert all(
        part["additionalProperties"].get("x-kubernetes-int-or-string")
        for path, part in reached(file)
        if path in maps and maps[path] is None
    )


def test_the_walk_sees_what_is_there() -> None:
    """Without this a walk that ends early would call everything safe."""
    seen = {path for path, _ in reached(*CRDS)}

    assert {
        "spec.security.runAsUser",
        "spec.identity.serviceAccountName",
        "spec.volumes[].secret.items[].mode",
        "spec.podMetadata.annotations[]",
        "spec.rules[].from[].serviceAccounts.namespaces.selector.matchExpressions[].values[]",
    } <= seen
    assert set(OURS) <= seen


def test_a_reference_cannot_name_another_namespace() -> None:
    """Security row 31: neither by a field of its own nor by a name with a slash."""
    parts = dict(reached(*CRDS))
    found = {
        path
        for path, part in parts.items()
        if re.search(r"secret|configmap|claim", leaf(path), re.IGNORECASE) and "properties" in part
    } | {"spec.imagePullSecrets[]", "spec.tls"}

    assert found == set(REFERENCES)
    for path, name in REFERENCES.items():
        inner = {below for below, _ in nodes(parts[path])}
        assert not {below for below in inner if "namespace" in below.lower()}, path
        pattern = re2.compile(parts[path]["properties"][name]["pattern"])
        assert pattern.search("credentials"), path
        assert not pattern.search("other-namespace/credentials"), path
