"""What a root's children should be now: its view of the cluster, the document, and the children.

Reads the cache through the models; renders; writes nothing.  One class per kind that has children:
`Producer` takes what it is given from either.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ostiary_proxy.config import ProxyConfig, SessionKey

from .api import MCPAccessPolicy, MCPAccessToken, MCPGroup, MCPServer
from .exposures import Exposures
from .live_settings import LiveSettings
from .models import Models
from .observe import Observer
from .render import Manifest, ServerView, children, gateway, proxy_config, selection
from .render.gateway import GroupView
from .render.members import MemberView, admitting
from .render.memberships import members
from .render.meta import Root
from .render.tokens import named, opening
from .rolls import Rolls
from .settings import OperatorEnv
from .trust import Trust

R = TypeVar("R", bound=Root)
V = TypeVar("V")

Keys = tuple[SessionKey, ...]


@dataclass(frozen=True, slots=True)
class Plan(Generic[V]):
    view: V
    document: ProxyConfig
    """As wanted, under no generation yet."""
    children: Callable[[ProxyConfig], list[Manifest]]
    """With the document that is written in the end."""
    policies: tuple[MCPAccessPolicy, ...]
    """Those that the document tells of."""
    tokens: tuple[MCPAccessToken, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """What every plan is drawn from."""

    models: Models
    settings: LiveSettings
    env: OperatorEnv
    trust: Trust
    observer: Observer
    rolls: Rolls
    exposures: Exposures
    tokens: Callable[[], Iterable[MCPAccessToken]]
    """Those that are accepted, of every namespace."""

    def policies(self, namespace: str) -> tuple[MCPAccessPolicy, ...]:
        return self.models.policies(namespace, admins=self.settings.current.policyNamespace)


class ServerPlans:
    def __init__(self, sources: Sources) -> None:
        self._from = sources

    def __call__(self, server: MCPServer, keys: Keys) -> Plan[ServerView]:
        them, settings, env = self._from, self._from.settings.current, self._from.env
        policies = them.policies(server.metadata.namespace)
        namespaces, groups = them.observer.namespaces(), them.rolls.links(server)
        view = ServerView(
            policies=policies,
            namespaces=namespaces,
            tokens=opening(server, them.tokens(), policies, namespaces, groups),
            groups=groups,
            exposure=them.exposures.of(server),
            issuers=them.trust.issuers,
            keys=keys,
            workload=them.observer.workload(server),
        )
        return Plan(
            view=view,
            document=proxy_config.render(server, view, settings, env),
            children=lambda document: children(server, view, settings, env, document=document),
            policies=selection.selecting(policies, server, namespaces),
            tokens=view.tokens,
        )


class GroupPlans:
    def __init__(self, sources: Sources) -> None:
        self._from = sources

    def __call__(self, group: MCPGroup, keys: Keys) -> Plan[GroupView]:
        settings, env = self._from.settings.current, self._from.env
        view = self._view(group, keys)
        return Plan(
            view=view,
            document=gateway.render(group, view, settings, env),
            children=lambda document: gateway.children(
                group, view, settings, env, document=document
            ),
            policies=selection.selecting(view.policies, group, view.namespaces),
            tokens=view.tokens,
        )

    def _view(self, group: MCPGroup, keys: Keys) -> GroupView:
        them = self._from
        policies = them.policies(group.metadata.namespace)
        namespaces = them.observer.namespaces()
        roll = them.rolls.of(group.metadata.namespace, group.metadata.name)
        found = roll.memberships if roll else ()
        joined = tuple(
            MemberView(alias, server, them.policies(server.metadata.namespace))
            for alias, server in members(found)
        )
        comers = admitting(group, policies, joined)
        return GroupView(
            memberships=found,
            exposure=them.exposures.of(group),
            members=joined,
            policies=policies,
            namespaces=namespaces,
            issuers=them.trust.issuers,
            keys=keys,
            tokens=named(group, them.tokens(), comers, namespaces),
        )
