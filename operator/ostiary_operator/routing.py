"""Whose keys does a change concern?  From any object that changed to the roots to look at again.

Pure but for the cache it reads.  A key too many costs a look; a key too few costs until the next
resync.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from .api import LABEL_SERVER, MCPAccessToken
from .api.token import EVERY
from .cache import Cache, Change, name_of
from .controller import Key
from .models import Models
from .render import selection
from .resources import (
    CONFIG_MAPS,
    NAMESPACES,
    NETWORK_POLICIES,
    POLICIES,
    SERVERS,
    SERVICES,
    TOKENS,
    Manifest,
)


class Router:
    def __init__(self, *, cache: Cache, models: Models, settings: tuple[str, str]) -> None:
        self._cache = cache
        self._models = models
        self._settings = settings
        """Namespace and name of the settings ConfigMap."""

    def route(self, change: Change) -> set[Key]:
        match change.resource:
            case _ if change.resource == SERVERS:
                return set(self._of_server(change))
            case _ if change.resource == POLICIES:
                return set(self._of_policy(change))
            case _ if change.resource == TOKENS:
                return set(self._of_token(change))
            case _ if change.resource == NAMESPACES:
                return set(self._of_namespace(change))
            case _ if change.resource == CONFIG_MAPS and name_of(change.manifest) == self._settings:
                return self.every_server() | self.every_policy()
            case _ if change.resource == NETWORK_POLICIES and not _labelled(change):
                # Somebody else's: it may open what ours keeps closed.
                namespace, _ = name_of(change.manifest)
                return set(self._servers(namespace))
            case _ if change.resource == SERVICES and not _labelled(change):
                return set(self._of_service(change))
            case _:
                return _labelled(change)

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
        """Those that are restricted to something in a namespace."""
        for token in self._models.tokens():
            if any(it.namespace == namespace for it in token.spec.restrictTo):
                yield Key(TOKENS, token.metadata.namespace, token.metadata.name)

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
                yield from self._restricted(place.namespace, place.name)

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

    def _of_policy(self, change: Change) -> Iterator[Key]:
        namespace, name = name_of(change.manifest)
        yield Key(POLICIES, namespace, name)
        if change.before and change.after and change.before["spec"] == change.after["spec"]:
            return
        # The older version first: a model is kept for the latest asked.
        versions = [
            self._models.usable(manifest) for manifest in (change.before, change.after) if manifest
        ]
        far = any(policy and policy.spec.is_ceiling for policy in versions)
        known = self._labels_of_namespaces()
        for server in self._models.every_server() if far else self._models.servers(namespace):
            if any(policy and selection.selects(policy, server, known) for policy in versions):
                yield Key(SERVERS, server.metadata.namespace, server.metadata.name)
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
            yield from self.policies_of(name)
        if _labels(change.before) == _labels(change.after):
            return
        if any(selection.selects_namespaces(it) for it in self._models.ceilings()):
            # It may have come under one, or out from under it.
            yield from self._servers(name)
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
    owners = {_labels(manifest).get(LABEL_SERVER) for manifest in (change.before, change.after)}
    return {Key(SERVERS, namespace, owner) for owner in owners if owner}


def _labels(manifest: Manifest | None) -> Mapping[str, str]:
    found: Mapping[str, str] = manifest["metadata"].get("labels", {}) if manifest else {}
    return found


def _ending(manifest: Manifest | None) -> bool:
    return bool(manifest and "deletionTimestamp" in manifest["metadata"])


def _targeted_by(manifest: Manifest | None) -> Any:
    """What of a server its policies look at."""
    if manifest is None:
        return None
    return (_labels(manifest), manifest["metadata"].get("generation"), _ending(manifest))
