"""One real node on this machine: control plane, containerd, kubelet, kube-proxy, policies, DNS.

Everything lives in a network namespace without a way out, and in one folder.
The host reaches the API server on its own loopback through a forwarder; tests
reach pods through `kubectl exec`.  Linux, root, Debian or Ubuntu packages.

    e2e/cluster/up      prints the kubeconfig's path on the last line
    e2e/cluster/down    leaves nothing"""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from e2e.cluster import node_files as files
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.images.archive import Image, write_archive
from e2e.cluster.images.recipes import RECIPES
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.layout import POD_CIDR, Layout, free_port, load_layout
from e2e.cluster.packages import SYSTEM_PATH, install_missing, require_root
from e2e.cluster.paths import HERE, ROOT, Broken, Unavailable
from e2e.cluster.pki import Authority
from e2e.cluster.processes import Processes
from e2e.cluster.programs import NODE, programs
from e2e.cluster.teardown import make_cgroup, tear_down
from e2e.cluster.waiting import eventually

NETNS: Final = "ostiary-e2e"
STATE: Final = Path("/var/lib/ostiary-e2e")
SOCKET: Final = Path("/run/ostiary-e2e-containerd.sock")  # socket paths must be short
LOCK: Final = Path("/run/ostiary-e2e.lock")
ENTER: Final = ("nsenter", f"--net=/run/netns/{NETNS}")  # `ip netns exec` would hide the cgroups
IMAGES: Final = ("node", "servers")  # loaded by `up`; the product's by whoever tests it


