"""Whose a name is at a group, by what its members list just now: what the rules ask.

One object for as long as there is the group, however often its rules are compiled anew.
"""

from ostiary_proxy.config import Server
from ostiary_proxy.group_names import GroupNames, group_names
from ostiary_proxy.group_shapes import GroupBackend
from ostiary_proxy.names import Owned
from ostiary_proxy.pins import Book


class GroupPlaces:
    """`rules.Places`, whose names change; and the books of its members' tools."""

    def __init__(self, group: GroupBackend) -> None:
        self.names: GroupNames = group_names(group, {}, {})
        self._books: dict[str, Book] = {}

    def place(self, kind: str, name: str) -> Owned | None:
        return self.names.place(kind, name)

    def books(self, group: GroupBackend) -> dict[str, Book]:
        """By alias; a book is of one server, whatever it is called."""
        self._books = {one.uid: self._books.get(one.uid) or Book() for one in group.members}
        return {one.alias: self._books[one.uid] for one in group.members}


def passthroughs(server: Server) -> tuple[Server, ...]:
    """`/servers/<alias>/mcp` of each member: a group of it alone, under its own names."""
    group = server.backend
    assert isinstance(group, GroupBackend)
    base = server.path.removesuffix("/mcp")
    return tuple(
        server.model_copy(
            update={
                "uid": f"{server.uid}/{member.alias}",
                "path": base + _way(member.alias),
                "url": server.url.removesuffix("/mcp") + _way(member.alias),
                "audiences": _audiences(server, member.alias),
                "exposed": server.exposed and server.exposed.below(_way(member.alias)),
                "backend": group.model_copy(
                    update={
                        "members": (member,),
                        "naming": group.naming.model_copy(update={"mode": "Never"}),
                        "discovery": "None",
                    }
                ),
            }
        )
        for member in group.members
    )


def _way(alias: str) -> str:
    return f"/servers/{alias}/mcp"


def _audiences(server: Server, alias: str) -> tuple[str, ...]:
    """Of the group's own, those of this way alone, so that a token for it opens no other."""
    own = tuple(one for one in server.audiences if one.endswith(_way(alias)))
    return own or server.audiences


def aggregate_audiences(server: Server) -> tuple[str, ...]:
    """Those of `/mcp`: all that are of no member's way."""
    group = server.backend
    assert isinstance(group, GroupBackend)
    ends = tuple(_way(member.alias) for member in group.members)
    return tuple(one for one in server.audiences if not ends or not one.endswith(ends))
