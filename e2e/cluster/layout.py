"""Addresses and ports of a test control plane, and in which network it lives."""

import json
import random
import socket
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

SERVICE_CIDR: Final = "10.96.0.0/16"
KUBERNETES_SERVICE: Final = "10.96.0.1"
POD_CIDR: Final = "10.244.0.0/24"
CLUSTER_CIDR: Final = "10.244.0.0/16"

# Below the range of outgoing ports: a killed API server finds its port free again.
PORTS: Final = (15000, 29999)


@dataclass(frozen=True, slots=True)
class Layout:
    """`enter` is the prefix that runs a program in the right network namespace.

    Inside it the API server listens on `inner_port`, where that is not 0: the
    host then reaches it on `api_port` through a forwarder."""

    api_port: int
    etcd_port: int
    peer_port: int
    bind: str = "127.0.0.1"
    advertise: str = "127.0.0.1"
    enter: tuple[str, ...] = ()
    inner_port: int = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def secure_port(self) -> int:
        return self.inner_port or self.api_port

    @property
    def inner_url(self) -> str:
        """For the programs that live beside the API server."""
        return f"https://127.0.0.1:{self.secure_port}"

    @property
    def etcd_url(self) -> str:
        return f"http://127.0.0.1:{self.etcd_port}"

    @property
    def peer_url(self) -> str:
        return f"http://127.0.0.1:{self.peer_port}"

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


def load_layout(path: Path) -> Layout:
    fields = json.loads(path.read_text())
    return Layout(**{**fields, "enter": tuple(fields["enter"])})


def loopback() -> Layout:
    """Free ports on this machine's loopback."""
    ports: list[int] = []
    while len(ports) < 3:
        ports.append(free_port(taken=ports))
    api, etcd, peer = ports
    return Layout(api_port=api, etcd_port=etcd, peer_port=peer)


def free_port(*, taken: Collection[int] = ()) -> int:
    for _ in range(200):
        port = random.randint(*PORTS)
        if port in taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port between {PORTS[0]} and {PORTS[1]}")
