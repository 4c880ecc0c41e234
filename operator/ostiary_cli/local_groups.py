"""Groups of a folder: who is a member, the endpoints, and what to say of those who are none.  Pure.

Membership, consent and rules are the operator's own functions; here a member is a path of this very
process, and everybody's manifests are at hand, so that a sentence may name what a cluster keeps to
itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ostiary_operator.api import (
    GROUP_KIND,
    LABEL_NAMESPACE_NAME,
    MCPAccessPolicy,
    MCPAccessToken,
    MCPGroup,
    MCPServer,
)
from ostiary_operator.api.group import MCPGroupSpec
from ostiary_operator.render import names
from ostiary_operator.render.gateway import group_section
from ostiary_operator.render.group_links import MCP_PATH, group_link, passthrough_path
from ostiary_operator.render.members import MemberView, admitting, render_members
from ostiary_operator.render.memberships import (
    Membership,
    consents,
    members,
    memberships,
    speaks_of,
)
from ostiary_operator.render.proxy_config import Address
from ostiary_operator.render.selection import Labels
from ostiary_operator.render.tokens import named
from ostiary_proxy.config import GroupBackend, GroupLink, Member, Server

from .manifests import Manifests, Source


@dataclass(frozen=True, slots=True)
class Roll:
    """One group with all servers that it speaks of."""

    key: str
    group: MCPGroup
    source: Source
    memberships: tuple[Membership, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What else the endpoints depend on."""

    policies: tuple[MCPAccessPolicy, ...]
    tokens: tuple[MCPAccessToken, ...]
    """Those that are good here."""
    namespaces: Mapping[str, Labels]
    bases: tuple[str, ...]
    """What URLs here begin with, the printed one first."""


def rolls_of(manifests: Manifests, namespaces: Mapping[str, Labels]) -> tuple[Roll, ...]:
    """By namespace and name."""
    servers = [server for server, _ in manifests.servers.values()]
    return tuple(
        Roll(key, group, source, memberships(group, servers, namespaces))
        for key, (group, source) in sorted(manifests.groups.items())
    )


def group_key(key: str) -> str:
    """Apart from that of a server with the same name; no server's name ends so."""
    return names.group(key)


def group_place(group: MCPGroup) -> str:
    """The path before that of an endpoint: `/<namespace>/<name>-group`."""
    return f"/{group.metadata.namespace}/{names.group(group.metadata.name)}"


def links_of(server: MCPServer, rolls: Iterable[Roll], bases: Iterable[str]) -> list[GroupLink]:
    """Of the groups that the server is a member of.  `bases`: what URLs here begin with."""
    listed = tuple(bases)
    return [
        group_link(roll.group, it.alias).model_copy(
            update={
                "uid": _uid(roll),
                "audiences": tuple(_audiences(roll.group, (it.alias,), listed)),
                "pods": "",
            }
        )
        for roll in rolls
        for it in roll.memberships
        if it.state == "Accepted" and it.server is server
    ]


def group_servers(
    rolls: Iterable[Roll], running: Iterable[str], known: Known
) -> tuple[Server, ...]:
    """The endpoints.  `running`: the servers that can run here, each `<namespace>/<name>`."""
    there = frozenset(running)
    return tuple(_group_server(roll, there, known) for roll in rolls)


def _group_server(roll: Roll, running: frozenset[str], known: Known) -> Server:
    group, policies, namespaces = roll.group, known.policies, known.namespaces
    joined = tuple(
        MemberView(alias, server, policies)
        for alias, server in members(roll.memberships)
        if _key(server) in running
    )
    rendered = render_members(group, joined, policies, namespaces)
    audiences = tuple(_audiences(group, [it.alias for it in rendered], known.bases))
    section = group_section(
        group,
        policies,
        namespaces,
        members=tuple(map(_here, rendered)),
        address=Address(
            url=audiences[0], audiences=audiences, hosts=(), path=group_place(group) + MCP_PATH
        ),
        tokens=named(group, known.tokens, admitting(group, policies, joined), namespaces),
    )
    return section.model_copy(update={"uid": _uid(roll)})


def without(server: Server, running: Iterable[str]) -> Server:
    """A group less the members that do not run after all."""
    if not isinstance(server.backend, GroupBackend):
        return server
    known = frozenset(running)
    kept = tuple(it for it in server.backend.members if f"{it.namespace}/{it.name}" in known)
    return server.model_copy(
        update={"backend": server.backend.model_copy(update={"members": kept})}
    )


def _uid(roll: Roll) -> str:
    """Without a slash: what follows one is a member's way in."""
    return group_key(roll.key).replace("/", ".")


def _here(member: Member) -> Member:
    key = f"{member.namespace}/{member.name}"
    return member.model_copy(update={"uid": key, "host": "", "path": f"/{key}/mcp"})


def _audiences(group: MCPGroup, aliases: Iterable[str], bases: Iterable[str]) -> Iterator[str]:
    listed = tuple(bases)
    for path in (MCP_PATH, *map(passthrough_path, aliases)):
        yield from (f"{base}{group_place(group)}{path}" for base in listed)


def not_members(
    rolls: Iterable[Roll], manifests: Manifests, namespaces: Mapping[str, Labels]
) -> Iterator[str]:
    """A sentence for each server that a group speaks of and that is no member of it."""
    for roll in rolls:
        said = {it.place for it in roll.memberships}
        for it in roll.memberships:
            if it.state == "NameConflict":
                yield f"{_at(roll, it)}: {_namesake(roll, it)}"
            elif it.state != "Accepted":
                yield f"{_at(roll, it)}: {_missing(roll, it.place, manifests)}"
        for key, (server, _) in sorted(manifests.servers.items()):
            own = roll.group.metadata.namespace
            if key not in said and speaks_of(roll.group, server, namespaces):
                assert not consents(server, own, namespaces), "it would be a member"
                yield f"{roll.source.at('spec.members')}: {_missing(roll, key, manifests)}"
        yield from _doubled(roll)
        yield from _idle(roll, manifests, namespaces)
        if not members(roll.memberships):
            yield f"{roll.source.at('spec.members')}: {GROUP_KIND} {roll.key} has no member."


def _doubled(roll: Roll) -> Iterator[str]:
    """What is named once more, by another alias."""
    known = {it.place: it.alias for it in roll.memberships}
    for number, entry in enumerate(roll.group.spec.members):
        ref = entry.server
        if ref is None:
            continue
        place = f"{ref.namespace or roll.group.metadata.namespace}/{ref.name}"
        if known[place] != (entry.alias or ref.name):
            yield (
                f"{roll.source.at(f'spec.members[{number}]')}: {place} is called {known[place]} in "
                f"{GROUP_KIND} {roll.key} already, by an entry before this one: it has one alias."
            )


def _idle(roll: Roll, manifests: Manifests, namespaces: Mapping[str, Labels]) -> Iterator[str]:
    """What selects nothing."""
    for number, entry in enumerate(roll.group.spec.members):
        alone = roll.group.model_copy(update={"spec": MCPGroupSpec(members=(entry,))})
        servers = (server for server, _ in manifests.servers.values())
        if entry.selector and not any(speaks_of(alone, it, namespaces) for it in servers):
            where = roll.source.at(f"spec.members[{number}].selector")
            yield (
                f"{where}: no MCPServer in this folder has these labels in the namespaces that "
                f"{GROUP_KIND} {roll.key} looks in."
            )


def _at(roll: Roll, it: Membership) -> str:
    for number, entry in enumerate(roll.group.spec.members):
        ref = entry.server
        if ref and (ref.namespace or roll.group.metadata.namespace, ref.name) == (
            it.namespace,
            it.name,
        ):
            return roll.source.at(f"spec.members[{number}]")
    return roll.source.at("spec.members")


def _missing(roll: Roll, place: str, manifests: Manifests) -> str:
    lost = f"{place} is no member of {GROUP_KIND} {roll.key}"
    if place not in manifests.servers:
        return f"{lost}: there is no such MCPServer in this folder."
    own = roll.group.metadata.namespace
    return (
        f"{lost}: it does not expose itself to the namespace {own}. If it is to, write in spec of "
        f"MCPServer {place} ({manifests.servers[place][1].at('spec')}): exposeTo: {{namespaces: "
        f"{{from: Selector, selector: {{matchLabels: {{{LABEL_NAMESPACE_NAME}: {own}}}}}}}}}"
    )


def _namesake(roll: Roll, it: Membership) -> str:
    holder = next(
        one.place for one in roll.memberships if (one.alias, one.state) == (it.alias, "Accepted")
    )
    return (
        f"{it.place} is no member of {GROUP_KIND} {roll.key}: {holder} is called {it.alias} there "
        f"already. Write for it an entry of its own, with another alias."
    )


def _key(server: MCPServer) -> str:
    return f"{server.metadata.namespace}/{server.metadata.name}"
