"""Members of a group as its gateway's config has them: where each is, and all that decides there.

Pure.  Who is a member is decided elsewhere; here are the consenting ones only.  A gateway filters
lists by the members' own rules, in memory, and each member decides again on a call.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ostiary_operator.api import MCPAccessPolicy, MCPGroup, MCPServer
from ostiary_operator.api.policy import AccessRule
from ostiary_proxy import config

from .policies import compiled, filter_of, policies_of
from .proxy_config import pods_host
from .selection import Labels, granting, selecting


@dataclass(frozen=True, slots=True)
class MemberView:
    """A server that both sides agreed on."""

    alias: str
    server: MCPServer
    policies: tuple[MCPAccessPolicy, ...] = ()
    """Of the server's namespace, and the ceilings; those that do not select it are left out."""


def render_members(
    group: MCPGroup,
    members: Iterable[MemberView],
    policies: Iterable[MCPAccessPolicy],
    namespaces: Mapping[str, Labels],
) -> tuple[config.Member, ...]:
    """By alias, whose order is that of the lists.

    `policies`: of the group's namespace, and the ceilings.  A ceiling over the group's namespace
    stands over every member here: as a policy of the group itself it would close a group that has
    no other, for such a one admits whom its rules admit, and a ceiling's admit nobody.
    """
    over = ceilings_over(group, policies, namespaces)
    return tuple(
        _member(member, over, namespaces) for member in sorted(members, key=lambda it: it.alias)
    )


def own_policies(
    group: MCPGroup, policies: Iterable[MCPAccessPolicy], namespaces: Mapping[str, Labels]
) -> tuple[MCPAccessPolicy, ...]:
    """Those that name the group: ceilings over its members, by what they say and not by scope."""
    found = selecting(policies, group, namespaces)
    return tuple(policy for policy in found if not policy.spec.is_ceiling)


def ceilings_over(
    group: MCPGroup, policies: Iterable[MCPAccessPolicy], namespaces: Mapping[str, Labels]
) -> tuple[MCPAccessPolicy, ...]:
    found = selecting(policies, group, namespaces)
    return tuple(policy for policy in found if policy.spec.is_ceiling)


def admitting(
    group: MCPGroup, policies: Iterable[MCPAccessPolicy], members: Iterable[MemberView]
) -> tuple[MCPAccessPolicy, ...]:
    """Whose rules say who comes in: the group's own policies, or without one its members'.  Each
    once, by namespace and name."""
    own = granting(policies, group)
    found = own or [it for one in members for it in granting(_passed(one.policies), one.server)]
    each = {(it.metadata.namespace, it.metadata.name): it for it in found}
    return tuple(each[key] for key in sorted(each))


def _member(
    member: MemberView, over: tuple[MCPAccessPolicy, ...], namespaces: Mapping[str, Labels]
) -> config.Member:
    server = member.server
    own = policies_of(server, _passed(member.policies), namespaces)
    known = {(policy.namespace, policy.name) for policy in own}
    transport = server.spec.transport
    affinity = transport.sessionAffinity if transport else None
    return config.Member(
        alias=member.alias,
        namespace=server.metadata.namespace,
        name=server.metadata.name,
        uid=server.metadata.uid,
        host=pods_host(server),
        port=config.MCP_PORT,
        policies=(
            *own,
            *(it for it in compiled(over, namespaces) if (it.namespace, it.name) not in known),
        ),
        tools=filter_of(server),
        sessionAffinity=affinity or "Principal",
    )


def _passed(policies: Iterable[MCPAccessPolicy]) -> list[MCPAccessPolicy]:
    """Without who is nobody in particular and is known by where he connects from: through a gateway
    he connects from the gateway."""
    return [_without_placed_nobody(policy) for policy in policies]


def _without_placed_nobody(policy: MCPAccessPolicy) -> MCPAccessPolicy:
    before = policy.spec.rules or ()
    rules = tuple(_rule(rule) for rule in before)
    if rules == before:
        return policy
    spec = policy.spec.model_copy(update={"rules": rules})
    return policy.model_copy(update={"spec": spec})


def _rule(rule: AccessRule) -> AccessRule:
    """One that speaks of nobody any more stays: without its rules a ceiling would be none."""
    kept = tuple(it for it in rule.from_ if it.anonymous is None or it.network is None)
    return rule if len(kept) == len(rule.from_) else rule.model_copy(update={"from_": kept})
