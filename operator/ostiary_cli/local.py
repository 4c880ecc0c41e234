"""Manifests to what runs on this machine: one config document for one proxy.

The same policies and limits as on a cluster, rendered by the operator's own function; addresses and
backends alone differ.  A server that cannot run here is refused with a sentence and hurts no other.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ostiary_operator.api import GROUP_KIND, SERVER_KIND, MCPAccessToken, MCPServer
from ostiary_operator.render.outside import remote_backend, service_backend, service_name
from ostiary_operator.render.proxy_config import Address, port_backend, server_section
from ostiary_operator.render.tokens import opening
from ostiary_proxy.config import (
    Backend,
    GroupBackend,
    HttpBackend,
    Issuer,
    PortBackend,
    ProxyConfig,
    Server,
    ServerReport,
    StdioBackend,
)

from . import local_groups
from .environment import Missing, environment_of, expand_all
from .manifests import Manifests, Source
from .upstream import Files, files_of

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

    @property
    def upstream(self) -> Path:
        """Where the credentials of remotes lie while this runs."""
        return self.folder / ".ostiary" / f"upstream-{self.port}"


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
    files: Files = field(default_factory=Files, repr=False)
    """What the proxy reads of `spec.upstream`: secrets, never printed."""
    notes: tuple[str, ...] = ()
    """Servers that a group speaks of, and why they are none of its members."""

    def config(self, generation: int, issuers: tuple[Issuer, ...]) -> ProxyConfig:
        return ProxyConfig(
            generation=generation,
            role="local",
            issuers=issuers,
            servers=self.servers,
            drainSeconds=DRAIN_SECONDS,
        )


def key_of(server: Server) -> str:
    """A group's is that of its path: `<namespace>/<name>-group`."""
    key = f"{server.namespace}/{server.name}"
    return local_groups.group_key(key) if isinstance(server.backend, GroupBackend) else key


def called(server: Server) -> str:
    """As a person knows it: `MCPServer default/time`."""
    kind = GROUP_KIND if isinstance(server.backend, GroupBackend) else SERVER_KIND
    return f"{kind} {server.namespace}/{server.name}"


def names_of(server: Server) -> tuple[str, ...]:
    """What a person may write for it.  Servers come first: where a group has the name of one, it is
    the one with `-group`."""
    key = key_of(server)
    return key, key.partition("/")[2], server.name, f"{server.namespace}/{server.name}"


def report_key(report: ServerReport) -> str:
    """The key of what it tells of."""
    key = f"{report.namespace}/{report.name}"
    return local_groups.group_key(key) if report.kind == GROUP_KIND else key


def plan(
    manifests: Manifests,
    place: Place,
    callers: Iterable[str] = (),
    tokens: Iterable[MCPAccessToken] = (),
) -> Plan:
    """`callers`: namespaces of the development identities, which policies may select by name;
    `tokens`: those that are good here."""
    policies, good = tuple(manifests.policies.values()), tuple(tokens)
    namespaces = manifests.labels(frozenset(callers))
    rolls, bases = local_groups.rolls_of(manifests, namespaces), bases_of(place.port)
    servers: list[Server] = []
    refusals: list[Refusal] = []
    ports: dict[int, str] = {}
    files = Files()
    for key, (server, source) in sorted(manifests.servers.items()):
        backend = _backend(server, source, manifests, place, ports)
        if isinstance(backend, Missing):
            refusals.append(_refusal(key, source, backend))
            continue
        found = files_of(server, manifests, _upstream(server, place))
        assert not isinstance(found, Missing), "the backend was refused for it"
        files |= found
        if (child := listening(backend)) is not None:
            ports[child.port] = f"{key} ({source.at(port_field(child))})"
        links = tuple(local_groups.links_of(server, rolls, bases))
        section = server_section(
            server,
            policies,
            namespaces,
            address=_address(server, place.port),
            backend=backend,
            tokens=opening(server, good, policies, namespaces, links),
            groups=links,
        )
        servers.append(section.model_copy(update={"uid": key}))
    known = local_groups.Known(policies, good, namespaces, bases)
    servers += local_groups.group_servers(rolls, map(key_of, tuple(servers)), known)
    notes = tuple(local_groups.not_members(rolls, manifests, namespaces))
    return Plan(tuple(servers), tuple(refusals), files, notes)


