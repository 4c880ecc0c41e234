"""NetworkPolicies of a one-node cluster as one nftables table.  Pure: objects in, text out.

Semantics are those of the API's field documentation.  A pod is isolated in a
direction once any policy of that type selects it; what is allowed is then the
union of the rules of all such policies; traffic must be allowed by the egress
of its source and by the ingress of its destination.  Replies, the node itself
(probes) and a pod talking to itself always pass.  A pod whose address the API
does not show yet is unreachable, so a new pod never runs unguarded.  IPv4 only."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Object = Mapping[str, Any]
Network = ipaddress.IPv4Network

# ours within the kernel: deleted and loaded again in one transaction
TABLE: Final = "inet ostiary_netpol"


@dataclass(frozen=True, slots=True)
class Port:
    name: str
    protocol: str
    number: int


@dataclass(frozen=True, slots=True)
class Pod:
    ip: str
    namespace: str
    labels: Mapping[str, str]
    ports: tuple[Port, ...]


@dataclass(frozen=True, slots=True)
class Peers:
    """Who a rule speaks of: everyone, or some networks; and the pods among them."""

    everyone: bool
    networks: tuple[Network, ...]
    pods: tuple[Pod, ...]


@dataclass(frozen=True, slots=True)
class Direction:
    """One policy type and how nft speaks of it."""

    policy_type: str
    rules_key: str
    peers_key: str
    own_side: str  # the isolated pod's address in a packet
    peer_side: str
    chain: str


INGRESS: Final = Direction("Ingress", "ingress", "from", "daddr", "saddr", "in")
EGRESS: Final = Direction("Egress", "egress", "to", "saddr", "daddr", "out")


@dataclass(frozen=True, slots=True)
class World:
    pods: tuple[Pod, ...]
    namespaces: Mapping[str, Mapping[str, str]]  # name -> labels


def render(
    *,
    pods: Iterable[Object],
    namespaces: Iterable[Object],
    policies: Iterable[Object],
    pod_cidr: str,
) -> str:
    """The text for `nft -f`."""
    world = World(
        tuple(_pod(pod) for pod in pods if _has_own_address(pod)),
        {each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in namespaces},
    )
    ordered = sorted(policies, key=lambda each: str(each["metadata"].get("name")))
    chains = {way: _isolated(way, world, ordered) for way in (INGRESS, EGRESS)}
    parts = [f"table {TABLE} {{", _set("pods", [pod.ip for pod in world.pods])]
    for way, isolated in chains.items():
        parts += [_chain(way, ip, rules) for ip, rules in isolated.items()]
    for way, isolated in chains.items():
        parts.append(_map(way, list(isolated)))
    parts += [_hooks(pod_cidr), "}"]
    return "\n".join(parts) + "\n"


def matches(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector selects these labels; the empty one selects everything."""
    wanted = (selector.get("matchLabels") or {}).items()
    expressions = selector.get("matchExpressions") or []
    return all(labels.get(key) == value for key, value in wanted) and all(
        _holds(expression, labels) for expression in expressions
    )


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def _has_own_address(pod: Object) -> bool:
    status = pod.get("status") or {}
    gone = status.get("phase") in ("Succeeded", "Failed")
    return bool(status.get("podIP")) and not pod["spec"].get("hostNetwork") and not gone


def _pod(pod: Object) -> Pod:
    spec, metadata = pod["spec"], pod["metadata"]
    containers = [*spec.get("containers", []), *(spec.get("initContainers") or [])]
    ports = tuple(
        Port(port.get("name", ""), port.get("protocol", "TCP").lower(), port["containerPort"])
        for container in containers
        for port in container.get("ports") or []
    )
    labels = metadata.get("labels") or {}
    return Pod(pod["status"]["podIP"], metadata["namespace"], labels, ports)


def _isolated(way: Direction, world: World, policies: Sequence[Object]) -> dict[str, list[str]]:
    """The address of each pod isolated in this direction, with what is let through."""
    found: dict[str, list[str]] = {}
    for policy in policies:
        spec, namespace = policy["spec"], policy["metadata"]["namespace"]
        if way.policy_type not in _types(spec):
            continue
        for pod in world.pods:
            if pod.namespace != namespace or not matches(spec.get("podSelector") or {}, pod.labels):
                continue
            rules = found.setdefault(pod.ip, [])
            for rule in spec.get(way.rules_key) or []:
                rules += _statements(way, rule, pod, namespace, world)
    return {ip: sorted(set(rules)) for ip, rules in sorted(found.items())}


