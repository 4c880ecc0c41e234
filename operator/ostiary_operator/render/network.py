"""The NetworkPolicy of a server: the second wall, shaped by the same rules as the first.

One function builds every peer of ours, because in one peer a namespaceSelector and a podSelector
mean AND while in two they mean OR.
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_network
from typing import Any, Final

from ostiary_operator.api import LABEL_NAMESPACE_NAME, MCPAccessPolicy, MCPServer
from ostiary_operator.api.fields import Namespaces
from ostiary_operator.api.network import METADATA_NETWORKS, EgressTo
from ostiary_operator.api.policy import From
from ostiary_operator.settings import ClusterSettings, OperatorEnv
from ostiary_proxy.config import ADMIN_PORT, MCP_PORT

from . import names
from .meta import Manifest, metadata, pod_selector
from .selection import selecting

EVERYWHERE: Final = ("0.0.0.0/0", "::/0")
NOT_PUBLIC: Final = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
    "64:ff9b::/96",
)
"""Private, shared, loopback, link-local and translated addresses: never the internet."""
DNS_PORTS: Final = (53, 5353)

Peer = dict[str, Any]


def render_network_policy(
    server: MCPServer,
    policies: Iterable[MCPAccessPolicy],
    settings: ClusterSettings,
    env: OperatorEnv,
) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(server, names.network_policy(server.metadata.name)),
        "spec": {
            "podSelector": {"matchLabels": pod_selector(server)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": _ingress(server, policies, settings, env),
            "egress": _egress(server, settings),
        },
    }


def peer(*, namespaces: Manifest | None = None, pods: Manifest | None = None) -> Peer:
    """One peer: what is given must hold together.  Selectors are copied verbatim."""
    given = {"namespaceSelector": namespaces, "podSelector": pods}
    return {key: selector for key, selector in given.items() if selector is not None}


def namespace_named(name: str) -> Manifest:
    return {"matchLabels": {LABEL_NAMESPACE_NAME: name}}


def subject_peer(entry: From, *, own: str) -> Peer:
    """From where the entry's callers may connect; `own` is the policy's namespace."""
    if entry.serviceAccounts is None:
        return peer(namespaces={})
    return peer(namespaces=_namespace_selector(entry.serviceAccounts.namespaces, own=own))


def _namespace_selector(namespaces: Namespaces | None, *, own: str) -> Manifest:
    if namespaces is None or namespaces.from_ == "Same":
        return namespace_named(own)
    if namespaces.from_ == "All" or namespaces.selector is None:
        return {}
    return namespaces.selector.as_manifest()


def _ingress(
    server: MCPServer,
    policies: Iterable[MCPAccessPolicy],
    settings: ClusterSettings,
    env: OperatorEnv,
) -> list[Manifest]:
    callers = [
        subject_peer(entry, own=policy.metadata.namespace)
        for policy in selecting(policies, server)
        for rule in policy.spec.rules or ()
        for entry in rule.from_
    ]
    siblings = peer(pods={"matchLabels": pod_selector(server)})
    watchers = [
        peer(namespaces=namespace_named(name))
        for name in sorted({env.namespace, settings.monitoring.namespace} - {""})
    ]
    return [
        {"from": [siblings, *_distinct(callers)], "ports": [_tcp(MCP_PORT)]},
        {"from": watchers, "ports": [_tcp(ADMIN_PORT)]},
    ]


def _egress(server: MCPServer, settings: ClusterSettings) -> list[Manifest]:
    dns = {
        "to": [dict(it) for it in settings.dns.peers],
        "ports": [
            {"protocol": protocol, "port": port}
            for protocol in ("UDP", "TCP")
            for port in DNS_PORTS
        ],
    }
    siblings = {
        "to": [peer(pods={"matchLabels": pod_selector(server)})],
        "ports": [_tcp(MCP_PORT)],
    }
    return [dns, siblings, *_chosen_egress(server, settings)]


def _chosen_egress(server: MCPServer, settings: ClusterSettings) -> list[Manifest]:
    egress = server.spec.network.egress if server.spec.network else None
    metadata_open = bool(server.spec.identity and server.spec.identity.cloudMetadata)
    closed = () if metadata_open else METADATA_NETWORKS
    mode = (egress and egress.mode) or settings.defaults.egress
    rules: list[Manifest] = []
    if mode == "Public":
        closed_to_all = (*NOT_PUBLIC, *settings.clusterCIDRs)
        rules = [{"to": [_block(cidr, closed_to_all) for cidr in EVERYWHERE]}]
    elif mode == "Unrestricted":
        # Some networks do not count pods as addresses: name them as well.
        everyone = peer(namespaces={})
        rules = [{"to": [everyone, *(_block(cidr, closed) for cidr in EVERYWHERE)]}]
    elif mode == "Custom" and egress is not None:
        rules = [_custom(item, closed) for item in egress.to or ()]
    if metadata_open:
        rules.append({"to": [_block(cidr, ()) for cidr in METADATA_NETWORKS]})
    return rules


def _custom(item: EgressTo, closed: Iterable[str]) -> Manifest:
    if item.ipBlock is not None:
        destination = {
            "ipBlock": _block(item.ipBlock.cidr, (*(item.ipBlock.except_ or ()), *closed))[
                "ipBlock"
            ]
        }
    else:
        destination = peer(
            namespaces=item.namespaceSelector.as_manifest() if item.namespaceSelector else None,
            pods=item.podSelector.as_manifest() if item.podSelector else None,
        )
    ports = [port.as_manifest() for port in item.ports or ()]
    return {"to": [destination]} | ({"ports": ports} if ports else {})


def _block(cidr: str, closed: Iterable[str]) -> Peer:
    """An ipBlock less the closed networks that lie inside it, none of them said twice."""
    inside = [text for text in dict.fromkeys(closed) if _strictly_within(text, cidr)]
    least = [text for text in inside if not any(_strictly_within(text, other) for other in inside)]
    return {"ipBlock": {"cidr": cidr} | ({"except": least} if least else {})}


@lru_cache(maxsize=4096)  # parsing the same networks for each server was half of its rendering
def _strictly_within(inner: str, outer: str) -> bool:
    small, large = ip_network(inner), ip_network(outer)
    return (
        small.version == large.version
        and small.prefixlen > large.prefixlen
        and small.network_address in large
    )


def _tcp(port: int) -> Manifest:
    return {"protocol": "TCP", "port": port}


def _distinct(peers: Iterable[Peer]) -> list[Peer]:
    """Each peer once, in an order that does not depend on who came first."""
    by_text = {json.dumps(it, sort_keys=True): it for it in peers}
    return [by_text[text] for text in sorted(by_text)]
