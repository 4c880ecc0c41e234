"""Every group's roll of members, written anew only when something of it would be different.

Reads the models and the labels of namespaces; what makes a member is `render.memberships`' word.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ostiary_proxy.config import GroupLink

from .api import MCPGroup, MCPServer
from .models import Models
from .render.group_links import links
from .render.memberships import Membership, memberships
from .render.selection import Labels


@dataclass(frozen=True, slots=True)
class Roll:
    """One group with all servers that it speaks of."""

    group: MCPGroup
    memberships: tuple[Membership, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    groups: tuple[MCPGroup, ...]
    servers: tuple[MCPServer, ...]
    namespaces: Mapping[str, Labels]


class Rolls:
    def __init__(
        self,
        models: Models,
        namespaces: Callable[[], Mapping[str, Labels]],
        exposed_url: Callable[[MCPGroup], str] = lambda group: "",
    ) -> None:
        """`exposed_url`: where a group is found outside the cluster; empty: it is not."""
        self._models = models
        self._exposed_url = exposed_url
        self._namespaces = namespaces
        self._read: _Read | None = None
        self._rolls: tuple[Roll, ...] = ()
        self._having: dict[tuple[str, str], tuple[Roll, ...]] = {}
        """By namespace and name of a member."""

    @property
    def current(self) -> tuple[Roll, ...]:
        """Of every valid group that is to stay."""
        groups = self._models.groups()
        if not groups:
            return ()
        read = _Read(groups, self._models.every_server(), self._namespaces())
        if read != self._read:
            self._read = read
            self._rolls = tuple(
                Roll(group, memberships(group, read.servers, read.namespaces)) for group in groups
            )
            self._having = _by_member(self._rolls)
        return self._rolls

    def of(self, namespace: str, name: str) -> Roll | None:
        """The roll of the group with this name."""
        for roll in self.current:
            if (roll.group.metadata.namespace, roll.group.metadata.name) == (namespace, name):
                return roll
        return None

    def having(self, namespace: str, name: str) -> tuple[Roll, ...]:
        """The rolls of the groups that the server with this name is a member of."""
        return self._having.get((namespace, name), ()) if self.current else ()

    def links(self, server: MCPServer) -> tuple[GroupLink, ...]:
        """What the server's document says of its groups."""
        place = server.metadata.namespace, server.metadata.name
        groups = [(one.group, one.memberships) for one in self.having(*place)]
        return links(*place, groups, self._exposed_url)


def _by_member(rolls: Iterable[Roll]) -> dict[tuple[str, str], tuple[Roll, ...]]:
    found: dict[tuple[str, str], tuple[Roll, ...]] = {}
    for roll in rolls:
        for it in roll.memberships:
            if it.state == "Accepted":
                found[it.namespace, it.name] = (*found.get((it.namespace, it.name), ()), roll)
    return found
