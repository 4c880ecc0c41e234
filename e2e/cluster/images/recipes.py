"""The images of the e2e tests and how each is made.  Root, Linux, Debian's debootstrap.

The product's own images are made by the scripts that its Dockerfiles run, so
what is tested is what is shipped.  Servers and the client come from PyPI by
hashed requirement files; everything else is Go from this repository."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from e2e.cluster.images.archive import Image, layer, tree_key
from e2e.cluster.paths import ROOT, Broken
from e2e.cluster.programs import go_build

E2E: Final = ROOT / "e2e"
SUITE: Final = "bookworm"
SUITE_PYTHON: Final = "3.11"  # of that suite: wheels are chosen for it
BASE_PACKAGES: Final = ("python3", "ca-certificates")
PYTHON_ENVIRONMENT: Final = (
    "PYTHONPATH=/opt/app/lib:/opt/app/src",
    "PYTHONDONTWRITEBYTECODE=1",
    "PYTHONUNBUFFERED=1",
)
SERVER_USER: Final = "65532"
PROXY_USER: Final = "64000"

PAUSE: Final = "localhost/pause:1"
PYTHON: Final = "localhost/python:1"
OPERATOR: Final = "localhost/ostiary-operator:test"
PROXY: Final = "localhost/ostiary-proxy:test"
SDK_SERVERS: Final = "localhost/mcp-sdk-servers:test"
SDK1_SERVERS: Final = "localhost/mcp-sdk1-servers:test"
TIME_SERVER: Final = "localhost/mcp-server-time:test"
CLIENT: Final = "localhost/mcp-client:test"
GO_SERVER: Final = "localhost/mcp-go-stdio:test"
EDGE: Final = "localhost/edge:test"


def node_images() -> list[Image]:
    """What the node itself needs."""
    return [
        Image(PAUSE, (_go_layer("pause", E2E / "cluster/images/pause", "pause"),), ("/pause",)),
        Image(PYTHON, (_base_layer(),)),
    ]


def server_images() -> list[Image]:
    """Real MCP servers and a real client."""
    go_layer = _go_layer("go-stdio", E2E / "servers/gostdio", "gostdio")
    return [
        _python_image(SDK_SERVERS, "sdk", [E2E / "servers/everything.py"]),
        _python_image(SDK1_SERVERS, "sdk1", [E2E / "servers/everything1.py"]),
        _python_image(TIME_SERVER, "time", []),
        _python_image(CLIENT, "sdk", [E2E / "client.py", E2E / "load.py"]),
        # nothing but one static program: no shell, no libc, no /tmp
        Image(GO_SERVER, (go_layer,), ("/gostdio",), user=SERVER_USER),
        # what stands in for a Gateway or an ingress controller
        Image(EDGE, (_base_layer(), _nginx_layer()), ("nginx",), user=SERVER_USER),
    ]


def product_images() -> list[Image]:
    """The operator and the proxy, by their own install scripts."""
    return [
        _product_image(OPERATOR, "operator", "ostiary_operator", SERVER_USER),
        _product_image(PROXY, "proxy", "ostiary_proxy", PROXY_USER),
    ]


def _base_layer() -> Path:
    def fill(root: Path) -> None:
        include = f"--include={','.join(BASE_PACKAGES)}"
        _run(["debootstrap", "--variant=minbase", include, SUITE, str(root)])
        for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
            shutil.rmtree(root / waste, ignore_errors=True)

    return layer("base", f"{SUITE} {BASE_PACKAGES} 1", fill)


def _nginx_layer() -> Path:
    """Its program alone: the libraries that it needs are in the base, with Python."""

    def fill(root: Path) -> None:
        fetched = root.with_name("fetched")
        fetch = ["debootstrap", "--variant=minbase", "--download-only", "--include=nginx"]
        _run([*fetch, SUITE, str(fetched)])
        (package,) = (fetched / "var/cache/apt/archives").glob("nginx_*.deb")
        unpacked = root.with_name("unpacked")
        _run(["dpkg-deb", "--extract", str(package), str(unpacked)])
        (root / "usr/sbin").mkdir(parents=True)
        shutil.copy(unpacked / "usr/sbin/nginx", root / "usr/sbin/nginx")

    return layer("nginx", f"{SUITE} nginx 1", fill)


def _go_layer(name: str, folder: Path, program: str) -> Path:
    return layer(name, tree_key(folder), lambda root: go_build(folder, ".", root / program))


def _python_image(reference: str, requirements: str, sources: Sequence[Path]) -> Image:
    layers = [_base_layer(), _wheels_layer(requirements)]
    if sources:
        layers.append(_sources_layer(sources))
    return Image(reference, tuple(layers), environment=PYTHON_ENVIRONMENT, user=SERVER_USER)


def _wheels_layer(name: str) -> Path:
    """/opt/app/lib and /opt/app/bin, for the image's Python whatever ours is."""
    locked = E2E / "images" / f"{name}.txt"

    def fill(root: Path) -> None:
        target = root / "opt/app/lib"
        _run(
            [
                *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps"),
                *("--require-hashes", "--only-binary", ":all:", "--requirement", str(locked)),
                *("--python-version", SUITE_PYTHON, "--python-platform", "linux"),
                *("--link-mode", "copy", "--target", str(target)),
            ]
        )
        _move_scripts(target / "bin", root / "opt/app/bin")

    return layer(f"wheels-{name}", f"{tree_key(locked)} {SUITE_PYTHON} 1", fill)


def _move_scripts(source: Path, target: Path) -> None:
    """Entry points, by the image's own Python instead of the one that installed them."""
    target.mkdir(parents=True)
    for script in source.iterdir() if source.exists() else []:
        body = script.read_bytes()
        if body.startswith(b"#!") and b"python" in body.partition(b"\n")[0]:
            moved = target / script.name
            moved.write_bytes(b"#!/usr/bin/python3\n" + body.partition(b"\n")[2])
            moved.chmod(0o755)
    shutil.rmtree(source, ignore_errors=True)


def _sources_layer(sources: Sequence[Path]) -> Path:
    def fill(root: Path) -> None:
        target = root / "opt/app/src"
        target.mkdir(parents=True)
        for source in sources:
            shutil.copy(source, target)

    return layer(f"src-{sources[0].stem}", tree_key(*sources), fill)


def _product_image(reference: str, half: str, module: str, user: str) -> Image:
    script = ROOT / half / "install-image.sh"
    inputs = [ROOT / "operator", ROOT / "proxy", ROOT / "requirements", ROOT / "pyproject.toml"]

    def fill(root: Path) -> None:
        environment = {"PYTHON": sys.executable, "IMAGE_PYTHON": SUITE_PYTHON}
        _run(["sh", str(script), str(ROOT), str(root)], environment)

    return Image(
        reference,
        (_base_layer(), layer(f"product-{half}", tree_key(*inputs), fill)),
        entrypoint=("/opt/ostiary/venv/bin/python3", "-m", module),
        environment=("PYTHONSAFEPATH=1", "PYTHONDONTWRITEBYTECODE=1"),
        user=user,
    )


def _run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    # not the caller's umask: an image's files must be readable by its own users
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        umask=0o022,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = (done.stdout + done.stderr)[-2000:]
        raise Broken(f"`{' '.join(command)}` failed:\n{tail}")


RECIPES: Final[dict[str, Callable[[], list[Image]]]] = {
    "node": node_images,
    "servers": server_images,
    "product": product_images,
}