class Node:
    def __init__(self) -> None:
        require_root()
        os.environ["PATH"] = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
        install_missing()
        self.processes = Processes(STATE / "run")
        self.kubectl = Kubectl(STATE / "admin.kubeconfig")
        self.control_plane = ControlPlane(
            STATE,
            layout=lambda: load_layout(STATE / "layout.json"),
            extra_hosts=[files.NODE, files.NODE_IP],
            with_scheduler=True,
        )
        self._programs = programs(NODE)

    @property
    def kubeconfig(self) -> Path:
        return self.kubectl.kubeconfig

    def up(self) -> bool:
        """A Ready node with DNS, policies and images; whether it had to be started."""
        fresh = not self._is_up()
        if fresh:
            self.down()  # what a crash may have left
            self._make_network()
            with ThreadPoolExecutor() as both:
                started = both.submit(self._start_control_plane)
                self._start_containerd()
                self.load(*IMAGES)
                started.result()
            self._start_agents()
            self.kubectl.apply(files.cluster_dns((HERE / "dns.py").read_text()))
        else:
            self.load(*IMAGES)
        self._wait_ready()
        (STATE / "up").touch()
        return fresh

    def down(self) -> None:
        self.control_plane.stop()
        tear_down(state=STATE, socket=SOCKET, namespace=NETNS, processes=self.processes)

    def load(self, *recipes: str) -> list[str]:
        """Make and import the images of these recipes that changed; gives their references."""
        images = [image for recipe in recipes for image in RECIPES[recipe]()]
        marks = {image.reference: str(image) for image in images}
        record = STATE / "images.json"
        known = json.loads(record.read_text()) if record.exists() else {}
        changed = [image for image in images if known.get(image.reference) != str(image)]
        if changed:
            self._import(changed)
            record.write_text(json.dumps(known | marks))
        return [image.reference for image in changed]

    def _import(self, images: Sequence[Image]) -> None:
        command = ["ctr", "--address", str(SOCKET), "--namespace", "k8s.io"]
        with subprocess.Popen(
            [*command, "images", "import", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            write_archive(images, process.stdin)
            process.stdin.close()
            complaint = process.stderr.read().decode(errors="replace")
        if process.returncode:
            raise Broken(f"containerd does not take the images: {complaint}")

    def _is_up(self) -> bool:
        expected = ("etcd", "kube-apiserver", "kubelet", "kube-proxy", "containerd", "netpol")
        running = all(self.processes.alive(name) for name in (*expected, "forward"))
        return (STATE / "up").exists() and running

    def _make_network(self) -> None:
        STATE.mkdir(parents=True)
        Layout(
            api_port=free_port(),
            etcd_port=2379,
            peer_port=2380,
            bind="0.0.0.0",
            advertise=files.NODE_IP,
            enter=ENTER,
            inner_port=6443,  # where everybody expects it: policies for its callers name it
        ).save(STATE / "layout.json")
        _must("ip", "netns", "add", NETNS)
        link = ("ip", "link")
        _must(*ENTER, *link, "set", "lo", "up")
        # a bridge without ports: any interface that can hold the node's address
        _must(*ENTER, *link, "add", "node0", "type", "bridge")
        _must(*ENTER, "ip", "address", "add", f"{files.NODE_IP}/24", "dev", "node0")
        _must(*ENTER, *link, "set", "node0", "up")
        # the API server and the kubelet want a default route; it leads nowhere
        _must(*ENTER, "ip", "route", "add", "default", "via", "10.88.0.254", "dev", "node0")
        _must(*ENTER, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def _start_control_plane(self) -> None:
        layout = load_layout(STATE / "layout.json")
        ports = (str(layout.api_port), str(layout.secure_port))
        self._start_python("forward", "e2e.cluster.forward", NETNS, *ports)
        self.control_plane.start()
        self._write_node_identities(self.control_plane.authority(), layout.inner_url)

    def _write_node_identities(self, authority: Authority, url: str) -> None:
        hosts = [files.NODE, files.NODE_IP, "127.0.0.1"]
        kubelet = authority.issue(
            f"system:node:{files.NODE}", groups=["system:nodes"], hosts=hosts, server=True
        )
        authority.write("kubelet", kubelet)
        authority.kubeconfig(STATE / "kubelet.kubeconfig", url=url, pair=kubelet)
        kube_proxy = authority.issue("system:kube-proxy", server=False)
        authority.kubeconfig(STATE / "kube-proxy.kubeconfig", url=url, pair=kube_proxy)

    def _start_containerd(self) -> None:
        (STATE / "cni").mkdir()
        (STATE / "containerd.toml").write_text(files.containerd(STATE, SOCKET))
        _write(STATE / "cni/10-pods.conflist", files.pod_network(STATE))
        config = str(STATE / "containerd.toml")
        self.processes.start("containerd", [*ENTER, "containerd", "--config", config])
        ctr = ["ctr", "--address", str(SOCKET), "version"]
        self._wait("containerd", lambda: _succeeds(*ctr), seconds=20)

    def _start_agents(self) -> None:
        make_cgroup()
        (STATE / "resolv.conf").touch()
        _write(STATE / "kubelet.json", files.kubelet(STATE, SOCKET))
        _write(STATE / "kube-proxy.json", files.kube_proxy(STATE))
        url = load_layout(STATE / "layout.json").inner_url
        # before the first pod: none ever runs without its policies
        agent = ["e2e.cluster.netpol_agent", str(STATE / "pki"), url, POD_CIDR]
        self._start_python("netpol", *agent, enter=ENTER)
        self.processes.start(
            "kubelet",
            [
                *ENTER,
                str(self._programs["kubelet"]),
                f"--config={STATE}/kubelet.json",
                f"--kubeconfig={STATE}/kubelet.kubeconfig",
                f"--root-dir={STATE}/kubelet",
                f"--cert-dir={STATE}/kubelet/pki",
                f"--hostname-override={files.NODE}",
                f"--node-ip={files.NODE_IP}",
            ],
        )
        proxy = [*ENTER, str(self._programs["kube-proxy"]), f"--config={STATE}/kube-proxy.json"]
        self.processes.start("kube-proxy", proxy)

    def _start_python(self, name: str, *arguments: str, enter: Sequence[str] = ()) -> None:
        command = [*enter, sys.executable, "-m", *arguments]
        self.processes.start(name, command, env={"PYTHONPATH": str(ROOT)})

    def _wait_ready(self) -> None:
        path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        ready = ("get", "node", files.NODE, "-o", path)
        self._wait("kubelet", lambda: self.kubectl.run(*ready).stdout == "True", seconds=60)
        status = ("-n", "kube-system", "rollout", "status", "deploy/kube-dns", "--timeout=60s")
        self.kubectl(*status, seconds=70)

    def _wait(self, name: str, ready: Callable[[], bool], *, seconds: float) -> None:
        def look() -> bool:
            if not self.processes.alive(name):
                raise Broken(f"{name} ended:\n{self.processes.log_tail(name)}")
            return ready()

        try:
            eventually(look, seconds=seconds, what=f"{name} is ready", every=0.1)
        except AssertionError as err:
            raise Broken(f"{err}\n{self.processes.log_tail(name)}") from err


def _must(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"`{' '.join(command)}` failed: {done.stderr.strip()}")


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1))


@contextmanager
def held() -> Iterator[None]:
    """One at a time: the node's name, network and folder are the machine's only ones."""
    with LOCK.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            owner = handle.read().strip()
            raise Broken(f"process {owner} uses the node: try again when it is done") from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def command(action: str, *recipes: str) -> None:
    node = Node()
    if action == "down":
        node.down()
        return
    began = time.monotonic()
    node.up()
    node.load(*recipes)
    took = time.monotonic() - began
    print(f"node {files.NODE} is Ready ({took:.1f} s)", file=sys.stderr)
    print(node.kubeconfig)


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in ("up", "down") or set(arguments[1:]) - set(RECIPES):
        print("usage: e2e/cluster/up [product] | e2e/cluster/down", file=sys.stderr)
        return 2
    try:
        with held():
            command(*arguments)
    except (Unavailable, Broken) as err:
        print(err, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
