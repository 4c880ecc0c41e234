"""The NetworkPolicy of a server: the second wall, shaped by the same rules as the first.

Peers are built in `peers`.
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_network
from typing import Final

from ostiary_operator.api import MCPAccessPolicy, MCPServer
from ostiary_operator.api.location import locate
from ostiary_operator.api.network import METADATA_NETWORKS, EgressTo
from ostiary_operator.settings import ClusterSettings, OperatorEnv
from ostiary_proxy.config import ADMIN_PORT, MCP_PORT, TLS_PORT, GroupLink

from . import names
from .expose import NOT_EXPOSED, Exposure
from .group_links import gateway_peer
from .meta import Manifest, Root, metadata, pod_selector
from .peers import Peer, namespace_named, peer, subject_peer
from .selection import granting
from .workload import Unusable, Workload

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
    "64:ff9b:1::/48",
    "168.63.129.16/32",  # Azure's own services
    "192.0.0.192/32",  # Oracle's metadata
)
"""Private, shared, loopback, link-local and translated addresses: never the internet."""
DNS_PORTS: Final = (53, 5353)


def render_network_policy(
    server: MCPServer,
    policies: Iterable[MCPAccessPolicy],
    settings: ClusterSettings,
    env: OperatorEnv,
    workload: Workload | Unusable | None = None,
    groups: Iterable[GroupLink] = (),
    exposure: Exposure = NOT_EXPOSED,
) -> Manifest:
    """`groups`: those that the server is a member of, whose gateways come in."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(server, names.network_policy(server.metadata.name)),
        "spec": {
            "podSelector": {"matchLabels": pod_selector(server)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": _ingress(server, policies, settings, env, groups, exposure),
            "egress": _egress(server, settings, workload),
        },
    }


def render_protection(server: MCPServer, workload: Workload | Unusable | None) -> Manifest | None:
    """The wall around the pods of `spec.service`, where the owner asked for one."""
    service = server.spec.service
    if service is None or not service.protect or not isinstance(workload, Workload):
        return None
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(server, names.protection(server.metadata.name)),
        "spec": {
            "podSelector": {"matchLabels": dict(workload.selector)},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [own_pods(server)],
                    "ports": [tcp(workload.pod_port)],
                }
            ],
        },
    }


def _ingress(
    server: MCPServer,
    policies: Iterable[MCPAccessPolicy],
    settings: ClusterSettings,
    env: OperatorEnv,
    groups: Iterable[GroupLink],
    exposure: Exposure,
) -> list[Manifest]:
    callers = [
        subject_peer(entry, own=policy.metadata.namespace)
        for policy in granting(policies, server)
        for rule in policy.spec.rules or ()
        for entry in rule.from_
    ]
    pods = [own_pods(server), *distinct(map(gateway_peer, groups))]
    clients = distinct([*callers, *exposed_peers(exposure)])
    watched = admin_ingress(settings, env)
    if server.spec.tls is None:
        return [{"from": [*pods, *clients], "ports": [tcp(MCP_PORT)]}, watched]
    # In plain text from pod to pod alone, which know each other by their addresses.
    return [
        {"from": pods, "ports": [tcp(MCP_PORT)]},
        {"from": [own_pods(server), *clients], "ports": [tcp(TLS_PORT)]},
        watched,
    ]


def exposed_peers(exposure: Exposure) -> list[Peer]:
    """Whoever brings the traffic from outside, as its owner says."""
    return exposure.expose.peers() if exposure.expose else []


def own_pods(root: Root) -> Peer:
    return peer(pods={"matchLabels": pod_selector(root)})


def admin_ingress(settings: ClusterSettings, env: OperatorEnv) -> Manifest:
    """From the operator and whoever monitors."""
    watchers = [
        peer(namespaces=namespace_named(name))
        for name in sorted({env.namespace, settings.monitoring.namespace} - {""})
    ]
    return {"from": watchers, "ports": [tcp(ADMIN_PORT)]}


def common_egress(root: Root, settings: ClusterSettings) -> list[Manifest]:
    """To DNS and to the root's own pods."""
    dns = {
        "to": [dict(it) for it in settings.dns.peers],
        "ports": [
            {"protocol": protocol, "port": port}
            for protocol in ("UDP", "TCP")
            for port in DNS_PORTS
        ],
    }
    return [dns, {"to": [own_pods(root)], "ports": [tcp(MCP_PORT)]}]


def _egress(
    server: MCPServer, settings: ClusterSettings, workload: Workload | Unusable | None
) -> list[Manifest]:
    if server.spec.image is None:
        return [*common_egress(server, settings), *_derived_egress(server, settings, workload)]
    return [*common_egress(server, settings), *_chosen_egress(server, settings)]


def _derived_egress(
    server: MCPServer, settings: ClusterSettings, workload: Workload | Unusable | None
) -> list[Manifest]:
    """To where the server is, and nowhere else."""
    if isinstance(workload, Workload):
        pods = peer(pods={"matchLabels": dict(workload.selector)})
        return [{"to": [pods], "ports": [tcp(workload.pod_port)]}]
    location = locate(server.spec.remote.url) if server.spec.remote else None
    if location is None:
        return []
    everywhere = [f"{location.host}/32"] if location.is_address else EVERYWHERE
    closed = (*NOT_PUBLIC, *settings.clusterCIDRs)
    return [{"to": [_block(it, closed) for it in everywhere], "ports": [tcp(location.port)]}]


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


def tcp(port: int | str) -> Manifest:
    return {"protocol": "TCP", "port": port}


def distinct(peers: Iterable[Peer]) -> list[Peer]:
    """Each peer once, in an order that does not depend on who came first."""
    by_text = {json.dumps(it, sort_keys=True): it for it in peers}
    return [by_text[text] for text in sorted(by_text)]
