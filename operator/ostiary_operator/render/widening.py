"""Which other NetworkPolicies admit more to a server's pods than ours does.

NetworkPolicies add up, so one of somebody else's can open what ours keeps closed.  The comparison
is by containment of peers and ports: what cannot be shown to lie inside ours counts as more.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ostiary_operator.api import LABEL_NAMESPACE_NAME
from ostiary_operator.api.fields import LabelSelector, LabelSelectorRequirement
from ostiary_proxy.config import ADMIN_PORT, MCP_PORT, TLS_PORT

from .meta import Manifest
from .selection import matches

Requirement = tuple[str, str, frozenset[str]]
NAMED_PORTS: Final = {"mcp": MCP_PORT, "admin": ADMIN_PORT, "mcp-tls": TLS_PORT}
"""A name that no container of the pod has opens nothing."""


def widened_by(
    pod_labels: Mapping[str, str],
    ours: Manifest,
    others: Iterable[Mapping[str, Any]],
    *,
    named: Mapping[str, int] | None = NAMED_PORTS,
) -> tuple[str, ...]:
    """Names of the policies, sorted; `others` are NetworkPolicies of the pod's namespace.  `named`:
    every name that a port of the pod has; None: not known, as of pods that are not ours."""
    return tuple(
        sorted(
            other["metadata"]["name"]
            for other in others
            if other["metadata"]["name"] != ours["metadata"]["name"]
            and _selects(other, pod_labels)
            and not _is_within(other, ours, named)
        )
    )


def _selects(policy: Mapping[str, Any], pod_labels: Mapping[str, str]) -> bool:
    spec = policy["spec"]
    if "Ingress" not in spec.get("policyTypes", ["Ingress"]):
        return False
    return matches(_selector(spec.get("podSelector")), pod_labels)


def _selector(raw: Mapping[str, Any] | None) -> LabelSelector:
    # Not validated: the API server did, and its limits are wider than ours.
    given = raw or {}
    return LabelSelector.model_construct(
        matchLabels=given.get("matchLabels"),
        matchExpressions=tuple(_expression(item) for item in given.get("matchExpressions") or ()),
    )


def _expression(raw: Mapping[str, Any]) -> LabelSelectorRequirement:
    return LabelSelectorRequirement.model_construct(
        key=raw["key"], operator=raw["operator"], values=tuple(raw.get("values") or ())
    )


def _is_within(other: Mapping[str, Any], ours: Manifest, named: Mapping[str, int] | None) -> bool:
    namespace = ours["metadata"]["namespace"]
    walls = [
        (peer, port)
        for rule in ours["spec"]["ingress"]
        for peer in rule["from"]
        for port in rule["ports"]
    ]
    return all(
        any(
            _port_within(port, wall_port, named or {}) and _peer_within(peer, wall_peer, namespace)
            for wall_peer, wall_port in walls
        )
        for rule in other["spec"].get("ingress") or ()
        for port in _open_ports(rule, named)
        for peer in rule.get("from") or [None]
    )


def _open_ports(
    rule: Mapping[str, Any], named: Mapping[str, int] | None
) -> list[Mapping[str, Any]]:
    """The rule's ports less those whose name opens nothing; no ports at all means every port."""
    if not rule.get("ports"):
        return [{}]
    return [
        port
        for port in rule["ports"]
        if named is None or not isinstance(port.get("port"), str) or port["port"] in named
    ]


def _port_within(
    port: Mapping[str, Any], wall: Mapping[str, Any], named: Mapping[str, int]
) -> bool:
    number = named.get(port["port"], port["port"]) if port.get("port") else None
    return bool(
        port.get("protocol", "TCP") == wall["protocol"]
        and number == wall["port"]
        and port.get("endPort", number) == number
    )


def _peer_within(peer: Mapping[str, Any] | None, wall: Mapping[str, Any], namespace: str) -> bool:
    if peer is None or "ipBlock" in peer:
        return False
    return all(
        _narrower(_requirements(peer, side, namespace), _requirements(wall, side, namespace))
        for side in ("namespaceSelector", "podSelector")
    )


def _requirements(peer: Mapping[str, Any], side: str, namespace: str) -> frozenset[Requirement]:
    raw = peer.get(side)
    if raw is None and side == "namespaceSelector":
        raw = {"matchLabels": {LABEL_NAMESPACE_NAME: namespace}}
    selector = _selector(raw)
    exact = {(key, "In", frozenset({value})) for key, value in (selector.matchLabels or {}).items()}
    return frozenset(exact) | {
        (it.key, it.operator, frozenset(it.values or ())) for it in selector.matchExpressions or ()
    }


def _narrower(inner: frozenset[Requirement], outer: frozenset[Requirement]) -> bool:
    return all(any(_implies(given, wanted) for given in inner) for wanted in outer)


def _implies(given: Requirement, wanted: Requirement) -> bool:
    (key, operator, values), (wanted_key, wanted_operator, wanted_values) = given, wanted
    if key != wanted_key:
        return False
    match operator, wanted_operator:
        case "In", "In":
            return values <= wanted_values
        case "In", "NotIn":
            return not values & wanted_values
        case "NotIn", "NotIn":
            return values >= wanted_values
        case "In" | "Exists", "Exists":
            return True
        case "DoesNotExist", "DoesNotExist" | "NotIn":
            return True
        case _:
            return False
