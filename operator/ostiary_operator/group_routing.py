"""Which groups, and which members of theirs, does a change concern?

The part of `routing` that knows memberships: a server's label, a namespace's, or a group's own word
can make members and unmake them, and each of both sides has its part of it in its document.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .api import MCPGroup, MCPServer
from .api.token import EVERY
from .cache import Cache, Change, name_of
from .controller import Key
from .models import Models
from .render.memberships import Membership, depends_on_namespaces, memberships, speaks_of
from .render.selection import Labels
from .resources import GROUPS, NAMESPACES, SERVERS, Manifest
from .rolls import Rolls

Place = tuple[str, str]


class GroupRoutes:
    def __init__(self, *, cache: Cache, models: Models, rolls: Rolls) -> None:
        self._cache = cache
        self._models = models
        self._rolls = rolls

    def every_group(self) -> set[Key]:
        return {Key(GROUPS, *name_of(manifest)) for manifest in self._cache.all(GROUPS)}

    def within(self, namespace: str) -> Iterator[Key]:
        for name in self._cache.within(GROUPS, namespace):
            yield Key(GROUPS, namespace, name)

    def having(self, servers: Iterable[Key]) -> set[Key]:
        """The groups that have one of these servers, and with it its rules, in their documents."""
        return {
            _key(roll.group)
            for server in servers
            if server.resource == SERVERS
            for roll in self._rolls.having(server.namespace, server.name)
        }

    def reaching(self, namespace: str) -> set[Place]:
        """What tokens may name to come to members in a namespace: groups, and all groups of a
        namespace."""
        return {
            (roll.group.metadata.namespace, name)
            for roll in self._rolls.current
            if any(it.state == "Accepted" and it.namespace == namespace for it in roll.memberships)
            for name in (roll.group.metadata.name, EVERY)
        }

    def members(self, namespace: str, name: str) -> Iterator[Key]:
        """Of the group with this name."""
        roll = self._rolls.of(namespace, name)
        for it in roll.memberships if roll else ():
            if it.state == "Accepted":
                yield Key(SERVERS, it.namespace, it.name)

    def of_group(self, change: Change) -> Iterator[Key]:
        """Itself, and whoever joins or leaves by its word."""
        yield Key(GROUPS, *name_of(change.manifest))
        # The older version first: a model is kept for the latest asked.
        before, after = self._standing(change.before), self._standing(change.after)
        if before == after:
            return
        known = self._labels()
        for group in (before, after):
            if group is not None:
                yield from _members(self._all(group, known))

    def of_server(self, change: Change) -> Iterator[Key]:
        """The groups that speak of it, and those of their members whose alias it takes or leaves;
        with `status` alone, the groups that show it."""
        groups = self._models.groups()
        if not groups:
            return
        place = name_of(change.manifest)
        before, after = self._server(change.before), self._server(change.after)
        if before == after:
            if _shown(change.before) != _shown(change.after):
                yield from self.having([Key(SERVERS, *place)])
            return
        known = self._labels()
        others = [it for it in self._models.every_server() if _place(it) != place]
        for group in groups:
            versions = [it for it in (before, after) if it and speaks_of(group, it, known)]
            if not versions:
                continue
            yield _key(group)
            yield from _differing(
                memberships(group, _with(others, before), known),
                memberships(group, _with(others, after), known),
            )

    def of_namespace(self, name: str, before: Labels, after: Labels) -> Iterator[Key]:
        """Its labels say who selects its servers, and which servers agree to its groups."""
        labels = self._labels()
        then, now = {**labels, name: before}, {**labels, name: after}
        servers = self._models.every_server()
        for group in self._models.groups():
            if group.metadata.namespace != name and not depends_on_namespaces(group):
                continue
            changed = _differing(
                memberships(group, servers, then), memberships(group, servers, now)
            )
            if changed:
                yield _key(group)
                yield from changed

    def _all(self, group: MCPGroup, known: Mapping[str, Labels]) -> tuple[Membership, ...]:
        return memberships(group, self._models.every_server(), known)

    def _standing(self, manifest: Manifest | None) -> MCPGroup | None:
        """None: there is none, none that is valid, or none that is to stay."""
        group = self._models.group(manifest) if manifest else None
        if not isinstance(group, MCPGroup) or group.metadata.deletionTimestamp is not None:
            return None
        return group

    def _server(self, manifest: Manifest | None) -> MCPServer | None:
        server = self._models.server(manifest) if manifest else None
        return server if isinstance(server, MCPServer) else None

    def _labels(self) -> dict[str, Labels]:
        return {
            name_of(it)[1]: it["metadata"].get("labels", {}) for it in self._cache.all(NAMESPACES)
        }


def _key(group: MCPGroup) -> Key:
    return Key(GROUPS, group.metadata.namespace, group.metadata.name)


def _place(server: MCPServer) -> Place:
    return server.metadata.namespace, server.metadata.name


def _with(others: list[MCPServer], server: MCPServer | None) -> list[MCPServer]:
    return [*others, server] if server is not None else others


def _members(found: Iterable[Membership]) -> Iterator[Key]:
    for it in found:
        if it.state == "Accepted":
            yield Key(SERVERS, it.namespace, it.name)


def _differing(before: Iterable[Membership], after: Iterable[Membership]) -> list[Key]:
    """Servers that are another thing to the group than before."""
    then, now = _roles(before), _roles(after)
    return [Key(SERVERS, *it) for it in sorted(then | now) if then.get(it) != now.get(it)]


def _roles(found: Iterable[Membership]) -> dict[Place, tuple[str, str]]:
    return {(it.namespace, it.name): (it.alias, it.state) for it in found}


def _shown(manifest: Manifest | None) -> Any:
    """What of a member's own status its groups show."""
    status = (manifest or {}).get("status") or {}
    tools = status.get("tools") or {}
    ready = [it for it in status.get("conditions") or () if it.get("type") == "Ready"]
    said = [(it.get("status"), it.get("reason"), it.get("message")) for it in ready]
    return tools.get("count"), tools.get("digest"), said