def _refusal(key: str, source: Source, missing: Missing) -> Refusal:
    message = f"{missing.path}: {missing.message}" if missing.path else missing.message
    return Refusal(key, source.at(missing.path), message)


def bases_of(port: int) -> tuple[str, ...]:
    """What every URL here begins with; a client that asked for localhost gets a token for that."""
    return f"http://{HOST}:{port}", f"http://localhost:{port}"


def _address(server: MCPServer, port: int) -> Address:
    path = f"/{server.metadata.namespace}/{server.metadata.name}/mcp"
    audiences = tuple(f"{base}{path}" for base in bases_of(port))
    return Address(url=audiences[0], audiences=audiences, hosts=(HOST, "localhost"), path=path)


def _backend(
    server: MCPServer, source: Source, manifests: Manifests, place: Place, ports: dict[int, str]
) -> Backend | Missing:
    missing = _cannot(server, place, ports)
    if missing is not None:
        return missing
    if server.spec.image is None:
        return _outside(server, manifests, place)
    environment = environment_of(server, manifests)
    if isinstance(environment, Missing):
        return environment
    working = _working_dir(server, place)
    if isinstance(working, Missing):
        return working
    spec = server.spec
    command = expand_all([*(spec.command or ()), *(spec.args or ())], environment)
    environment.setdefault("PATH", place.search_path)
    child = port_backend(server, command=command, env=environment, workingDir=working)
    if child is not None:
        return child
    given = spec.stdio.model_dump(exclude_none=True)
    return StdioBackend(
        command=command,
        env=environment,
        workingDir=working,
        protocol=spec.protocol,
        **given,
    )


def _upstream(server: MCPServer, place: Place) -> Path:
    return place.upstream / server.metadata.namespace / server.metadata.name


def _outside(server: MCPServer, manifests: Manifests, place: Place) -> HttpBackend | Missing:
    """A remote may be this very machine; a Service is what listens on its port here, as
    `kubectl port-forward` would have it."""
    folder = _upstream(server, place)
    found = files_of(server, manifests, folder)
    if isinstance(found, Missing):
        return found
    remote, service = server.spec.remote, server.spec.service
    if remote is not None:
        return remote_backend(server, remote, folder=str(folder), loopback=True)
    assert service is not None, "the model demands one of the three"
    name = service_name(server, service.name)
    return service_backend(
        server, name=name, host=HOST, port=service.port, folder=str(folder), loopback=True
    )


def _cannot(server: MCPServer, place: Place, ports: dict[int, str]) -> Missing | None:
    """What a pod has and this machine has not."""
    spec = server.spec
    if spec.image is not None and not spec.command:
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
    if server.spec.remote is not None:
        return None
    port, path = _port(server)
    if server.spec.image is not None and port in ports:
        return Missing(
            path,
            f"port {port} is already that of {ports[port]}: servers share one machine here, so "
            "give each a port of its own",
        )
    if port == place.port:
        return Missing(path, f"port {port} is that of `ostiary up`: choose another for one of them")
    return None


def _port(server: MCPServer) -> tuple[int, str]:
    """The port of this machine that it needs, and the field that says so; 0: none."""
    if server.spec.service is not None:
        return server.spec.service.port, "spec.service.port"
    child = port_backend(server)
    return (child.port, port_field(child)) if child is not None else (0, "")


def listening(backend: Backend) -> PortBackend | None:
    """A child that is to listen; where the server is elsewhere, somebody must listen already."""
    elsewhere = isinstance(backend, HttpBackend) and backend.outside is not None
    return None if elsewhere or isinstance(backend, StdioBackend | GroupBackend) else backend


def port_field(backend: PortBackend) -> str:
    """Where a manifest names the port."""
    return f"spec.transport.{backend.kind}.port"


def _working_dir(server: MCPServer, place: Place) -> str | Missing:
    wanted = place.folder / (server.spec.workingDir or "")
    if wanted.is_dir():
        return str(wanted)
    return Missing(
        "spec.workingDir",
        f"{server.spec.workingDir} is no folder on this machine: leave it out to start in "
        f"{place.folder}",
    )
