"""What the cluster holds, as last seen: objects per kind, the newest resourceVersion wins.

Filled by watch events (`see`, `lose`) and made right by resyncs (`replace`), because a watch that
relists after `410 Gone` never tells what vanished meanwhile.  Knows no kind and does no I/O.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .api import LABEL_GROUP, LABEL_SERVER
from .resources import NAMESPACES, Manifest, Resource

REMEMBERED_DELETIONS: Final = 10_000
"""A uid never lives twice: the latest deleted ones are kept so that a LIST that began before a
deletion cannot bring its object back."""

Name = tuple[str, str]
"""Namespace (empty for cluster-scoped kinds) and name."""


@dataclass(frozen=True, slots=True)
class Change:
    """An object before and after; None where there is none."""

    resource: Resource
    before: Manifest | None
    after: Manifest | None

    @property
    def manifest(self) -> Manifest:
        found = self.after if self.after is not None else self.before
        assert found is not None, "a change without an object"
        return found


def name_of(manifest: Manifest) -> Name:
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def uid_of(manifest: Manifest) -> str:
    return str(manifest["metadata"]["uid"])


def version_of(manifest: Manifest) -> int:
    """resourceVersions of one kind compare as whole numbers (by contract since 1.35)."""
    return int(manifest["metadata"].get("resourceVersion") or 0)


def controller_of(manifest: Manifest) -> Mapping[str, Any] | None:
    """The owner reference that controls it."""
    owners = manifest["metadata"].get("ownerReferences", ())
    return next((owner for owner in owners if owner.get("controller")), None)


def is_leaving(manifest: Manifest) -> bool:
    return "deletionTimestamp" in manifest["metadata"]


def _slim(manifest: Manifest) -> Manifest:
    """Without managedFields: the larger half of most objects, and nobody here reads them."""
    metadata = manifest["metadata"]
    if "managedFields" not in metadata:
        return manifest
    kept = {key: value for key, value in metadata.items() if key != "managedFields"}
    return {**manifest, "metadata": kept}


class Cache:
    """`indexed`: the labels by which `labelled` finds objects without a walk over their namesakes'
    whole namespace."""

    def __init__(self, *, indexed: tuple[str, ...] = (LABEL_SERVER, LABEL_GROUP)) -> None:
        self._objects: dict[Resource, dict[str, dict[str, Manifest]]] = {}
        self._indexed = indexed
        self._index: dict[tuple[Resource, str, str, str], set[str]] = {}
        """Names by kind, namespace, indexed label and its value."""
        self._deleted: OrderedDict[str, None] = OrderedDict()

    def get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        return self._objects.get(resource, {}).get(namespace, {}).get(name)

    def is_ending(self, namespace: str) -> bool:
        """Or is gone: a namespace may vanish before all that was in it."""
        manifest = self.get(NAMESPACES, "", namespace)
        return manifest is None or is_leaving(manifest)

    def standing(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """None too for what is on its way out, by itself or with its namespace."""
        manifest = self.get(resource, namespace, name)
        if manifest is None or is_leaving(manifest) or self.is_ending(namespace):
            return None
        return manifest

    def within(self, resource: Resource, namespace: str) -> Mapping[str, Manifest]:
        """The kind's objects of one namespace by name."""
        return self._objects.get(resource, {}).get(namespace, {})

    def all(self, resource: Resource) -> Iterator[Manifest]:
        for named in list(self._objects.get(resource, {}).values()):
            yield from list(named.values())

    def labelled(
        self, resource: Resource, namespace: str, value: str, *, label: str = LABEL_SERVER
    ) -> tuple[Manifest, ...]:
        """Objects whose indexed label has this value, by name."""
        named = self.within(resource, namespace)
        found = self._index.get((resource, namespace, label, value), ())
        return tuple(named[name] for name in sorted(found))

    def see(self, resource: Resource, manifest: Manifest) -> Change | None:
        """None where nothing new was said: an echo, an older event, a ghost."""
        if uid_of(manifest) in self._deleted:
            return None
        namespace, name = name_of(manifest)
        before = self.get(resource, namespace, name)
        if before is not None and version_of(before) >= version_of(manifest):
            return None
        after = _slim(manifest)
        if before is not None:
            self._forget(resource, namespace, name)
        self._objects.setdefault(resource, {}).setdefault(namespace, {})[name] = after
        for label, value in self._values(after):
            self._index.setdefault((resource, namespace, label, value), set()).add(name)
        return Change(resource, before, after)

    def lose(self, resource: Resource, manifest: Manifest) -> Change | None:
        self._deleted[uid_of(manifest)] = None
        if len(self._deleted) > REMEMBERED_DELETIONS:
            self._deleted.popitem(last=False)
        namespace, name = name_of(manifest)
        before = self.get(resource, namespace, name)
        # The namesake that came after it stays.
        if before is None or uid_of(before) != uid_of(manifest):
            return None
        self._forget(resource, namespace, name)
        return Change(resource, before, None)

    def replace(
        self, resource: Resource, manifests: Iterable[Manifest], version: int
    ) -> list[Change]:
        """Take a LIST made at `version` for the truth, but for what a watch has seen since."""
        changes = []
        listed: set[str] = set()
        for manifest in manifests:
            listed.add(uid_of(manifest))
            if change := self.see(resource, manifest):
                changes.append(change)
        for manifest in list(self.all(resource)):
            if uid_of(manifest) not in listed and version_of(manifest) <= version:
                self._forget(resource, *name_of(manifest))
                changes.append(Change(resource, manifest, None))
        return changes

    def _forget(self, resource: Resource, namespace: str, name: str) -> None:
        named = self._objects[resource][namespace]
        for label, value in self._values(named.pop(name)):
            place = (resource, namespace, label, value)
            self._index[place].discard(name)
            if not self._index[place]:
                del self._index[place]
        if not named:
            del self._objects[resource][namespace]

    def _values(self, manifest: Manifest) -> list[tuple[str, str]]:
        found = manifest["metadata"].get("labels", {})
        return [(label, str(found[label])) for label in self._indexed if found.get(label)]
