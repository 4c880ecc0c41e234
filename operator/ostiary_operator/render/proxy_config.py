"""The proxy's config document: policies resolved to literals, addresses, backend, limits.

Deterministic: the same objects give the same bytes.  `server_section` serves the cluster and
`ostiary up` alike; only addresses and the backend differ.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from ostiary_operator.api import MCPAccessPolicy, MCPAccessToken, MCPServer
from ostiary_operator.settings import ClusterSettings, OperatorEnv
from ostiary_proxy import config

from . import names
from .expose import NOT_EXPOSED, Exposure
from .hosts import service_audiences, service_hosts
from .meta import Root, prefix
from .outside import NOWHERE, remote_backend, service_backend, service_name
from .policies import filter_of, policies_of, rate_of
from .selection import Labels
from .tokens import render_tokens
from .workload import Unusable, Workload

MAX_BYTES: Final = 900 * 1024
"""A ConfigMap holds 1 MiB; beyond this the document is too large."""


@dataclass(frozen=True, slots=True)
class ServerView:
    """What else a server's children depend on."""

    policies: tuple[MCPAccessPolicy, ...] = ()
    """Of the server's namespace; those that do not select it are left out here."""
    namespaces: Mapping[str, Labels] = field(default_factory=dict)
    """Every namespace with its labels."""
    issuers: tuple[config.Issuer, ...] = ()
    keys: tuple[config.SessionKey, ...] = ()
    """Newest first."""
    tokens: tuple[MCPAccessToken, ...] = ()
    """Those that open this server: `tokens.opening`."""
    generation: int = 1
    workload: Workload | Unusable | None = None
    """What `spec.service` names; None for another source."""
    groups: tuple[config.GroupLink, ...] = ()
    """Those that both sides want the server in: `group_links.links`."""
    exposure: Exposure = NOT_EXPOSED


@dataclass(frozen=True, slots=True)
class Address:
    """Where an endpoint is reached, and what its tokens may be for."""

    url: str
    audiences: tuple[str, ...]
    hosts: tuple[str, ...]
    path: str = "/mcp"
    pods: str = ""
    """The headless Service; empty where there is one pod at most."""
    exposed: config.Exposed | None = None
    """The same from outside the cluster."""

    def beside(self, exposed: config.Exposed | None, below: Iterable[str] = ()) -> "Address":
        """With a way in from outside.  `below`: paths beneath it that are endpoints too."""
        if exposed is None:
            return self
        urls = (exposed.url, *(exposed.below(path).url for path in below))
        return replace(
            self,
            audiences=(*self.audiences, *urls),
            hosts=(*self.hosts, exposed.host),
            exposed=exposed,
        )


def pods_host(root: Root) -> str:
    """The headless Service, whose every address is a pod."""
    return f"{names.pods_service(prefix(root))}.{root.metadata.namespace}.svc"


def cluster_address(server: MCPServer) -> Address:
    name, namespace = server.metadata.name, server.metadata.namespace
    # With TLS, tokens for the plain URL are still taken: clients change one by one.
    schemes = ("https", "http") if server.spec.tls else ("http",)
    audiences = service_audiences(name, namespace, schemes=schemes)
    hosts = service_hosts(name, namespace)
    return Address(url=audiences[0], audiences=audiences, hosts=hosts, pods=pods_host(server))


def cluster_backend(
    server: MCPServer, workload: Workload | Unusable | None, settings: ClusterSettings
) -> config.Backend:
    """In the same pod, the shim's socket or a port of loopback; else where the source says."""
    spec = server.spec
    if spec.remote is not None:
        closed = settings.clusterCIDRs
        return remote_backend(server, spec.remote, folder=config.UPSTREAM_DIR, closed=closed)
    if spec.service is not None:
        name = service_name(server, spec.service.name)
        usable = isinstance(workload, Workload)
        return service_backend(
            server,
            name=name,
            host=name if usable else NOWHERE,
            port=workload.dial_port if isinstance(workload, Workload) else spec.service.port,
            folder=config.UPSTREAM_DIR,
        )
    listening = port_backend(server)
    if listening is not None:
        return listening
    given = spec.stdio.model_dump(exclude_none=True)
    return config.StdioBackend(protocol=spec.protocol, **given)


