"""Desired children of an MCPGroup: the gateway, its config, and the walls around it.  Pure.

A gateway's document has the shape of a server's, with the group in the backend's place.  What a
server's children and a group's share is in the modules beside; here is what only a group has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ostiary_operator.api import MCPAccessPolicy, MCPAccessToken, MCPGroup
from ostiary_operator.settings import ClusterSettings, OperatorEnv
from ostiary_proxy import config

from . import frame, names
from .account import render_gateway_account
from .budget import render_budget
from .config_map import render_config_map
from .containers import gateway_container
from .expose import NOT_EXPOSED, Exposure, render_routes
from .gateway_network import render_gateway_network
from .group_links import group_audiences, passthrough_path
from .hosts import service_hosts
from .members import MemberView, own_policies, render_members
from .memberships import Membership
from .meta import Manifest, labels, prefix
from .policies import compiled
from .proxy_config import Address, document_of, pods_host
from .selection import Labels
from .service import render_pods_service, render_service
from .tokens import render_tokens
from .volumes import gateway_volumes


@dataclass(frozen=True, slots=True)
class GroupView:
    """What else a group's children depend on."""

    memberships: tuple[Membership, ...] = ()
    """All that the group speaks of, members or not."""
    members: tuple[MemberView, ...] = ()
    """Servers that both sides agreed on; aliases differ."""
    policies: tuple[MCPAccessPolicy, ...] = ()
    """Of the group's namespace, and the ceilings; those that do not name it are left out here."""
    namespaces: Mapping[str, Labels] = field(default_factory=dict)
    """Every namespace with its labels."""
    issuers: tuple[config.Issuer, ...] = ()
    keys: tuple[config.SessionKey, ...] = ()
    """Newest first."""
    tokens: tuple[MCPAccessToken, ...] = ()
    """Those that open this group."""
    exposure: Exposure = NOT_EXPOSED

    @property
    def aliases(self) -> tuple[str, ...]:
        return tuple(member.alias for member in self.members)


def children(
    group: MCPGroup,
    view: GroupView,
    settings: ClusterSettings,
    env: OperatorEnv,
    *,
    document: config.ProxyConfig,
) -> list[Manifest]:
    """In the order of apply: the wall stands before there is anything behind it."""
    wanted = [
        render_gateway_account(group),
        render_config_map(group, document),
        render_gateway_network(group, view.members, view.policies, settings, env, view.exposure),
        render_service(group),
        render_pods_service(group),
        render_budget(group),
        render_gateway(group, settings),
        *render_routes(group, view.exposure, map(passthrough_path, view.aliases)),
    ]
    return [manifest for manifest in wanted if manifest is not None]


def render(
    group: MCPGroup, view: GroupView, settings: ClusterSettings, env: OperatorEnv
) -> config.ProxyConfig:
    """The document of a gateway."""
    members = render_members(group, view.members, view.policies, view.namespaces)
    inside = group_address(group, [member.alias for member in members])
    below = [passthrough_path(member.alias) for member in members]
    section = group_section(
        group,
        view.policies,
        view.namespaces,
        members=members,
        address=inside.beside(view.exposure.exposed, below),
        keys=view.keys,
        tokens=view.tokens,
    )
    return document_of(section, role="gateway", issuers=view.issuers, settings=settings, env=env)


def group_section(
    group: MCPGroup,
    policies: tuple[MCPAccessPolicy, ...],
    namespaces: Mapping[str, Labels],
    *,
    members: tuple[config.Member, ...],
    address: Address,
    keys: tuple[config.SessionKey, ...] = (),
    tokens: tuple[MCPAccessToken, ...] = (),
) -> config.Server:
    """The endpoint of a group; addresses and where its members are differ from place to place."""
    return config.Server(
        namespace=group.metadata.namespace,
        name=group.metadata.name,
        uid=group.metadata.uid,
        path=address.path,
        url=address.url,
        audiences=address.audiences,
        hosts=address.hosts,
        exposed=address.exposed,
        backend=group_backend(group, members),
        pods=address.pods,
        policies=compiled(own_policies(group, policies, namespaces), namespaces),
        tokens=render_tokens(group, tokens),
        keys=keys,
    )


def group_backend(group: MCPGroup, members: tuple[config.Member, ...]) -> config.GroupBackend:
    spec = group.spec
    naming = spec.naming.model_dump(exclude_none=True) if spec.naming else {}
    return config.GroupBackend(
        members=members,
        naming=config.Naming(**naming),
        onMemberFailure=spec.onMemberFailure or "Continue",
        discovery=spec.discovery or "None",
    )


def group_address(group: MCPGroup, aliases: Iterable[str]) -> Address:
    """With an endpoint of its own for each member: a token for it opens nothing else."""
    audiences = group_audiences(group, aliases)
    hosts = service_hosts(names.service(prefix(group)), group.metadata.namespace)
    return Address(url=audiences[0], audiences=audiences, hosts=hosts, pods=pods_host(group))


def render_gateway(group: MCPGroup, settings: ClusterSettings) -> Manifest:
    account = names.group_account(group.metadata.name)
    template = {
        "metadata": {
            "labels": labels(group),
            "annotations": {"kubectl.kubernetes.io/default-container": "proxy"},
        },
        "spec": {
            **frame.pod(account=account, settings=settings),
            **frame.spread(group),
            "containers": [gateway_container(settings)],
            "volumes": gateway_volumes(group),
        },
    }
    return frame.deployment(group, template=template)
