"""Members of a group as its gateway's config has them: where each is, and all that decides there.

Pure.  Who is a member is decided elsewhere; here are the consenting ones only.  A gateway filters
lists by the members' own rules, in memory, and each member decides again on a call.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ostiary_operator.api import MCPAccessPolicy, MCPGroup, MCPServer
from ostiary_operator.api.policy import AccessRule
from ostiary_operator.api.subjects import From
from ostiary_proxy import config

from .policies import compiled, filter_of, policies_of
from .proxy_config import pods_host
from .selection import Labels, admitting_rules, granting, selecting


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
    """Whose rules say who comes in: the group's own policies, or without one its members'."""
    return granting(policies, group) or of_members(members)


def of_members(
    members: Iterable[MemberView], *, nobody: bool = False
) -> tuple[MCPAccessPolicy, ...]:
    """The members' policies that grant, as far as they count for who comes through the group.  Each
    once, by namespace and name.  `nobody`: callers without a token too, who come through by the
    word of a policy on the group alone."""
    left_out = _is_placed_nobody if nobody else _is_nobody
    each = {
        (it.metadata.namespace, it.metadata.name): it
        for one in members
        for it in granting(_without(one.policies, left_out), one.server)
    }
    return tuple(each[key] for key in sorted(each))


def callers(
    group: MCPGroup,
    members: Iterable[MemberView],
    policies: Iterable[MCPAccessPolicy],
    namespaces: Mapping[str, Labels],
) -> int:
    """Rules that admit somebody, of the policies that say who comes in; none where no member's
    does, whatever a policy on the group says."""
    own = granting(policies, group)
    beside = admitting_rules(of_members(members, nobody=bool(own)), namespaces)
    return admitting_rules(own, namespaces) if own and beside else beside


def _member(
    member: MemberView, over: tuple[MCPAccessPolicy, ...], namespaces: Mapping[str, Labels]
) -> config.Member:
    server = member.server
    own = policies_of(server, _without(member.policies, _is_placed_nobody), namespaces)
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


def _is_nobody(entry: From) -> bool:
    return entry.anonymous is not None


def _is_placed_nobody(entry: From) -> bool:
    """Nobody in particular, known by where he connects from: through a gateway he connects from
    the gateway."""
    return entry.anonymous is not None and entry.network is not None


def _without(
    policies: Iterable[MCPAccessPolicy], left_out: Callable[[From], bool]
) -> list[MCPAccessPolicy]:
    return [_policy_without(policy, left_out) for policy in policies]


def _policy_without(policy: MCPAccessPolicy, left_out: Callable[[From], bool]) -> MCPAccessPolicy:
    before = policy.spec.rules or ()
    rules = tuple(_rule_without(rule, left_out) for rule in before)
    if rules == before:
        return policy
    spec = policy.spec.model_copy(update={"rules": rules})
    return policy.model_copy(update={"spec": spec})


def _rule_without(rule: AccessRule, left_out: Callable[[From], bool]) -> AccessRule:
    """One that speaks of nobody any more stays: without its rules a ceiling would be none."""
    kept = tuple(entry for entry in rule.from_ if not left_out(entry))
    return rule if len(kept) == len(rule.from_) else rule.model_copy(update={"from_": kept})
