"""The Go programs of a test cluster: built once from Go modules, kept in the cache.

A program is looked for in `KUBEBUILDER_ASSETS`, then in the cache, and else it
is built, which takes minutes the first time and needs the Go module proxy.
Nothing is started here.

    python -m e2e.cluster.programs [NAME...]    builds them, prints their paths
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from e2e.cluster.paths import HERE, Unavailable, cache_dir

GO_WANTED: Final = (1, 26)  # 1.27 changes encoding/json, and /openapi/v2 of Kubernetes 1.36 with it
LOCK_SECONDS: Final = 1800  # a cold build of everything on two slow cores


@dataclass(frozen=True, slots=True)
class Module:
    """A folder with a go.mod, and the dependency whose version names the build."""

    folder: str
    dependency: str
    title: str

    @property
    def path(self) -> Path:
        return HERE / self.folder

    @property
    def version(self) -> str:
        text = (self.path / "go.mod").read_text()
        found = re.search(rf"{re.escape(self.dependency)} (v\S+)", text)
        if found is None:
            raise Unavailable(f"{self.folder}/go.mod requires no {self.dependency}")
        return found.group(1)

    @property
    def ldflags(self) -> str:
        stamp = "k8s.io/component-base/version.git"
        major, minor = self.version.lstrip("v").split(".")[:2]
        values = {"Version": self.version, "Major": major, "Minor": minor, "TreeState": "clean"}
        stamps = [f"-X {stamp}{key}={value}" for key, value in values.items()]
        return " ".join(["-s", "-w", *(stamps if self is KUBERNETES else [])])

    @property
    def bin_dir(self) -> Path:
        digest = hashlib.sha256()
        for part in (self.path / "go.mod", self.path / "go.sum"):
            digest.update(part.read_bytes())
        digest.update(f"{self.ldflags} {sys.platform} {platform.machine()}".encode())
        name = f"{self.title}-{self.version}-{digest.hexdigest()[:12]}"
        return cache_dir() / name / "bin"


KUBERNETES: Final = Module("gomod", "k8s.io/kubernetes", "kube")
HELM: Final = Module("gomod-helm", "helm.sh/helm/v4", "helm")

PACKAGES: Final = {
    "etcd": (KUBERNETES, "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": (KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver"),
    "kube-controller-manager": (KUBERNETES, "k8s.io/kubernetes/cmd/kube-controller-manager"),
    "kube-scheduler": (KUBERNETES, "k8s.io/kubernetes/cmd/kube-scheduler"),
    "kubelet": (KUBERNETES, "k8s.io/kubernetes/cmd/kubelet"),
    "kube-proxy": (KUBERNETES, "k8s.io/kubernetes/cmd/kube-proxy"),
    "helm": (HELM, "helm.sh/helm/v4/cmd/helm"),
}
CONTROL_PLANE: Final = ("etcd", "kube-apiserver", "kube-controller-manager")
NODE: Final = (*CONTROL_PLANE, "kube-scheduler", "kubelet", "kube-proxy")


def program(name: str) -> Path:
    """The path of one program, built if it has to be."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        given = Path(assets) / name
        if given.exists():
            return given
    module, package = PACKAGES[name]
    built = module.bin_dir / name
    if not built.exists():
        with _lock(module.bin_dir):
            if not built.exists():  # somebody else may have built it while we waited
                _build(module, package, built)
    return built


def programs(names: Iterable[str]) -> dict[str, Path]:
    return {name: program(name) for name in names}


def module_folder(module: Module) -> Path:
    """The dependency's own files, by Go's cache of modules."""
    command = [_go(), "mod", "download", "-json", module.dependency]
    done = subprocess.run(command, cwd=module.path, capture_output=True, text=True, check=False)
    if done.returncode:
        said = f"{done.stdout}{done.stderr}"[-2000:]
        raise Unavailable(f"`go mod download {module.dependency}` failed:\n{said}")
    return Path(json.loads(done.stdout)["Dir"])


def go_build(folder: Path, package: str, target: Path, *, ldflags: str = "-s -w") -> None:
    """A static program at `target`, which appears whole or not at all."""
    go = _go()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    command = [go, "build", "-trimpath", "-ldflags", ldflags, "-o", str(partial), package]
    try:
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, "CGO_ENABLED": "0"}, capture_output=True
        )
        if done.returncode:
            tail = done.stderr.decode(errors="replace")[-2000:]
            raise Unavailable(f"`go build {package}` in {folder} failed:\n{tail}")
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


def _build(module: Module, package: str, target: Path) -> None:
    began = time.monotonic()
    print(f"building {target.name} {module.version} ...", file=sys.stderr, flush=True)
    go_build(module.path, package, target, ldflags=module.ldflags)
    took = time.monotonic() - began
    print(f"built {target.name} in {took:.0f} s", file=sys.stderr, flush=True)


def _go() -> str:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    advice = (
        "Install Go 1.26 (go.dev/doc/install), or point KUBEBUILDER_ASSETS at a folder with "
        "etcd, kube-apiserver and kube-controller-manager."
    )
    if go is None:
        raise Unavailable(f"Go is missing, and the test control plane is built with it. {advice}")
    text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True).stdout
    found = re.search(r"go(\d+)\.(\d+)", text)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < GO_WANTED:
        raise Unavailable(f"{text.strip() or 'This Go'} is too old for Kubernetes 1.36. {advice}")
    if version > GO_WANTED:
        raise Unavailable(
            f"{text.strip()} is too new: its JSON breaks Kubernetes 1.36. "
            "Set GOTOOLCHAIN=go1.26.0, which Go fetches by itself."
        )
    return go


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Two builds of the same thing wait for each other; a killed holder frees it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(f"another build has held {folder} for too long") from None
                time.sleep(0.2)
        yield


def main(arguments: list[str]) -> int:
    unknown = [name for name in arguments if name not in PACKAGES]
    if unknown:
        print(f"no such program: {', '.join(unknown)}; known: {', '.join(PACKAGES)}")
        return 2
    try:
        for name in arguments or [*NODE, "helm"]:
            print(program(name))
    except Unavailable as err:
        print(err, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
