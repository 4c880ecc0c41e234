"""kubectl as a Python object: the tests' own eyes and hands on a cluster."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.cluster.paths import kubectl_binary
from e2e.cluster.waiting import eventually

Manifest = Mapping[str, Any]


class Refused(AssertionError):
    """kubectl ended with an error.  The text is its stderr."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    kubeconfig: Path

    def run(
        self, *arguments: str, stdin: str | None = None, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """The finished call, whatever its exit code."""
        command = [str(kubectl_binary()), "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False
        )

    def __call__(self, *arguments: str, stdin: str | None = None, seconds: float = 60) -> str:
        """Its output; an error is a Refused."""
        done = self.run(*arguments, stdin=stdin, seconds=seconds)
        if done.returncode:
            raise Refused(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-o", "json"))

    def get(self, kind: str, name: str, namespace: str = "default") -> Any | None:
        """One object, or None if there is none."""
        found = self("-n", namespace, "get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(found) if found.strip() else None

    def apply(self, *manifests: Manifest | str, server_side: bool = False) -> None:
        """Objects, or YAML text, in order."""
        flags = ["--server-side", "--force-conflicts"] if server_side else []
        for manifest in manifests:
            text = manifest if isinstance(manifest, str) else json.dumps(manifest)
            self("apply", *flags, "-f", "-", stdin=text)

    def create(self, manifest: Manifest) -> None:
        self("create", "-f", "-", stdin=json.dumps(manifest))

    def wait(
        self, condition: str, what: str, namespace: str = "default", seconds: int = 60
    ) -> None:
        self(
            *("-n", namespace, "wait", f"--for={condition}", what, f"--timeout={seconds}s"),
            seconds=seconds + 10,
        )

    def eventually(
        self,
        kind: str,
        name: str,
        holds: Callable[[Any], Any],
        *,
        namespace: str = "default",
        seconds: float = 30,
    ) -> Any:
        """The object once `holds(object)`; `holds` sees None while there is none."""

        def look() -> Any:
            found = self.get(kind, name, namespace)
            return (found or True) if holds(found) else None

        return eventually(look, seconds=seconds, what=f"{kind} {namespace}/{name}", every=0.2)

    def exec(
        self, pod: str, *command: str, namespace: str = "default", container: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        chosen = ["-c", container] if container else []
        return self.run("-n", namespace, "exec", pod, *chosen, "--", *command)


def namespace_manifest(name: str, labels: Mapping[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def crd_manifests(folder: Path) -> Sequence[str]:
    return [path.read_text() for path in sorted(folder.glob("*.yaml"))]
