"""`ostiary can-i --via GROUP`: the same question where the call comes through a group.  Pure.

First both sides must agree; then the caller's token must be good there; then the group's own
policies and the member's are asked, by the proxy's own functions.  The first that says no is the
answer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ostiary_cli.endpoint import WRONG, CallFailed
from ostiary_operator.api import GROUP_KIND, MCPAccessToken, MCPGroup, MCPServer
from ostiary_operator.render.gateway import group_address, group_section
from ostiary_operator.render.members import MemberView, admitting, render_members
from ostiary_operator.render.memberships import Membership, members, memberships, speaks_of
from ostiary_operator.render.tokens import is_restricted_to, named
from ostiary_proxy import config
from ostiary_proxy.group_rules import Parts, joined, parts_of
from ostiary_proxy.names import join
from ostiary_proxy.policy import Deny, Target, decide, decide_member
from ostiary_proxy.uris import inward

from .asked import Asker
from .can_i import ALLOWED, Answer, conditions_of, not_trusted
from .standing import Standing
from .walls import doors

NOT_MEMBER = "NotMember"


@dataclass(frozen=True, slots=True)
class Way:
    """A server as a group has it, or would have it."""

    group: MCPGroup
    place: str
    """The server's `<namespace>/<name>`."""
    membership: Membership | None
    """None: the group does not speak of it."""

    @property
    def name(self) -> str:
        return f"{self.group.metadata.namespace}/{self.group.metadata.name}"


def group_named(standing: Standing, text: str, namespace: str) -> MCPGroup:
    """`text`: `<namespace>/<name>`, or a name of that namespace.  Raises CallFailed."""
    key = text if "/" in text else f"{namespace}/{text}"
    found = standing.groups.get(key)
    if found is None:
        known = ", ".join(sorted(standing.groups)[:20]) or "none"
        message = f"--via {text}: there is no {GROUP_KIND} {key}; it has {known}."
        raise CallFailed(message, code=WRONG)
    return found


def ways(
    standing: Standing, group: MCPGroup, namespace: str | None, name: str | None
) -> tuple[Way, ...]:
    """Those of the namespace and with the name, or alias, where these are given: members first,
    each of them once.  Raises CallFailed."""
    found = [
        it
        for it in _all_ways(standing, group)
        if namespace in (None, it.place.partition("/")[0])
        and (name is None or _is_called(it, name))
    ]
    taken = [it for it in found if it.membership and it.membership.state == "Accepted"]
    if name is None:
        found = taken or found
    if not found:
        wanted = f"{namespace or '*'}/{name or '*'}"
        raise CallFailed(f"There is no MCPServer {wanted}: write -n and --server.", code=WRONG)
    return tuple(taken or found)


def as_listed(ways: Iterable[Way], verb: str, name: str) -> tuple[Way, str] | None:
    """The member whose thing it is, with the member's own name or URI, where `name` is one that the
    group's clients know.  A shortened name has lost what it was made of: None."""
    found = list(ways)
    members = {it.membership.alias: it for it in found if it.membership and agreed(it)}
    if verb == "read":
        owned = inward(name)
        alias, own = (owned.alias, owned.name) if owned else ("", "")
    elif not found or (naming := _naming(found[0].group)).mode == "Never":
        return None
    else:
        alias, _, own = name.partition(naming.separator)
        if join(naming, alias, own) != name:
            return None
    return (members[alias], own) if alias in members and own else None


def _naming(group: MCPGroup) -> config.Naming:
    given = group.spec.naming
    return config.Naming(**(given.model_dump(exclude_none=True) if given else {}))


def _all_ways(standing: Standing, group: MCPGroup) -> Iterator[Way]:
    servers = standing.servers.values()
    listed = {it.place: it for it in memberships(group, servers, standing.namespaces)}
    for place in sorted({*listed, *standing.servers}):
        yield Way(group, place, listed.get(place))


def _is_called(way: Way, name: str) -> bool:
    return name in (way.place.partition("/")[2], way.membership.alias if way.membership else "")


@dataclass(frozen=True, slots=True)
class Agreed:
    """A member."""

    alias: str
    server: MCPServer


def agreed(way: Way) -> Agreed | None:
    it = way.membership
    if it is None or it.state != "Accepted" or it.server is None:
        return None
    return Agreed(it.alias, it.server)


