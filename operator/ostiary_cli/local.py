"""Manifests to what runs on this machine: one config document for one proxy.

The same policies and limits as on a cluster, rendered by the operator's own function; addresses and
backends alone differ.  A server that cannot run here is refused with a sentence and hurts no other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary_operator.api import MCPServer
from ostiary_operator.render.proxy_config import Address, server_section
from ostiary_proxy.config import HttpBackend, Issuer, ProxyConfig, Server, StdioBackend

from .environment import Missing, environment_of, expand_all
from .manifests import Manifests, Source

HOST: Final = "127.0.0.1"
DRAIN_SECONDS: Final = 2
"""Ctrl-C waits this long for the calls in flight."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where it all runs."""

    folder: Path
    """Children start here, so that a manifest may name what lies beside it."""
    port: int
    search_path: str
    """PATH of the children that bring none of their own."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A server that is valid on a cluster and cannot run here."""

    key: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: MCPServer {self.key} cannot run here: {self.message}"


@dataclass(frozen=True, slots=True)
class Plan:
    servers: tuple[Server, ...]
    refusals: tuple[Refusal, ...]

    def config(self, generation: int, issuer: Issuer) -> ProxyConfig:
        return ProxyConfig(
            generation=generation,
            role="local",
            issuers=(issuer,),
            servers=self.servers,
            drainSeconds=DRAIN_SECONDS,
        )


def key_of(server: Server) -> str:
    return f"{server.namespace}/{server.name}"


def plan(manifests: Manifests, place: Place, callers: Iterable[str] = ()) -> Plan:
    """`callers`: namespaces of the development identities, which policies may select by name."""
    namespaces = manifests.labels(frozenset(callers))
    servers: list[Server] = []
    refusals: list[Refusal] = []
    ports: dict[int, str] = {}
    for key, (server, source) in sorted(manifests.servers.items()):
        backend = _backend(server, source, manifests, place, ports)
        if isinstance(backend, Missing):
            where = source.at(backend.path)
            message = f"{backend.path}: {backend.message}" if backend.path else backend.message
            refusals.append(Refusal(key, where, message))
            continue
        if isinstance(backend, HttpBackend):
            ports[backend.port] = f"{key} ({source.at('spec.transport.streamableHTTP.port')})"
        section = server_section(
            server,
            manifests.policies.values(),
            namespaces,
            address=_address(server, place.port),
            backend=backend,
        )
        servers.append(section.model_copy(update={"uid": key}))
    return Plan(tuple(servers), tuple(refusals))


def _address(server: MCPServer, port: int) -> Address:
    path = f"/{server.metadata.namespace}/{server.metadata.name}/mcp"
    url = f"http://{HOST}:{port}{path}"
    return Address(url=url, audiences=(url,), hosts=(HOST, "localhost"), path=path)


def _backend(
    server: MCPServer, source: Source, manifests: Manifests, place: Place, ports: dict[int, str]
) -> StdioBackend | HttpBackend | Missing:
    missing = _cannot(server, place, ports)
    if missing is not None:
        return missing
    environment = environment_of(server, manifests)
    if isinstance(environment, Missing):
        return environment
    working = _working_dir(server, place)
    if isinstance(working, Missing):
        return working
    spec = server.spec
    command = expand_all([*(spec.command or ()), *(spec.args or ())], environment)
    environment.setdefault("PATH", place.search_path)
    if spec.http is not None:
        return HttpBackend(
            port=spec.http.port,
            path=spec.http.path or "/mcp",
            command=command,
            env=environment,
            workingDir=working,
        )
    given = spec.stdio.model_dump(include={"maxProcesses", "idleSeconds"}, exclude_none=True)
    return StdioBackend(command=command, env=environment, workingDir=working, **given)


def _cannot(server: MCPServer, place: Place, ports: dict[int, str]) -> Missing | None:
    """What a pod has and this machine has not."""
    spec = server.spec
    if not spec.command:
        return Missing(
            "spec.command",
            f"the image {spec.image} is not pulled here: write as command the program to start",
        )
    if spec.replicas == 0:
        return Missing("spec.replicas", "it is 0: write 1, or leave it out, to start the server")
    if spec.volumes:
        volume = spec.volumes[0]
        return Missing(
            "spec.volumes[0]",
            f"nothing can be mounted at {volume.mountPath} without a cluster: leave the volume out "
            "here, and tell the server by env or args where its files are",
        )
    if spec.identity and spec.identity.kubernetesToken:
        return Missing(
            "spec.identity.kubernetesToken", "there is no Kubernetes here whose token it could be"
        )
    return _port_taken(server, place, ports)


def _port_taken(server: MCPServer, place: Place, ports: dict[int, str]) -> Missing | None:
    if server.spec.http is None:
        return None
    port = server.spec.http.port
    path = "spec.transport.streamableHTTP.port"
    if port in ports:
        return Missing(
            path,
            f"port {port} is already that of {ports[port]}: servers share one machine here, so "
            "give each a port of its own",
        )
    if port == place.port:
        return Missing(path, f"port {port} is that of `ostiary up`: choose another for one of them")
    return None


def _working_dir(server: MCPServer, place: Place) -> str | Missing:
    wanted = place.folder / (server.spec.workingDir or "")
    if wanted.is_dir():
        return str(wanted)
    return Missing(
        "spec.workingDir",
        f"{server.spec.workingDir} is no folder on this machine: leave it out to start in "
        f"{place.folder}",
    )
