"""A group as on a cluster, in one process: gateways and members' pods are proxies of their own,
each on a loopback address of its own, found by name."""

import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from tests.proxy import documents, grouped, rig, signing
from tests.proxy.conditions import until

from ostiary_proxy import config
from ostiary_proxy.serve import Proxy

GATEWAY = "system:serviceaccount:agents:everyday-group"
GATEWAYS = "everyday-group-pods.agents.svc"
MASTER = b"m" * 32
ADDRESSES = tuple(f"127.0.7.{number}" for number in range(11, 61))
"""Of pods: these clients know them by nothing else."""


class Names:
    """What DNS says."""

    def __init__(self) -> None:
        self.held: dict[str, set[str]] = {}

    async def resolve(self, name: str) -> frozenset[str]:
        if name not in self.held:
            raise OSError(f"no such name: {name}")
        return frozenset(self.held[name])


@dataclass
class Pod:
    proxy: Proxy
    address: str
    audit: Path
    stack: AsyncExitStack
    trail: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.proxy.port}/mcp"

    async def drain(self) -> None:
        """As a pod leaves that the cluster has taken out of service."""
        await self.proxy.drain.run()

    async def stop(self) -> None:
        await self.stack.aclose()
        self.trail = [orjson.loads(line) for line in self.audit.read_bytes().splitlines()]


class Cluster:
    """Servers of the namespace `tools`, and one group of `agents`."""

    def __init__(self, folder: Path) -> None:
        self.names = Names()
        self.folder = folder
        (folder / "keys").mkdir()
        (folder / "keys" / "0").write_bytes(MASTER)
        self.token = folder / "token"
        self.show(signing.sign(signing.claims(GATEWAY, aud=config.CATALOGUE_AUDIENCE)))
        self.pods: list[Pod] = []
        self.servers: dict[str, config.Server] = {}
        self.group: config.Server | None = None
        self.generation = 1
        self._ports: dict[str, int] = {}
        self._left = list(reversed(ADDRESSES))

    def show(self, token: str) -> None:
        """The gateway's own."""
        self.token.write_text(token)

    def address(self) -> str:
        return self._left.pop()

    async def member(self, name: str, port: int, address: str = "", **more: Any) -> Pod:
        """A pod of a server before the backend on that port."""
        values: dict[str, Any] = {
            "path": "/mcp",
            "pods": f"{name}-pods.tools.svc",
            "groups": (grouped.link(name).model_copy(update={"pods": GATEWAYS}),),
            "keys": (documents.session_key(0, MASTER),),
            **more,
        }
        self.servers[name] = grouped.of(name, config.HttpBackend(port=port), **values)
        return await self.again(name, address)

    async def again(self, name: str, address: str = "") -> Pod:
        """One more pod of it."""
        server = self.servers[name]
        pod = await self._start("sidecar", name, address or self.address(), server)
        self.names.held.setdefault(server.pods, set()).add(pod.address)
        return pod

    def of_server(self, name: str) -> list[Pod]:
        held = self.names.held.get(self.servers[name].pods, set())
        return [pod for pod in self.pods if pod.address in held]

    async def gateway(self, address: str = "") -> Pod:
        assert self.group is not None
        pod = await self._start("gateway", "", address or self.address(), self.group)
        self.names.held.setdefault(GATEWAYS, set()).add(pod.address)
        return pod

    def make_group(self, **more: Any) -> None:
        members = [self.of(name) for name in self.servers]
        values = {"path": "/mcp", "keys": (documents.session_key(0, MASTER),), **more}
        values["pods"] = GATEWAYS
        self.group = grouped.group(members, **values)

    def of(self, name: str, **more: Any) -> config.Member:
        server, port = self.servers[name], self._ports[name]
        return grouped.member(server, host=server.pods, port=port, **more)

    def apply(self, pod: Pod, server: config.Server) -> None:
        self.generation += 1
        server = server.model_copy(update={"hosts": (*server.hosts, *ADDRESSES)})
        role = pod.proxy.runtime.role
        pod.proxy.apply(documents.document(self.generation, role=role, servers=(server,)))

    async def lose(self, pod: Pod) -> None:
        """It is gone, and DNS says so a moment later."""
        await pod.stop()
        self.forget(pod)

    def forget(self, pod: Pod) -> None:
        for held in self.names.held.values():
            held.discard(pod.address)

    async def _start(self, role: Any, name: str, address: str, server: config.Server) -> Pod:
        stack = AsyncExitStack()
        audit = self.folder / f"audit-{len(self.pods)}"
        port = self._ports.get(name) or free_port()
        proxy = await stack.enter_async_context(
            Proxy(
                role=role,
                audit_stream=stack.enter_context(audit.open("wb")),
                host=address,
                port=port,
                pod=address,
                pod_uid=address,
                address=address,
                keys_dir=self.folder / "keys",
                catalogue_token=self.token,
                resolve=self.names.resolve,
                accept_seconds=0.0,
            )
        )
        self._ports[name] = port
        pod = Pod(proxy, address, audit, stack)
        self.pods.append(pod)
        self.apply(pod, server)
        return pod

    async def ready(self, pod: Pod) -> None:
        await until(lambda: all(one.state == "Ready" for one in report(pod).members))


def report(pod: Pod) -> config.ServerReport:
    return pod.proxy.reports()[0]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def token(who: str = rig.PLANNER, audience: str = grouped.AUDIENCE, **more: Any) -> str:
    return signing.sign(signing.claims(who, aud=audience, **more))


@asynccontextmanager
async def client(
    pod: Pod, mode: str = "auto", bearer: str = "", **more: Any
) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {bearer or token()}"}
    timeout = httpx2.Timeout(30, read=300)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout) as http,
        Client(streamable_http_client(pod.url, http_client=http), mode=mode, **more) as made,
    ):
        yield made


@asynccontextmanager
async def raw(
    url: str, bearer: str | None = None, source: str = "127.0.0.1"
) -> AsyncIterator[rig.Raw]:
    """A client that comes from this address."""
    headers = {"accept": "application/json, text/event-stream"}
    if bearer != "":
        headers["authorization"] = f"Bearer {bearer or token()}"
    transport = httpx2.AsyncHTTPTransport(local_address=source)
    async with httpx2.AsyncClient(headers=headers, timeout=30, transport=transport) as http:
        yield rig.Raw(http, url)


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    with tempfile.TemporaryDirectory() as folder:
        made = Cluster(Path(folder))
        try:
            yield made
        finally:
            for pod in made.pods:
                await pod.stack.aclose()
