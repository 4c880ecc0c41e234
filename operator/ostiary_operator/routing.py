"""Whose keys does a change concern?  From any object that changed to the roots to look at again.

Pure but for the cache it reads.  A key too many costs a look; a key too few costs until the next
resync.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from .api import GROUP_KIND, LABEL_GROUP, LABEL_SERVER, MCPAccessToken, MCPServer
from .api.token import EVERY
from .cache import Cache, Change, name_of
from .controller import Key
from .exposures import Exposures
from .group_routing import GroupRoutes
from .models import Models
from .render import selection
from .resources import (
    CONFIG_MAPS,
    GROUPS,
    NAMESPACES,
    NETWORK_POLICIES,
    POLICIES,
    SERVERS,
    SERVICES,
    TOKENS,
    Manifest,
    Resource,
)
from .rolls import Rolls


class Router:
    def __init__(
        self,
        *,
        cache: Cache,
        models: Models,
        rolls: Rolls,
        exposures: Exposures,
        settings: tuple[str, str],
    ) -> None:
        self._exposures = exposures
        self._cache = cache
        self._models = models
        self._groups = GroupRoutes(cache=cache, models=models, rolls=rolls)
        self._settings = settings
        """Namespace and name of the settings ConfigMap."""
        self._routes: Mapping[Resource, Callable[[Change], Iterator[Key]]] = {
            SERVERS: self._of_server,
            GROUPS: self._of_group,
            POLICIES: self._of_policy,
            TOKENS: self._of_token,
            NAMESPACES: self._of_namespace,
        }

    def route(self, change: Change) -> set[Key]:
        resource, place = change.resource, name_of(change.manifest)
        if resource in self._routes:
            return self._with_groups(change, self._routes[resource](change))
        if resource == CONFIG_MAPS and place == self._settings:
            return self.every_root() | self.every_policy()
        if resource == NETWORK_POLICIES and not _labelled(change):
            # Somebody else's: it may open what ours keeps closed.
            return {*self._servers(place[0]), *self._groups.within(place[0])}
        if resource == SERVICES and not _labelled(change):
            return set(self._of_service(change))
        return _labelled(change)

    def every_root(self) -> set[Key]:
        """Every object that has children."""
        return self.every_server() | self._groups.every_group()

    def every_server(self) -> set[Key]:
        return {Key(SERVERS, *name_of(manifest)) for manifest in self._cache.all(SERVERS)}

    def every_policy(self) -> set[Key]:
        return {Key(POLICIES, *name_of(manifest)) for manifest in self._cache.all(POLICIES)}

    def policies_of(self, namespace: str) -> set[Key]:
        """Those that can speak of its servers: its own, and every ceiling."""
        own = {Key(POLICIES, namespace, name) for name in self._cache.within(POLICIES, namespace)}
        return own | {
            Key(POLICIES, it.metadata.namespace, it.metadata.name) for it in self._models.ceilings()
        }

    def every_token(self) -> set[Key]:
        return {Key(TOKENS, *name_of(manifest)) for manifest in self._cache.all(TOKENS)}

    def tokens_for(self, namespace: str) -> Iterator[Key]:
        """Those that are restricted to something in a namespace, or to a group with members in
        it."""
        reaching = self._groups.reaching(namespace)
        for token in self._models.tokens():
            if any(
                it.namespace == namespace
                or (it.kind == GROUP_KIND and (it.namespace, it.name) in reaching)
                for it in token.spec.restrictTo
            ):
                yield Key(TOKENS, token.metadata.namespace, token.metadata.name)

    def _with_groups(self, change: Change, found: Iterator[Key]) -> set[Key]:
        """A gateway's document has its members' rules and tokens in it; of a server itself its own
        route says it."""
        keys = set(found)
        return keys if change.resource == SERVERS else keys | self._groups.having(keys)

    def _of_token(self, change: Change) -> Iterator[Key]:
        yield Key(TOKENS, *name_of(change.manifest))
        if change.before and change.after and _ending(change.before) == _ending(change.after):
            # Its spec never changes; our own status comes back as an event.
            return
        parsed = self._models.token(change.manifest)
        if not isinstance(parsed, MCPAccessToken):
            return
        # An object with the same hash may take its place, or give way to it.
        twins = [it for it in self._models.tokens() if it.spec.sha256 == parsed.spec.sha256]
        for token in (parsed, *twins):
            yield Key(TOKENS, token.metadata.namespace, token.metadata.name)
            for place in token.spec.restrictTo:
                if place.kind == GROUP_KIND:
                    yield from self._restricted_to_group(place.namespace, place.name)
                else:
                    yield from self._restricted(place.namespace, place.name)

    def _restricted_to_group(self, namespace: str, name: str) -> Iterator[Key]:
        """The hash is in the documents of its gateway and of every member."""
        for key in self._groups.within(namespace):
            if name in (EVERY, key.name):
                yield key
                yield from self._groups.members(namespace, key.name)

    def _restricted(self, namespace: str, name: str) -> Iterator[Key]:
        if name == EVERY:
            yield from self._servers(namespace)
        elif self._cache.get(SERVERS, namespace, name) is not None:
            yield Key(SERVERS, namespace, name)

    def _of_server(self, change: Change) -> Iterator[Key]:
        namespace, name = name_of(change.manifest)
        yield Key(SERVERS, namespace, name)
        # Our own status comes back as an event, and concerns no policy.
        if _targeted_by(change.before) != _targeted_by(change.after):
            yield from self.policies_of(namespace)
            yield from self.tokens_for(namespace)
        yield from self._groups.of_server(change)
        yield from self._rivals(change)

    def _of_group(self, change: Change) -> Iterator[Key]:
        yield from self._groups.of_group(change)
        yield from self._rivals(change)
        if _targeted_by(change.before) != _targeted_by(change.after):
            namespace, _ = name_of(change.manifest)
            yield from self.policies_of(namespace)
            yield from self.tokens_for(namespace)

    def _rivals(self, change: Change) -> Iterator[Key]:
        """Whoever gets or loses a URL outside the cluster when this one comes, goes or changes."""
        before, after = _exposed(change.before), _exposed(change.after)
        if before == after:
            return
        for host in {urlsplit(url).hostname or "" for url in (before, after) if url}:
            for root in self._exposures.rivals(host):
                place = root.metadata
                if isinstance(root, MCPServer):
                    yield Key(SERVERS, place.namespace, place.name)
                else:
                    yield Key(GROUPS, place.namespace, place.name)
                    # They take tokens for its URL.
                    yield from self._groups.members(place.namespace, place.name)

    def _of_policy(self, change: Change) -> Iterator[Key]:
        namespace, name = name_of(change.manifest)
        yield Key(POLICIES, namespace, name)
        if change.before and change.after and change.before["spec"] == change.after["spec"]:
            return
        # The older version first: a model is kept for the latest asked.
        versions = [
            self._models.usable(manifest) for manifest in (change.before, change.after) if manifest
        ]
        for ref in (ref for policy in versions if policy for ref in policy.spec.targetRefs or ()):
            if ref.kind == GROUP_KIND:
                yield Key(GROUPS, namespace, ref.name)
        far = any(policy and policy.spec.is_ceiling for policy in versions)
        known = self._labels_of_namespaces()
        for server in self._models.every_server() if far else self._models.servers(namespace):
            if any(policy and selection.selects(policy, server, known) for policy in versions):
                yield Key(SERVERS, server.metadata.namespace, server.metadata.name)
        for group in self._models.groups() if far else ():
            # A ceiling over a group's namespace stands over all who come through the group.
            if any(policy and selection.selects(policy, group, known) for policy in versions):
                yield Key(GROUPS, group.metadata.namespace, group.metadata.name)
        yield from self.tokens_for(namespace)

    def _labels_of_namespaces(self) -> dict[str, Mapping[str, str]]:
        return {name_of(it)[1]: _labels(it) for it in self._cache.all(NAMESPACES)}

    def _of_service(self, change: Change) -> Iterator[Key]:
        """Of somebody's own: the servers that stand before it."""
        namespace, name = name_of(change.manifest)
        for server in self._models.servers(namespace):
            if server.spec.service is not None and server.spec.service.name == name:
                yield Key(SERVERS, namespace, server.metadata.name)

    def _of_namespace(self, change: Change) -> Iterator[Key]:
        _, name = name_of(change.manifest)
        if change.before is None or _ending(change.before) != _ending(change.after):
            # A root's own event may have come before that of its namespace.
            yield from self._servers(name)
            yield from self._groups.within(name)
            yield from self.policies_of(name)
        if _labels(change.before) == _labels(change.after):
            return
        yield from self._groups.of_namespace(name, _labels(change.before), _labels(change.after))
        if any(selection.selects_namespaces(it) for it in self._models.ceilings()):
            # It may have come under one, or out from under it.
            yield from self._servers(name)
            yield from self._groups.within(name)
        for manifest in self._cache.all(POLICIES):
            policy = self._models.usable(manifest)
            if policy and selection.selects_namespaces(policy):
                yield from self._of_policy(Change(POLICIES, None, manifest))

    def _servers(self, namespace: str) -> Iterator[Key]:
        for name in self._cache.within(SERVERS, namespace):
            yield Key(SERVERS, namespace, name)


def _labelled(change: Change) -> set[Key]:
    """By the owner label, as it is and as it was before somebody took it off."""
    namespace, _ = name_of(change.manifest)
    return {
        Key(resource, namespace, owner)
        for manifest in (change.before, change.after)
        for resource, label in ((SERVERS, LABEL_SERVER), (GROUPS, LABEL_GROUP))
        if (owner := _labels(manifest).get(label))
    }


def _labels(manifest: Manifest | None) -> Mapping[str, str]:
    found: Mapping[str, str] = manifest["metadata"].get("labels", {}) if manifest else {}
    return found


def _exposed(manifest: Manifest | None) -> str:
    """A URL is given back once its object is gone for good."""
    expose = ((manifest or {}).get("spec") or {}).get("expose") or {}
    return str(expose.get("url", ""))


def _ending(manifest: Manifest | None) -> bool:
    return bool(manifest and "deletionTimestamp" in manifest["metadata"])


def _targeted_by(manifest: Manifest | None) -> Any:
    """What of a server its policies look at."""
    if manifest is None:
        return None
    return (_labels(manifest), manifest["metadata"].get("generation"), _ending(manifest))