def can_i_through(standing: Standing, way: Way, who: Asker, target: Target) -> Answer:
    member = agreed(way)
    if member is None:
        return apart(standing, way)
    missing = _not_taken(standing, way, who)
    if missing is not None:
        reason, message = missing
        return Answer(way.place, False, reason, message=message, via=way.name)
    section, one = member_section(standing, way.group, member.alias, member.server)
    both = joined(section, one, None)
    decision = decide_member(target, who.caller, both)
    if isinstance(decision, Deny):
        over = None if both.ceiling is None else decide(target, who.caller, both.ceiling)
        own = decide(target, who.caller, both.own)
        deny, message = _missing(way, over, own)
        found = deny or decision
        return Answer(
            way.place, False, found.reason, found.policy, found.rule, message, via=way.name
        )
    walls = section if both.ceiling is not None else standing.section(member.server)
    return Answer(
        way.place,
        True,
        ALLOWED,
        decision.policy,
        decision.rule,
        conditions=()
        if target.args is not None
        else _conditions(parts_of(section, one), who, target),
        network=doors(standing, walls, who.caller, decision.policy, decision.rule),
        via=way.name,
    )


def _conditions(parts: Parts, who: Asker, target: Target) -> tuple[str, ...]:
    own = conditions_of(parts.own, who, target)
    over = () if parts.over is None else conditions_of(parts.over, who, target)
    if not own or not over:
        return own or over
    return tuple(f"({one}) && ({other})" for one in over for other in own)


def member_section(
    standing: Standing, group: MCPGroup, alias: str, server: MCPServer
) -> tuple[config.Server, config.Member]:
    """The group's part of its gateway's document, with this member alone."""
    policies, namespaces = tuple(standing.policies.values()), standing.namespaces
    (member,) = render_members(group, [MemberView(alias, server, policies)], policies, namespaces)
    member = member.model_copy(update={"tools": standing.as_pinned(server).tools})
    section = group_section(
        group, policies, namespaces, members=(member,), address=group_address(group, [alias])
    )
    return section, member


def apart(standing: Standing, way: Way) -> Answer:
    """The two do not agree."""
    membership, own = way.membership, way.group.metadata.namespace
    reason: str
    server = standing.servers.get(way.place)
    if membership is not None:
        reason, message = membership.state, membership.message
        if membership.state == "NoConsent" and server is None:
            reason, message = "NotFound", f"There is no MCPServer {way.place}"
    elif server is not None and speaks_of(way.group, server, standing.namespaces):
        reason = "NoConsent"
        message = f"spec.exposeTo of MCPServer {way.place} does not admit the namespace {own}"
    else:
        reason = NOT_MEMBER
        message = f"spec.members of {GROUP_KIND} {way.name} neither names nor selects it"
    return Answer(way.place, False, reason, message=message.rstrip("."), via=way.name)


def _not_taken(standing: Standing, way: Way, who: Asker) -> tuple[str, str] | None:
    """Why what the caller shows is no proof at the group."""
    token = who.token
    if token is None:
        return not_trusted(standing, who)
    key = f"MCPAccessToken {token.metadata.namespace}/{token.metadata.name}"
    if token not in standing.good:
        why = next((it for it in standing.notes if f"{key} " in it), "it is refused")
        return "TokenRefused", why
    if not is_restricted_to(token, way.group):
        opens = ", ".join(f"{it.kind} {it.namespace}/{it.name}" for it in token.spec.restrictTo)
        return "TokenElsewhere", f"spec.restrictTo of {key} names {opens} alone"
    if token not in opened_by_group(standing, way.group):
        return "NotAdmitted", f"No rule of a policy that says who comes in names {key}"
    return None


def opened_by_group(standing: Standing, group: MCPGroup) -> tuple[MCPAccessToken, ...]:
    """The access tokens that are good at the group."""
    policies = tuple(standing.policies.values())
    found = memberships(group, standing.servers.values(), standing.namespaces)
    views = [MemberView(alias, server, policies) for alias, server in members(found)]
    comers = admitting(group, policies, views)
    return named(group, standing.good, comers, standing.namespaces)


def _missing(way: Way, over: object, own: object) -> tuple[Deny | None, str]:
    """The first wall that stands in the way, and a sentence."""
    if isinstance(over, Deny):
        message = (
            f"A policy on {GROUP_KIND} {way.name} is a ceiling, and has no rule that allows it"
        )
        if over.reason == "Denied":
            message = f"A policy on {GROUP_KIND} {way.name} denies it literally"
        return over, message
    if isinstance(own, Deny):
        message = (
            f"{GROUP_KIND} {way.name} is open to it, but no rule beside the member {way.place} "
            "allows it"
        )
        if own.reason == "Denied":
            message = f"A policy beside the member {way.place} denies it literally"
        return own, message
    return None, (
        f"Nobody without a token comes through {GROUP_KIND} {way.name}, unless a policy on the "
        "group itself has an anonymous entry"
    )