def _types(spec: Object) -> Sequence[str]:
    if given := spec.get("policyTypes"):
        return list(given)
    return ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _statements(way: Direction, rule: Object, pod: Pod, namespace: str, world: World) -> list[str]:
    peers = _peers(rule.get(way.peers_key), namespace, world)
    if peers.everyone:
        where = ""
    elif peers.networks:
        where = f"ip {way.peer_side} {{ {', '.join(map(_text, peers.networks))} }} "
    else:
        return []
    targets = (pod,) if way is INGRESS else peers.pods
    return [f"{where}{port}return" for port in _ports(rule.get("ports"), targets)]


def _peers(given: Sequence[Object] | None, namespace: str, world: World) -> Peers:
    if not given:
        return Peers(True, (), world.pods)
    networks: list[Network] = []
    chosen: list[Pod] = []
    for peer in given:
        if block := peer.get("ipBlock"):
            networks += _block(block)
        else:
            chosen += [pod for pod in world.pods if _is_peer(peer, pod, namespace, world)]
    networks += [Network(pod.ip) for pod in chosen]
    # overlapping elements are an error in an nft set
    return Peers(False, tuple(ipaddress.collapse_addresses(networks)), tuple(chosen))


def _is_peer(peer: Object, pod: Pod, namespace: str, world: World) -> bool:
    """A namespaceSelector and a podSelector in one peer must both hold."""
    selector = peer.get("namespaceSelector")
    if selector is None:
        in_namespace = pod.namespace == namespace
    else:
        in_namespace = matches(selector, world.namespaces.get(pod.namespace, {}))
    return in_namespace and matches(peer.get("podSelector") or {}, pod.labels)


def _block(block: Object) -> list[Network]:
    whole = ipaddress.ip_network(block["cidr"], strict=False)
    if not isinstance(whole, Network):
        return []
    left = [whole]
    for text in block.get("except") or []:
        cut = ipaddress.ip_network(text, strict=False)
        if isinstance(cut, Network):
            left = [rest for part in left for rest in _without(part, cut)]
    return left


def _without(part: Network, cut: Network) -> list[Network]:
    if part.subnet_of(cut):
        return []
    return list(part.address_exclude(cut)) if cut.subnet_of(part) else [part]


def _ports(given: Sequence[Object] | None, targets: Sequence[Pod]) -> list[str]:
    """Port matches; a named port is looked up in the pods that the traffic goes to."""
    if not given:
        return [""]
    out: list[str] = []
    for each in given:
        protocol, port = each.get("protocol", "TCP").lower(), each.get("port")
        if port is None:
            out.append(f"meta l4proto {protocol} ")
        elif isinstance(port, int):
            last = f"-{each['endPort']}" if each.get("endPort") else ""
            out.append(f"{protocol} dport {port}{last} ")
        else:
            out += [
                f"ip daddr {pod.ip} {protocol} dport {known.number} "
                for pod in targets
                for known in pod.ports
                if (known.name, known.protocol) == (port, protocol)
            ]
    return out


def _text(network: Network) -> str:
    return str(network.network_address) if network.prefixlen == 32 else str(network)


def _chain_name(way: Direction, ip: str) -> str:
    return f"{way.chain}-{ip.replace('.', '-')}"


def _chain(way: Direction, ip: str, rules: Sequence[str]) -> str:
    lines = [
        f"ip {way.peer_side} {ip} return",
        *rules,
        # an answer at once, so that a refused caller need not wait for its own timeout
        "meta l4proto tcp reject with tcp reset",
        "reject with icmpx admin-prohibited",
    ]
    body = "\n".join(f"  {line}" for line in lines)
    return f" chain {_chain_name(way, ip)} {{\n{body}\n }}"


def _elements(items: Sequence[str]) -> str:
    return f" elements = {{ {', '.join(sorted(set(items)))} }}" if items else ""


def _set(name: str, addresses: Sequence[str]) -> str:
    return f" set {name} {{ type ipv4_addr;{_elements(addresses)} }}"


def _map(way: Direction, addresses: Sequence[str]) -> str:
    items = [f"{ip} : jump {_chain_name(way, ip)}" for ip in addresses]
    return f" map {way.chain} {{ type ipv4_addr : verdict;{_elements(items)} }}"


def _hooks(pod_cidr: str) -> str:
    """Where packets meet the chains: through the node, and from a pod to the node itself."""
    return f""" chain forward {{
  type filter hook forward priority -5; policy accept;
  ct state established,related accept
  ip saddr {pod_cidr} ip saddr != @pods drop
  ip daddr {pod_cidr} ip daddr != @pods drop
  ip saddr vmap @out
  ip daddr vmap @in
 }}
 chain input {{
  type filter hook input priority -5; policy accept;
  ct state established,related accept
  ip saddr vmap @out
 }}"""
