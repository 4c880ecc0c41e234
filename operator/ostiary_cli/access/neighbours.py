"""Callers by where they are, so that not each is compared with every other.  Pure."""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from ostiary_proxy.callers import Caller

from .witnesses import EVERY, Labels, covers, is_class

Item = TypeVar("Item")


class Neighbours(Generic[Item]):
    """Things that each have a caller."""

    def __init__(
        self, items: Iterable[Item], caller_of: Callable[[Item], Caller], labels: Labels
    ) -> None:
        """`labels`: of namespaces."""
        self._caller_of = caller_of
        self._labels = labels
        self._rooms: dict[tuple[str, str], list[Item]] = {}
        for it in items:
            caller = caller_of(it)
            self._rooms.setdefault((caller.kind, caller.namespace), []).append(it)
        self._wide = [place for place in self._rooms if _is_wide(place[1])]

    def wider(self, caller: Caller) -> Iterator[Item]:
        """Those that stand for the caller, and the caller's own."""
        for room in dict.fromkeys(((caller.kind, caller.namespace), *self._wide)):
            for it in self._rooms.get(room, ()):
                if covers(self._caller_of(it), caller, self._labels):
                    yield it

    def narrower(self, caller: Caller) -> Iterator[Item]:
        """Those that the caller stands for."""
        own = [(caller.kind, caller.namespace)]
        for room in list(self._rooms) if _is_wide(caller.namespace) else own:
            for it in self._rooms.get(room, ()):
                if covers(caller, self._caller_of(it), self._labels):
                    yield it


def _is_wide(namespace: str) -> bool:
    return namespace == EVERY or is_class(namespace)
