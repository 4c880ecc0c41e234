"""Whose keys does a change concern?  From any object that changed to the roots to look at again.

Pure but for the cache it reads.  A key too many costs a look; a key too few costs until the next
resync.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from .api import LABEL_SERVER
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
            case _ if change.resource == NAMESPACES:
                return set(self._of_namespace(change))
            case _ if change.resource == CONFIG_MAPS and name_of(change.manifest) == self._settings:
                return self.every_server()
            case _ if change.resource == NETWORK_POLICIES and not _labelled(change):
                # Somebody else's: it may open what ours keeps closed.
                namespace, _ = name_of(change.manifest)
                return set(self._servers(namespace))
            case _:
                return _labelled(change)

    def every_server(self) -> set[Key]:
        return {Key(SERVERS, *name_of(manifest)) for manifest in self._cache.all(SERVERS)}

    def policies_of(self, namespace: str) -> set[Key]:
        return {Key(POLICIES, namespace, name) for name in self._cache.within(POLICIES, namespace)}

    def _of_server(self, change: Change) -> Iterator[Key]:
        namespace, name = name_of(change.manifest)
        yield Key(SERVERS, namespace, name)
        # Our own status comes back as an event, and concerns no policy.
        if _targeted_by(change.before) != _targeted_by(change.after):
            yield from self.policies_of(namespace)

    def _of_policy(self, change: Change) -> Iterator[Key]:
        namespace, name = name_of(change.manifest)
        yield Key(POLICIES, namespace, name)
        if change.before and change.after and change.before["spec"] == change.after["spec"]:
            return
        # The older version first: a model is kept for the latest asked.
        versions = [
            self._models.usable(manifest) for manifest in (change.before, change.after) if manifest
        ]
        for server in self._models.servers(namespace):
            if any(policy and selection.selects(policy, server) for policy in versions):
                yield Key(SERVERS, namespace, server.metadata.name)

    def _of_namespace(self, change: Change) -> Iterator[Key]:
        _, name = name_of(change.manifest)
        if change.before is None or _ending(change.before) != _ending(change.after):
            # A server's own event may have come before that of its namespace.
            yield from self._servers(name)
        if _labels(change.before) == _labels(change.after):
            return
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
