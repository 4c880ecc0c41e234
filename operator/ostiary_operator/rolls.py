"""Every group's roll of members, written anew only when something of it would be different.

Reads the models and the labels of namespaces; what makes a member is `render.memberships`' word.
"""

from collections.abc import Callable, Mapping
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

    def has(self, namespace: str, name: str) -> bool:
        """Whether that server is a member."""
        return any(
            it.state == "Accepted" and (it.namespace, it.name) == (namespace, name)
            for it in self.memberships
        )


@dataclass(frozen=True, slots=True)
class _Read:
    groups: tuple[MCPGroup, ...]
    servers: tuple[MCPServer, ...]
    namespaces: Mapping[str, Labels]


class Rolls:
    def __init__(self, models: Models, namespaces: Callable[[], Mapping[str, Labels]]) -> None:
        self._models = models
        self._namespaces = namespaces
        self._read: _Read | None = None
        self._rolls: tuple[Roll, ...] = ()

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
        return self._rolls

    def of(self, namespace: str, name: str) -> Roll | None:
        """The roll of the group with this name."""
        for roll in self.current:
            if (roll.group.metadata.namespace, roll.group.metadata.name) == (namespace, name):
                return roll
        return None

    def having(self, namespace: str, name: str) -> tuple[Roll, ...]:
        """The rolls of the groups that the server with this name is a member of."""
        return tuple(roll for roll in self.current if roll.has(namespace, name))

    def links(self, server: MCPServer) -> tuple[GroupLink, ...]:
        """What the server's document says of its groups."""
        it = server.metadata
        return links(it.namespace, it.name, [(one.group, one.memberships) for one in self.current])
