"""Container images without a registry or a builder: layers in, one archive out.

The archive has the form of `docker save`: `ctr images import`, `kind load
image-archive` and `docker load` take it.  A layer that several images share is
in it once.  Layers are kept in the cache under a digest of what went into them."""

import hashlib
import io
import json
import os
import platform
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from e2e.cluster.paths import cache_dir

PATH: Final = "/opt/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
KEPT: Final = 4  # builds of one layer that stay in the cache


@dataclass(frozen=True, slots=True)
class Image:
    reference: str
    layers: tuple[Path, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    user: str = ""


@dataclass(frozen=True, slots=True)
class _Blob:
    name: str
    data: bytes


def layer(name: str, key: str, fill: Callable[[Path], None]) -> Path:
    """The tar of a folder that `fill` writes; made once per key."""
    folder = cache_dir() / "layers"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.tar"
    if path.exists():
        os.utime(path)
        return path
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as scratch:
        root, partial = Path(scratch) / "root", Path(scratch) / "layer.tar"
        root.mkdir()
        root.chmod(0o755)  # it becomes the image's root folder
        fill(root)
        with tarfile.open(partial, "w") as tar:
            tar.add(root, ".", filter=_by_root)
        partial.rename(path)
    _prune(folder, name)
    return path


def write_archive(images: Iterable[Image], out: IO[bytes]) -> None:
    manifest: list[dict[str, object]] = []
    layers: dict[str, Path] = {}
    configs: dict[str, bytes] = {}
    for image in images:
        digests = [_digest(path) for path in image.layers]
        layers.update(zip(digests, image.layers, strict=True))
        config = _config(image, digests)
        configs[config.name] = config.data
        names = [f"{digest}/layer.tar" for digest in digests]
        manifest.append({"Config": config.name, "RepoTags": [image.reference], "Layers": names})
    with tarfile.open(fileobj=out, mode="w|") as tar:
        for name, data in {**configs, "manifest.json": json.dumps(manifest).encode()}.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
        for digest, path in layers.items():
            tar.add(path, f"{digest}/layer.tar")


def tree_key(*paths: Path) -> str:
    """A digest of the files under some paths, by name, mode and content."""
    digest = hashlib.sha256()
    for top in paths:
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                mode = path.stat().st_mode & 0o777
                digest.update(f"{path.relative_to(top)} {mode} ".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _config(image: Image, digests: list[str]) -> _Blob:
    settings = {
        "Entrypoint": list(image.entrypoint),
        "Cmd": list(image.command),
        "Env": [f"PATH={PATH}", *image.environment],
        "User": image.user,
    }
    document = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created_by": "ostiary e2e"} for _ in digests],
    }
    data = json.dumps(document).encode()
    return _Blob(f"{hashlib.sha256(data).hexdigest()}.json", data)


def _digest(path: Path) -> str:
    """SHA-256 of a layer, remembered beside it."""
    beside = path.with_suffix(".sha256")
    if not beside.exists():
        with path.open("rb") as handle:
            beside.write_text(hashlib.file_digest(handle, "sha256").hexdigest())
    return beside.read_text()


def _by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _prune(folder: Path, name: str) -> None:
    length = len(f"{name}-") + 16
    made = [path for path in folder.glob(f"{name}-*.tar") if len(path.stem) == length]
    for path in sorted(made, key=lambda each: each.stat().st_mtime)[:-KEPT]:
        path.unlink()
        path.with_suffix(".sha256").unlink(missing_ok=True)
