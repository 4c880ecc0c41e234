"""The names of the test cluster, as answers to real query messages."""

import socket
import struct
from typing import Any

import pytest
from e2e.cluster.dns import PTR, SRV, A, answer, build

NOT_THERE = 3


def service(name: str, address: str, **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80}]
    metadata = {"namespace": "tools", "name": name}
    return {"metadata": metadata, "spec": {"clusterIP": address, "ports": ports, **spec}}


def endpoints(name: str, *addresses: str, ready: bool = True) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": name}
    return {
        "metadata": {"namespace": "tools", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [each], "conditions": {"ready": ready}} for each in addresses],
        "ports": [{"name": "http", "port": 8080}],
    }


ZONE = build(
    [service("time", "10.96.0.7"), service("pods", "None"), service("early", "None")],
    [endpoints("pods", "10.244.0.5", "10.244.0.6"), endpoints("early", "10.244.0.9", ready=False)],
)


def query(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return (
        struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)
    )


def ask(name: str, kind: int) -> tuple[int, list[bytes]]:
    """The response code, and the data of each record."""
    asked = query(name, kind)
    reply = answer(asked, ZONE)
    number, flags, _, count, _, _ = struct.unpack("!HHHHHH", reply[:12])
    assert number == 7
    assert reply[12 : len(asked)] == asked[12:]
    data, at = [], len(asked)
    for _ in range(count):
        (size,) = struct.unpack("!H", reply[at + 10 : at + 12])
        data.append(reply[at + 12 : at + 12 + size])
        at += 12 + size
    return flags & 0xF, data


ADDRESSES = {
    "a service": ("time.tools.svc.cluster.local", ["10.96.0.7"]),
    "in any case": ("Time.TOOLS.svc.cluster.local", ["10.96.0.7"]),
    "a headless one": ("pods.tools.svc.cluster.local", ["10.244.0.5", "10.244.0.6"]),
    "one pod of it": ("10-244-0-5.pods.tools.svc.cluster.local", ["10.244.0.5"]),
    "a pod's, as written": ("127-0-0-1.tools.pod.cluster.local", ["127.0.0.1"]),
    "pods that are not ready are left out": ("early.tools.svc.cluster.local", []),
}


@pytest.mark.parametrize(("name", "expected"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_addresses(name: str, expected: list[str]) -> None:
    assert ask(name, A) == (0, [socket.inet_aton(each) for each in expected])


def test_a_name_that_is_not_there() -> None:
    assert ask("nobody.tools.svc.cluster.local", A) == (NOT_THERE, [])
    assert ask("example.com", A) == (NOT_THERE, [])
    assert ask("10-0-0-300.tools.pod.cluster.local", A) == (NOT_THERE, [])


def test_a_name_above_a_known_one_is_there_without_an_address() -> None:
    assert ask("tools.svc.cluster.local", A) == (0, [])


def test_ports_and_reverse_names() -> None:
    _, (port,) = ask("_http._tcp.time.tools.svc.cluster.local", SRV)
    _, (name,) = ask("7.0.96.10.in-addr.arpa", PTR)

    assert struct.unpack("!HHH", port[:6]) == (0, 100, 80)
    assert name.startswith(b"\x04time\x05tools")
