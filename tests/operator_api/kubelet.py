"""A kubelet as far as an operator and a proxy can tell: it runs the proxies of a namespace's pods.

The pods are real, made by the Deployment's controller.  It binds them to a node, mounts config and
keys, runs the real proxy on an address of each pod's own, and says so in the pod's status.  Mounts
are refreshed when the pod object changes, as the real one does; `deaf` plays the race that the real
one sometimes loses.  It runs no server container: one backend on loopback serves every pod."""

import base64
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.proxy.volumes import project

ANNOTATION = "ostiary.dev/config-generation"
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


@dataclass(slots=True)
class Pod:
    name: str
    uid: str
    address: str
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None
    role: str = "sidecar"
    heard: list[str] = field(default_factory=list)
    """Values of the annotation, each as it came."""
    deaf: int = 0
    """So many of the next values come before the new ConfigMap does, and change nothing."""


@dataclass(slots=True)
class Kubelet:
    kubectl: Kubectl
    namespace: str
    folder: Path
    node: str
    prefix: str = "time"
    """Of the names of config and keys: a server's name, or `<name>-group`."""
    pods: dict[str, Pod] = field(default_factory=dict)

    def until(self, holds: Callable[[], Any], *, what: str, seconds: float = 60) -> Any:
        """Go on with the node's work until something holds."""

        def look() -> Any:
            self.sync()
            return holds()

        return eventually(look, seconds=seconds, every=0.2, what=what)

    def sync(self) -> None:
        listed = self.kubectl.json(
            "-n", self.namespace, "get", "pods", "-l", "app.kubernetes.io/managed-by=ostiary"
        )
        found = {it["metadata"]["uid"]: it for it in listed["items"]}
        for uid in [uid for uid in self.pods if uid not in found]:
            self.end(self.pods.pop(uid))
        for uid, manifest in found.items():
            if "deletionTimestamp" in manifest["metadata"]:
                self._remove(manifest)
            elif uid not in self.pods:
                self.pods[uid] = self._begin(manifest)
            else:
                self._hear(self.pods[uid], manifest)

    def mount(self, pod: Pod) -> None:
        """What the API server holds now."""
        config = self.kubectl.get("configmap", f"{self.prefix}-proxy", self.namespace)
        assert config
        project(
            pod.folder / "config", {name: text.encode() for name, text in config["data"].items()}
        )
        secrets = self.kubectl.json("-n", self.namespace, "get", "secrets")["items"]
        begins = f"{self.prefix}-key-"
        masters = {
            it["metadata"]["name"].removeprefix(begins): it["data"]["master"]
            for it in secrets
            if it["metadata"]["name"].startswith(begins)
        }
        project(
            pod.folder / "keys",
            {number: base64.b64decode(master) for number, master in masters.items()},
        )

    def run(self, pod: Pod) -> None:
        environment = {
            **os.environ,
            "OSTIARY_ROLE": pod.role,
            "OSTIARY_CONFIG_DIR": str(pod.folder / "config"),
            "OSTIARY_KEYS_DIR": str(pod.folder / "keys"),
            "OSTIARY_RUN_DIR": str(pod.folder / "run"),
            "OSTIARY_BIND": pod.address,
            "POD_NAME": pod.name,
            "POD_UID": pod.uid,
        }
        with (pod.folder / "log").open("ab") as log:
            pod.process = subprocess.Popen(
                [sys.executable, "-m", "ostiary_proxy"], env=environment, stdout=log, stderr=log
            )

    def end(self, pod: Pod) -> None:
        if pod.process is not None:
            pod.process.kill()
            pod.process.wait(10)
            pod.process = None

    def close(self) -> None:
        for pod in self.pods.values():
            self.end(pod)

    def _begin(self, manifest: Any) -> Pod:
        metadata = manifest["metadata"]
        address = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.{random.randint(1, 254)}"
        folder = self.folder / metadata["name"]
        pod = Pod(metadata["name"], metadata["uid"], address, folder, role=_role(manifest))
        (pod.folder / "run").mkdir(parents=True)
        self._bind(pod)
        self._hear(pod, manifest)
        self.mount(pod)
        self.run(pod)
        self._say_running(pod, manifest)
        return pod

    def _hear(self, pod: Pod, manifest: Any) -> None:
        value = manifest["metadata"].get("annotations", {}).get(ANNOTATION, "")
        if value == (pod.heard[-1] if pod.heard else ""):
            return
        pod.heard.append(value)
        if pod.deaf:
            pod.deaf -= 1
        elif pod.process is not None:
            self.mount(pod)

    def _bind(self, pod: Pod) -> None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": self.namespace},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self.node},
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod.name}/binding"
        self.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(binding))

    def _say_running(self, pod: Pod, manifest: Any) -> None:
        def statuses(field: str) -> list[dict[str, Any]]:
            return [
                {
                    **{"name": it["name"], "image": it["image"], "imageID": "sha256:0"},
                    **{"ready": True, "started": True, "restartCount": 0, "state": RUNNING},
                }
                for it in manifest["spec"].get(field, ())
            ]

        status = {
            "phase": "Running",
            "podIP": pod.address,
            "podIPs": [{"ip": pod.address}],
            "conditions": [{"type": it, "status": "True"} for it in ("Ready", "ContainersReady")],
            "containerStatuses": statuses("containers"),
            "initContainerStatuses": statuses("initContainers"),
        }
        self.kubectl(
            *("-n", self.namespace, "patch", "pod", pod.name, "--subresource=status"),
            *("--type=merge", "-p", json.dumps({"status": status})),
        )

    def _remove(self, manifest: Any) -> None:
        name = manifest["metadata"]["name"]
        self.kubectl(
            *("-n", self.namespace, "delete", "pod", name, "--grace-period=0", "--force"),
            "--ignore-not-found",
        )


def _role(manifest: Any) -> str:
    """As the pod's own environment says it."""
    variables = [
        variable
        for container in manifest["spec"]["containers"]
        for variable in container.get("env", ())
    ]
    return next((it["value"] for it in variables if it["name"] == "OSTIARY_ROLE"), "sidecar")
