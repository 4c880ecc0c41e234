"""The NetworkPolicy of a gateway: who comes in as its policies say, and out to its members alone.

Peers are built in `peers`.
"""

from collections.abc import Iterable

from ostiary_operator.api import LABEL_SERVER, MCPAccessPolicy, MCPGroup
from ostiary_operator.settings import ClusterSettings, OperatorEnv
from ostiary_proxy.config import MCP_PORT

from . import names
from .expose import NOT_EXPOSED, Exposure
from .members import MemberView, admitting
from .meta import Manifest, metadata, pod_selector, prefix
from .network import admin_ingress, common_egress, distinct, exposed_peers, own_pods, tcp
from .peers import Peer, namespace_named, peer, subject_peer


def render_gateway_network(
    group: MCPGroup,
    members: Iterable[MemberView],
    policies: Iterable[MCPAccessPolicy],
    settings: ClusterSettings,
    env: OperatorEnv,
    exposure: Exposure = NOT_EXPOSED,
) -> Manifest:
    members, policies = tuple(members), tuple(policies)
    callers = distinct([*_callers(group, members, policies), *exposed_peers(exposure)])
    clients = [own_pods(group), *callers]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(group, names.network_policy(prefix(group))),
        "spec": {
            "podSelector": {"matchLabels": pod_selector(group)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": clients, "ports": [tcp(MCP_PORT)]},
                admin_ingress(settings, env),
            ],
            "egress": [*common_egress(group, settings), *_to_members(members)],
        },
    }


def _callers(
    group: MCPGroup, members: tuple[MemberView, ...], policies: tuple[MCPAccessPolicy, ...]
) -> list[Peer]:
    """`Same` and `own namespace` mean each policy's own: a member's speak of the member's."""
    return distinct(
        subject_peer(entry, own=policy.metadata.namespace)
        for policy in admitting(group, policies, members)
        for rule in policy.spec.rules or ()
        for entry in rule.from_
    )


def _to_members(members: tuple[MemberView, ...]) -> list[Manifest]:
    """To their pods alone; a rule without peers would let everything out."""
    pods = distinct(_pods_of(member) for member in members)
    return [{"to": pods, "ports": [tcp(MCP_PORT)]}] if pods else []


def _pods_of(member: MemberView) -> Peer:
    place = member.server.metadata
    return peer(
        namespaces=namespace_named(place.namespace),
        pods={"matchLabels": {LABEL_SERVER: place.name}},
    )
