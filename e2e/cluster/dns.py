"""Cluster DNS for tests: Services and headless endpoints under cluster.local.

One file on the standard library, because it runs inside a pod from a ConfigMap.
Answers A, SRV and PTR over UDP and TCP on port 53, and, as kubeadm's CoreDNS does, an
address for every name of the form 10-0-0-1.NAMESPACE.pod.cluster.local.  There is no
world outside: every other name does not exist."""

import http.client
import json
import os
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

DOMAIN = "cluster.local"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
FAILURES = (OSError, ValueError, http.client.HTTPException)
A, PTR, SRV, ANY = 1, 12, 33, 255
NO_SUCH_NAME = 3


@dataclass
class Zone:
    """What is known now.  Replaced as a whole, so a reader sees one moment."""

    addresses: dict[str, list[str]] = field(default_factory=dict)
    ports: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def add_port(self, port: Mapping[str, Any], service: str, target: str) -> None:
        if port.get("name"):
            label = f"_{port['name']}._{port.get('protocol', 'TCP').lower()}.{service}"
            self.ports.setdefault(label, []).append((port["port"], target))


def build(services: Iterable[Mapping[str, Any]], slices: Iterable[Mapping[str, Any]]) -> Zone:
    zone = Zone()
    headless: dict[tuple[str, str], bool] = {}
    for service in services:
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        spec, full = service["spec"], f"{name}.{namespace}.svc.{DOMAIN}"
        address = spec.get("clusterIP")
        if address in (None, "", "None"):
            headless[namespace, name] = bool(spec.get("publishNotReadyAddresses"))
            zone.addresses.setdefault(full, [])
            continue
        zone.addresses[full] = [address]
        zone.names[address] = full
        for port in spec.get("ports") or []:
            zone.add_port(port, full, full)
    for each in slices:
        _add_slice(zone, each, headless)
    return zone


def _add_slice(
    zone: Zone, each: Mapping[str, Any], headless: Mapping[tuple[str, str], bool]
) -> None:
    metadata = each["metadata"]
    name = (metadata.get("labels") or {}).get("kubernetes.io/service-name", "")
    key = (metadata["namespace"], name)
    if key not in headless or each.get("addressType") != "IPv4":
        return
    full = f"{name}.{metadata['namespace']}.svc.{DOMAIN}"
    for endpoint in each.get("endpoints") or []:
        if not headless[key] and not (endpoint.get("conditions") or {}).get("ready", True):
            continue
        host = endpoint.get("hostname") or endpoint["addresses"][0].replace(".", "-")
        target = f"{host}.{full}"
        zone.addresses[full] += endpoint["addresses"]
        zone.addresses.setdefault(target, []).extend(endpoint["addresses"])
        for port in each.get("ports") or []:
            zone.add_port(port, full, target)


def answer(query: bytes, zone: Zone) -> bytes:
    """The reply to one query message."""
    number, flags = struct.unpack("!HH", query[:4])
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
        at += query[at] + 1
    (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
    name = ".".join(labels)
    records = _records(name, kind, zone)
    known = bool(records) or _exists(name, zone)
    # a response, authoritative, recursion available; recursion desired is copied
    header = struct.pack(
        "!HHHHHH",
        number,
        0x8480 | (flags & 0x100) | (0 if known else NO_SUCH_NAME),
        1,
        len(records),
        0,
        0,
    )
    return header + query[12 : at + 5] + b"".join(records)


def _records(name: str, kind: int, zone: Zone) -> list[bytes]:
    out: list[bytes] = []
    if kind in (A, ANY):
        if written := _of_pod(name):
            out.append(_record(A, written))
        out += [_record(A, socket.inet_aton(each)) for each in zone.addresses.get(name, [])]
    if kind in (SRV, ANY):
        for port, target in zone.ports.get(name, []):
            out.append(_record(SRV, struct.pack("!HHH", 0, 100, port) + _encode(target)))
    if kind in (PTR, ANY) and name.endswith(".in-addr.arpa"):
        address = ".".join(reversed(name.removesuffix(".in-addr.arpa").split(".")))
        if address in zone.names:
            out.append(_record(PTR, _encode(zone.names[address])))
    return out


def _of_pod(name: str) -> bytes | None:
    """The address that a pod's name is made of, whether there is such a pod or not."""
    labels = name.removesuffix(f".pod.{DOMAIN}").split(".")
    if not name.endswith(f".pod.{DOMAIN}") or len(labels) != 2:
        return None
    try:
        return socket.inet_pton(socket.AF_INET, labels[0].replace("-", "."))
    except OSError:
        return None


def _exists(name: str, zone: Zone) -> bool:
    """A name with nothing of the asked kind, or one above a known name, is no error."""
    known = (*zone.addresses, *zone.ports)
    return any(each == name or each.endswith(f".{name}") for each in known)


def _record(kind: int, data: bytes) -> bytes:
    # the name is a pointer to the question; a short life, for tests do not wait
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 1, len(data)) + data


def _encode(name: str) -> bytes:
    return b"".join(bytes([len(each)]) + each.encode() for each in name.split(".")) + b"\0"


class Server:
    """Watches Services and EndpointSlices, and answers from the newest zone."""

    def __init__(self) -> None:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        self.zone = Zone()
        self._url = f"https://{host}:{port}"
        self._context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        self._dirty = threading.Event()

    def run(self) -> None:
        self._refresh()
        for target in (self._keep, lambda: self._watch(SERVICES), lambda: self._watch(SLICES)):
            threading.Thread(target=target, daemon=True).start()
        udp = socketserver.ThreadingUDPServer(("", 53), self._udp_handler())
        tcp = socketserver.ThreadingTCPServer(("", 53), self._tcp_handler())
        threading.Thread(target=tcp.serve_forever, daemon=True).start()
        print("serving", flush=True)
        udp.serve_forever()

    def _refresh(self) -> None:
        self.zone = build(self._list(SERVICES), self._list(SLICES))

    def _keep(self) -> None:
        while True:
            self._dirty.wait(10)
            self._dirty.clear()
            try:
                self._refresh()
            except FAILURES as err:
                print(f"retry: {err}", flush=True)
                time.sleep(0.5)
                self._dirty.set()

    def _watch(self, path: str) -> None:
        while True:
            try:
                with self._open(f"{path}?watch=1&timeoutSeconds=300", seconds=330) as lines:
                    for _ in lines:
                        self._dirty.set()
            except FAILURES:
                time.sleep(0.5)
            self._dirty.set()

    def _list(self, path: str) -> list[Any]:
        with self._open(path, seconds=10) as body:
            return list(json.load(body)["items"])

    def _open(self, path: str, *, seconds: float) -> Any:
        token = (ACCOUNT / "token").read_text()
        request = Request(self._url + path, headers={"Authorization": f"Bearer {token}"})
        return urlopen(request, context=self._context, timeout=seconds)

    def _udp_handler(self) -> type[socketserver.BaseRequestHandler]:
        server = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, out = self.request
                out.sendto(answer(data, server.zone), self.client_address)

        return Datagram

    def _tcp_handler(self) -> type[socketserver.BaseRequestHandler]:
        server = self

        class Stream(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while len(size := self.rfile.read(2)) == 2:
                    reply = answer(self.rfile.read(struct.unpack("!H", size)[0]), server.zone)
                    self.wfile.write(struct.pack("!H", len(reply)) + reply)

        return Stream


if __name__ == "__main__":
    Server().run()