def port_backend(server: MCPServer, **local: Any) -> config.PortBackend | None:
    """`local`: what starts it where no kubelet does.  None: it has no port, or is elsewhere."""
    transport = server.spec.transport
    if transport is None or server.spec.image is None:
        return None
    kinds = (
        (transport.streamableHTTP, config.HttpBackend),
        (transport.sse, config.SseBackend),
        (transport.webSocket, config.WebSocketBackend),
    )
    for part, kind in kinds:
        if part is not None:
            given = part.model_dump(exclude_none=True)
            return kind(protocol=server.spec.protocol, **given, **local)
    return None


def server_section(
    server: MCPServer,
    policies: Iterable[MCPAccessPolicy],
    namespaces: Mapping[str, Labels],
    *,
    address: Address,
    backend: config.Backend,
    keys: tuple[config.SessionKey, ...] = (),
    tokens: tuple[MCPAccessToken, ...] = (),
    groups: tuple[config.GroupLink, ...] = (),
) -> config.Server:
    clients = server.spec.clients
    return config.Server(
        namespace=server.metadata.namespace,
        name=server.metadata.name,
        uid=server.metadata.uid,
        path=address.path,
        url=address.url,
        audiences=address.audiences,
        hosts=address.hosts,
        exposed=address.exposed,
        backend=backend,
        pods=address.pods,
        **_sessions(server),
        policies=policies_of(server, policies, namespaces),
        tokens=render_tokens(server, tokens, groups),
        groups=groups,
        tools=filter_of(server),
        clients=config.Clients(**(clients.model_dump(exclude_none=True) if clients else {})),
        limits=_limits(server),
        keys=keys,
    )


def _limits(server: MCPServer) -> config.Limits:
    limits = server.spec.limits
    if limits is None:
        return config.Limits()
    given = limits.model_dump(exclude_none=True, exclude={"perCaller"})
    return config.Limits(perCaller=rate_of(limits.perCaller), **given)


def _sessions(server: MCPServer) -> dict[str, Any]:
    transport = server.spec.transport
    if transport is None:
        return {}
    return transport.model_dump(include={"sessionAffinity", "onSessionLoss"}, exclude_none=True)


def render(
    server: MCPServer, view: ServerView, settings: ClusterSettings, env: OperatorEnv
) -> config.ProxyConfig:
    """The document of a sidecar."""
    section = server_section(
        server,
        view.policies,
        view.namespaces,
        address=cluster_address(server).beside(view.exposure.exposed),
        backend=cluster_backend(server, view.workload, settings),
        keys=view.keys,
        tokens=view.tokens,
        groups=view.groups,
    )
    drawn = document_of(section, role="sidecar", issuers=view.issuers, settings=settings, env=env)
    return drawn.model_copy(
        update={"generation": view.generation, "tls": server.spec.tls is not None}
    )


def document_of(
    section: config.Server,
    *,
    role: Literal["sidecar", "gateway"],
    issuers: tuple[config.Issuer, ...],
    settings: ClusterSettings,
    env: OperatorEnv,
) -> config.ProxyConfig:
    """The document of one endpoint, whose generation is still to be chosen."""
    return config.ProxyConfig(
        generation=1,
        role=role,
        operatorSubject=env.subject,
        issuers=issuers,
        servers=(section,),
        drainSeconds=settings.drainSeconds,
        audit=config.AuditSettings(**settings.audit.model_dump()),
        hops=settings.trustedHops,
    )


def encode(document: config.ProxyConfig) -> str:
    """The bytes that are mounted: all that differs from its default; null is not absent."""
    return document.model_dump_json(indent=None)


def content_digest(document: config.ProxyConfig) -> str:
    """Of everything but the generation: a change of it is what makes a new generation."""
    same = document.model_copy(update={"generation": 1})
    return hashlib.sha256(encode(same).encode()).hexdigest()


def is_too_large(document: config.ProxyConfig) -> bool:
    return len(encode(document).encode()) > MAX_BYTES
