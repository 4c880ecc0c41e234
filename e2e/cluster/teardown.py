"""Taking the node away without a trace, also after a crash.

It only touches what carries the node's own marks: pid files of our folder,
containers of our containerd, processes in our cgroup, shims of our socket,
mounts below our folder, network namespaces that hold our pods."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket as socket_module
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from e2e.cluster.node_files import CGROUP
from e2e.cluster.processes import Processes
from e2e.cluster.waiting import eventually

AGENTS = ("netpol", "kube-proxy", "kubelet")
COMMAND_SECONDS = 10
CONTROL_PLANE = ("kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd")


def tear_down(*, state: Path, socket: Path, namespace: str, processes: Processes) -> None:
    for name in AGENTS:
        processes.stop(name)
    if processes.alive("containerd"):
        _remove_containers(socket)
    processes.stop("containerd")
    _kill_leftovers(socket)
    for name in ("forward", *CONTROL_PLANE):
        processes.stop(name, seconds=3)
    _unmount(state)
    _remove_cgroup()
    for each in _pod_namespaces():
        _quiet("ip", "netns", "delete", each)
    _quiet("ip", "netns", "delete", namespace)
    _remove_log_links(state)
    _remove_dead_sockets(Path("/run/containerd/s"))
    _remove_dead_sockets(Path("/var/lib/kubelet/device-plugins"))
    _remove_if_empty("/run/containerd/s", "/run/containerd", "/var/lib/kubelet/device-plugins")
    _remove_if_empty("/var/lib/kubelet", "/var/log/containers", "/var/lib/cni/results")
    for left in (socket, socket.with_name(f"{socket.name}.ttrpc")):
        left.unlink(missing_ok=True)
    if mounted := _mounts(state):
        raise OSError(f"still mounted, so nothing is deleted: {' '.join(mounted)}")
    shutil.rmtree(state, ignore_errors=True)


def _remove_containers(socket: Path) -> None:
    ctr = ["ctr", "--address", str(socket), "--namespace", "k8s.io"]
    for task in _lines(*ctr, "tasks", "list", "--quiet"):
        _quiet(*ctr, "tasks", "delete", "--force", task)
    for container in _lines(*ctr, "containers", "list", "--quiet"):
        _quiet(*ctr, "containers", "delete", container)


def _kill_leftovers(socket: Path) -> None:
    """What a killed containerd leaves: containers, then the shims that watched them."""

    def none_left() -> bool:
        found = [*_in_cgroup(), *_shims(socket)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not found

    eventually(none_left, seconds=15, what="containers end")


def _in_cgroup() -> Iterator[int]:
    for folder in _cgroups():
        for procs in folder.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                yield from map(int, procs.read_text().split())


def _shims(socket: Path) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"containerd-shim" in words[0] and str(socket).encode() in words:
                yield int(folder.name)


def _cgroups() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    return [path for path in (root / CGROUP, *root.glob(f"*/{CGROUP}")) if path.is_dir()]


def _remove_cgroup() -> None:
    for top in _cgroups():
        folders = [path for path in top.rglob("*") if path.is_dir()]
        for folder in [*sorted(folders, key=lambda each: -len(each.parts)), top]:
            _remove_one_cgroup(folder)


def _remove_one_cgroup(folder: Path) -> None:
    """The kernel says busy for a moment after the last process of a group is gone."""
    for _ in range(50):
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)


def make_cgroup() -> None:
    """The kubelet wants the root of its cgroups to be there (in each hierarchy of version 1)."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind not in ("cgroup", "cgroup2"):
            continue
        Path(where, CGROUP).mkdir(exist_ok=True)
        control = Path(where, "cgroup.subtree_control")
        if kind == "cgroup2" and control.exists():
            for each in Path(where, "cgroup.controllers").read_text().split():
                with contextlib.suppress(OSError):
                    control.write_text(f"+{each}")


def _unmount(state: Path) -> None:
    for point in _mounts(state):
        _quiet("umount", "--lazy", point)


def _mounts(state: Path) -> list[str]:
    """Mount points below our folder, innermost first."""
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((point for point in points if point.startswith(f"{state}/")), reverse=True)


def _pod_namespaces() -> list[str]:
    """The network namespaces of our pods, from what the CNI library noted for our network."""
    found: list[str] = []
    results = Path("/var/lib/cni/results")
    for note in results.glob(f"{CGROUP}-*"):
        with contextlib.suppress(OSError, ValueError):
            seen = json.loads(note.read_text())
            found += [Path(each.get("sandbox", "")).name for each in seen["result"]["interfaces"]]
            for loopback in results.glob(f"cni-loopback-{seen['containerId']}-*"):
                loopback.unlink()
        note.unlink(missing_ok=True)
    return [name for name in set(found) if re.fullmatch(r"cni-[0-9a-f-]+", name)]


def _remove_log_links(state: Path) -> None:
    """The kubelet links every container's log from /var/log/containers."""
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and os.readlink(link).startswith(f"{state}/"):
            link.unlink()


def _remove_dead_sockets(folder: Path) -> None:
    """Sockets of killed programs, in folders that we cannot choose: nobody listens on them."""
    for path in folder.glob("*"):
        if not path.is_socket():
            continue
        with socket_module.socket(socket_module.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)


def _remove_if_empty(*folders: str) -> None:
    """Folders whose place the programs do not let us choose, and others may use too."""
    for folder in folders:
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _lines(*command: str) -> list[str]:
    return _run(*command).split()


def _quiet(*command: str) -> None:
    _run(*command)


def _run(*command: str) -> str:
    """Bounded: a runtime that lost its state hangs, and what it does not end is killed later."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
        ).stdout
    return ""
