"""What a NetworkPolicy admits, by the rules of Kubernetes: the tests' own reading of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any


@dataclass(frozen=True)
class End:
    """The other end of a connection: a pod, or an address outside."""

    namespace: str = ""
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


def pod(namespace: str, labels: Mapping[str, str] | None = None, **namespace_labels: str) -> End:
    named = {"kubernetes.io/metadata.name": namespace, **namespace_labels}
    return End(namespace=namespace, namespace_labels=named, labels=labels or {})


def admits(
    policy: Mapping[str, Any], direction: str, end: End, port: int, protocol: str = "TCP"
) -> bool:
    side = "from" if direction == "ingress" else "to"
    return any(
        _peers(rule.get(side), end, policy["metadata"]["namespace"])
        and _ports(rule.get("ports"), port, protocol)
        for rule in policy["spec"].get(direction) or ()
    )


def _peers(peers: Any, end: End, namespace: str) -> bool:
    return not peers or any(_peer(it, end, namespace) for it in peers)


def _peer(peer: Mapping[str, Any], end: End, namespace: str) -> bool:
    if "ipBlock" in peer:
        return bool(end.address) and _block(peer["ipBlock"], end.address)
    if end.address:
        return False
    if "namespaceSelector" in peer:
        if not _selects(peer["namespaceSelector"], end.namespace_labels):
            return False
    elif end.namespace != namespace:
        return False
    return _selects(peer.get("podSelector", {}), end.labels)


def _block(block: Mapping[str, Any], address: str) -> bool:
    def holds(cidr: str) -> bool:
        network = ip_network(cidr)
        found = ip_address(address)
        return network.version == found.version and found in network

    return holds(block["cidr"]) and not any(map(holds, block.get("except", ())))


def _ports(ports: Any, port: int, protocol: str) -> bool:
    return not ports or any(
        it.get("protocol", "TCP") == protocol
        and ("port" not in it or it["port"] <= port <= it.get("endPort", it["port"]))
        for it in ports
    )


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    exact = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return exact and all(_holds(it, labels) for it in selector.get("matchExpressions", ()))


def _holds(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = requirement["key"], requirement.get("values", ())
    return {
        "In": key in labels and labels[key] in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[str(requirement["operator"])]
