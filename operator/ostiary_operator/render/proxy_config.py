"""The proxy's config document: policies resolved to literals, addresses, backend, limits.

Deterministic: the same objects give the same bytes.  `server_section` serves the cluster and
`ostiary up` alike; only addresses and the backend differ.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ostiary_operator.api import MCPAccessPolicy, MCPServer
from ostiary_operator.api.policy import AccessRule, From
from ostiary_operator.settings import ClusterSettings, OperatorEnv
from ostiary_proxy import config

from .selection import Labels, namespaces_of, selecting

MAX_BYTES: Final = 900 * 1024
"""A ConfigMap holds 1 MiB; beyond this the document is too large."""
CLUSTER_DOMAIN: Final = "cluster.local"


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
    generation: int = 1


@dataclass(frozen=True, slots=True)
class Address:
    """Where an endpoint is reached, and what its tokens may be for."""

    url: str
    audiences: tuple[str, ...]
    hosts: tuple[str, ...]
    path: str = "/mcp"


def hosts_of(server: MCPServer) -> tuple[str, ...]:
    """The four DNS forms of the Service, the canonical one first."""
    name, namespace = server.metadata.name, server.metadata.namespace
    return (
        f"{name}.{namespace}.svc",
        f"{name}.{namespace}.svc.{CLUSTER_DOMAIN}",
        f"{name}.{namespace}",
        name,
    )


def cluster_address(server: MCPServer) -> Address:
    hosts = hosts_of(server)
    audiences = tuple(f"http://{host}/mcp" for host in hosts)
    return Address(url=audiences[0], audiences=audiences, hosts=hosts)


def cluster_backend(server: MCPServer) -> config.StdioBackend | config.HttpBackend:
    """The backend in the same pod: the shim's socket, or a port of loopback."""
    http, stdio = server.spec.http, server.spec.stdio
    if http is not None:
        return config.HttpBackend(port=http.port, path=http.path or "/mcp")
    given = stdio.model_dump(include={"maxProcesses", "idleSeconds"}, exclude_none=True)
    return config.StdioBackend(**given)


def server_section(
    server: MCPServer,
    policies: Iterable[MCPAccessPolicy],
    namespaces: Mapping[str, Labels],
    *,
    address: Address,
    backend: config.StdioBackend | config.HttpBackend,
    keys: tuple[config.SessionKey, ...] = (),
) -> config.Server:
    tools, limits = server.spec.tools, server.spec.limits
    return config.Server(
        namespace=server.metadata.namespace,
        name=server.metadata.name,
        uid=server.metadata.uid,
        path=address.path,
        url=address.url,
        audiences=address.audiences,
        hosts=address.hosts,
        backend=backend,
        policies=tuple(_policy(policy, namespaces) for policy in selecting(policies, server)),
        tools=config.ToolFilter(
            allow=tools.allow if tools else None, deny=(tools.deny if tools else None) or ()
        ),
        limits=config.Limits(**(limits.model_dump(exclude_none=True) if limits else {})),
        keys=keys,
    )


def render(
    server: MCPServer, view: ServerView, settings: ClusterSettings, env: OperatorEnv
) -> config.ProxyConfig:
    """The document of a sidecar."""
    return config.ProxyConfig(
        generation=view.generation,
        role="sidecar",
        operatorSubject=env.subject,
        issuers=view.issuers,
        servers=(
            server_section(
                server,
                view.policies,
                view.namespaces,
                address=cluster_address(server),
                backend=cluster_backend(server),
                keys=view.keys,
            ),
        ),
        drainSeconds=settings.drainSeconds,
    )


def encode(document: config.ProxyConfig) -> str:
    """The bytes that are mounted.  Nothing is left out: an absent list and null differ."""
    return document.model_dump_json(indent=None)


def content_digest(document: config.ProxyConfig) -> str:
    """Of everything but the generation: a change of it is what makes a new generation."""
    same = document.model_copy(update={"generation": 1})
    return hashlib.sha256(encode(same).encode()).hexdigest()


def is_too_large(document: config.ProxyConfig) -> bool:
    return len(encode(document).encode()) > MAX_BYTES


def _policy(policy: MCPAccessPolicy, namespaces: Mapping[str, Labels]) -> config.Policy:
    own = policy.metadata.namespace
    return config.Policy(
        namespace=own,
        name=policy.metadata.name,
        rules=tuple(_rule(rule, own, namespaces) for rule in policy.spec.rules or ()),
        deny=tuple(
            config.Deny(tools=it.tools, resources=it.resources, prompts=it.prompts)
            for it in policy.spec.deny or ()
        ),
    )


def _rule(rule: AccessRule, own: str, namespaces: Mapping[str, Labels]) -> config.Rule:
    return config.Rule(
        name=rule.name,
        subjects=tuple(_subject(entry, own, namespaces) for entry in rule.from_),
        allow=config.Allow(
            tools=rule.allow.tools, resources=rule.allow.resources, prompts=rule.allow.prompts
        ),
    )


def _subject(entry: From, own: str, namespaces: Mapping[str, Labels]) -> config.Subject:
    accounts = entry.serviceAccounts
    if accounts is None:
        return config.Subject(kind="anonymous")
    return config.Subject(
        kind="serviceAccount",
        names=accounts.names,
        namespaces=namespaces_of(accounts.namespaces, own=own, known=namespaces),
    )
