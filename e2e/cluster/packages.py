"""The Debian packages that the real node and the edge before it need, installed when missing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

from e2e.cluster.paths import Unavailable

# program (or file) -> package that brings it
NEEDED: Final = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "nft": "nftables",
    "conntrack": "conntrack",
    "debootstrap": "debootstrap",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mount": "mount",
    "modprobe": "kmod",
}
EDGE: Final = {"nginx": "nginx"}
"""What stands in for a Gateway or an ingress controller."""
SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def require_root() -> None:
    if os.geteuid() != 0:
        raise Unavailable(
            "the real node needs root (network namespaces, mounts, containers): run it with sudo, "
            "or set KUBECONFIG to a cluster of yours"
        )


def install_missing(needed: Mapping[str, str] = NEEDED) -> None:
    """apt-get install of what is not there; `apt-get update` only if that fails at first."""
    missing = sorted({package for item, package in needed.items() if not _present(item)})
    if not missing:
        return
    if os.geteuid() != 0:
        raise Unavailable(f"install these first (only root may): {' '.join(missing)}")
    if shutil.which("apt-get") is None:
        raise Unavailable(f"install these first (no apt-get here): {' '.join(missing)}")
    print(f"installing {' '.join(missing)} ...", file=sys.stderr, flush=True)
    if _apt("install", *missing).returncode:
        _apt("update")
        done = _apt("install", *missing)
        if done.returncode:
            raise Unavailable(f"apt-get install {' '.join(missing)} failed:\n{done.stderr[-1500:]}")


def _present(item: str) -> bool:
    if item.startswith("/"):
        return os.path.exists(item)
    return shutil.which(item, path=SYSTEM_PATH) is not None


def _apt(action: str, *packages: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["apt-get", action, "--yes", "--quiet", "--no-install-recommends", *packages]
        if packages
        else ["apt-get", action, "--quiet"],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )
