"""Which servers are members of a group: named or selected by it, and exposed to it.  Pure.

Both sides must agree, and either can take it back.  Of a server in another namespace that does not
agree nothing is told, not even whether it exists: else a group could count what others have.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ostiary_operator.api import MCPGroup, MCPServer
from ostiary_operator.api.group import MemberEntry, ServerRef

from .selection import Labels, matches, namespaces_of

State = Literal["Accepted", "NoConsent", "NameConflict", "NotFound"]


@dataclass(frozen=True, slots=True)
class Membership:
    """One server that a group speaks of."""

    namespace: str
    name: str
    alias: str
    state: State
    message: str = ""
    """For the group's owner: why it is no member, and what to do."""
    server: MCPServer | None = None
    """Of a member, and of one that lost its alias to another; else not ours to see."""

    @property
    def place(self) -> str:
        return f"{self.namespace}/{self.name}"


def memberships(
    group: MCPGroup, servers: Iterable[MCPServer], known: Mapping[str, Labels]
) -> tuple[Membership, ...]:
    """`servers`: the valid ones of every namespace; `known`: all namespaces with their labels.  By
    alias, the member before those that lost the alias to it: the order of everything derived."""
    standing = {
        (it.metadata.namespace, it.metadata.name): it
        for it in servers
        if it.metadata.deletionTimestamp is None
    }
    found: dict[tuple[str, str], Membership] = {}
    # What is named stands before what is selected, as it may bear an alias.
    for entry in group.spec.members:
        if entry.server is not None:
            one = _named(group, entry, entry.server, standing, known)
            found.setdefault((one.namespace, one.name), one)
    for entry in group.spec.members:
        for place, server in standing.items():
            if place not in found and _selects(entry, server, group, known):
                if consents(server, group.metadata.namespace, known):
                    found[place] = _accepted(server, server.metadata.name)
                elif place[0] == group.metadata.namespace:
                    found[place] = _unwilling(group, *place, alias=place[1])
    return tuple(_without_namesakes(found.values()))


def members(found: Iterable[Membership]) -> tuple[tuple[str, MCPServer], ...]:
    """The members alone, each behind its alias."""
    return tuple(
        (it.alias, it.server) for it in found if it.state == "Accepted" and it.server is not None
    )


def consents(server: MCPServer, namespace: str, known: Mapping[str, Labels]) -> bool:
    """Whether the server exposes itself to the groups of a namespace."""
    exposed = server.spec.exposeTo.namespaces if server.spec.exposeTo else None
    admitted = namespaces_of(exposed, own=server.metadata.namespace, known=known)
    return admitted is None or namespace in admitted


def speaks_of(group: MCPGroup, server: MCPServer, known: Mapping[str, Labels]) -> bool:
    """Whether the group names or selects the server, agreed or not."""
    place = (server.metadata.namespace, server.metadata.name)
    return any(
        _place(group, entry.server) == place
        if entry.server is not None
        else _selects(entry, server, group, known)
        for entry in group.spec.members
    )


def depends_on_namespaces(group: MCPGroup) -> bool:
    """Whether a relabelled namespace can change whom the group speaks of."""
    return any(it.namespaces and it.namespaces.from_ == "Selector" for it in group.spec.members)


def _place(group: MCPGroup, ref: ServerRef) -> tuple[str, str]:
    return ref.namespace or group.metadata.namespace, ref.name


def _selects(
    entry: MemberEntry, server: MCPServer, group: MCPGroup, known: Mapping[str, Labels]
) -> bool:
    if entry.selector is None or not matches(entry.selector, server.metadata.labels):
        return False
    among = namespaces_of(entry.namespaces, own=group.metadata.namespace, known=known)
    return among is None or server.metadata.namespace in among


def _named(
    group: MCPGroup,
    entry: MemberEntry,
    ref: ServerRef,
    standing: Mapping[tuple[str, str], MCPServer],
    known: Mapping[str, Labels],
) -> Membership:
    place = _place(group, ref)
    alias = entry.alias or ref.name
    server = standing.get(place)
    if server is not None and consents(server, group.metadata.namespace, known):
        return _accepted(server, alias)
    if server is None and place[0] == group.metadata.namespace:
        message = f"no MCPServer {ref.name} in this namespace, or its spec is invalid"
        return Membership(*place, alias=alias, state="NotFound", message=message)
    return _unwilling(group, *place, alias=alias)


def _accepted(server: MCPServer, alias: str) -> Membership:
    it = server.metadata
    return Membership(it.namespace, it.name, alias=alias, state="Accepted", server=server)


def _unwilling(group: MCPGroup, namespace: str, name: str, *, alias: str) -> Membership:
    """In one sentence, whether it is there or not."""
    own = group.metadata.namespace
    message = (
        f"no MCPServer {namespace}/{name} exposes itself to the namespace {own}: its owner has to "
        f"write spec.exposeTo.namespaces so that it admits {own}"
    )
    return Membership(namespace, name, alias=alias, state="NoConsent", message=message)


def _without_namesakes(found: Iterable[Membership]) -> Iterator[Membership]:
    """Of members with one alias the oldest server has it: a new one takes no name from another."""
    holders: dict[str, str] = {}
    for it in sorted(found, key=_order):
        if it.state != "Accepted" or (holder := holders.setdefault(it.alias, it.place)) == it.place:
            yield it
        else:
            message = (
                f"the older MCPServer {holder} is called {it.alias} here: name this one in an "
                "entry of its own, with another alias"
            )
            yield replace(it, state="NameConflict", message=message)


def _order(it: Membership) -> tuple[str, bool, float, str, str]:
    made = it.server.metadata.created.timestamp() if it.server else 0.0
    return it.alias, it.state != "Accepted", made, it.namespace, it.name
