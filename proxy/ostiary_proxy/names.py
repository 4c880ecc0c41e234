"""What the tools and prompts of a group's members are called at the group, and back.  Pure.

A name is made of its alias and the member's own name for it, of nothing else: members come and go,
and what a client has learnt by heart stays true.  One that cannot be had as it is (too long, or
with characters that model APIs refuse) is shortened and ends in a hash.  A member's own name that
looks as if it ended so gets a hash too: what is plain never meets what is shortened.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Final, NamedTuple

from ostiary_proxy.group_shapes import Naming

HASH_DIGITS: Final = 12
"""48 bits: a member would have to have millions of names before two meet by chance."""

_UNUSABLE: Final = re.compile(r"[^A-Za-z0-9_.-]")
_HASHED: Final = re.compile(rf"_[0-9a-f]{{{HASH_DIGITS}}}\Z")


class Owned(NamedTuple):
    """A thing of one member's."""

    alias: str
    name: str
    """Or URI; as the member calls it."""


def join(naming: Naming, alias: str, name: str) -> str:
    """What the group calls it.  The same for ever: clients keep names in prompts and settings."""
    if naming.mode == "Never":
        return name
    room = naming.maxLength
    plain = f"{alias}{naming.separator}{name[:room]}"
    fits = len(alias) + len(naming.separator) + len(name) <= room
    if fits and not _UNUSABLE.search(plain) and not _HASHED.search(plain):
        return plain
    kept = _UNUSABLE.sub("_", plain)[: room - HASH_DIGITS - 1]
    return f"{kept}_{_hash(alias, name)}"


def _hash(alias: str, name: str) -> str:
    # No alias holds a NUL, so no two pairs are one text.  JSON may hold half a surrogate pair.
    text = f"{alias}\0{name}".encode("utf-8", "surrogatepass")
    return sha256(text).hexdigest()[:HASH_DIGITS]


class Directory:
    """All tools, or all prompts, of a group.

    No two things share a name: where they would, neither has it, and both are told of.  Whoever
    comes later could else take a name that clients know as another's.
    """

    def __init__(
        self,
        naming: Naming,
        listed: Iterable[tuple[str, Iterable[str]]],
        reserved: Iterable[str] = (),
    ) -> None:
        """`listed`: each member's alias with its own names, in the group's order; `reserved`: what
        the group has itself."""
        self._naming = naming
        self._aliases: dict[str, None] = {}
        self._owners: dict[str, Owned | None] = dict.fromkeys(reserved)
        """None: several would have it, or the group has."""
        known_as: dict[Owned, str] = {}
        for alias, names in listed:
            self._aliases[alias] = None
            for name in names:
                mine = Owned(alias, name)
                shown = known_as[mine] = join(naming, alias, name)
                if self._owners.setdefault(shown, mine) != mine:
                    self._owners[shown] = None
        lost: dict[str, list[str]] = {}
        for (alias, name), shown in known_as.items():
            if self._owners[shown] is None:
                lost.setdefault(alias, []).append(name)
        self.conflicts: Mapping[str, tuple[str, ...]] = MappingProxyType(
            {alias: tuple(names) for alias, names in lost.items()}
        )
        """By alias: the own names that were left out, in the order of the member's list."""
        alone = len(self._aliases) == 1 and naming.mode == "Never"
        self._sole = next(iter(self._aliases)) if alone else None
        """The only member, under its own names: what it does not list is its own all the same."""

    def shown(self, alias: str, name: str) -> str | None:
        """None: another would have the name as well, or (with Never) it is in nobody's list."""
        if alias not in self._aliases:
            return None
        if self._sole is not None:
            return name
        known_as = join(self._naming, alias, name)
        if known_as not in self._owners:
            return None if self._naming.mode == "Never" else known_as
        return known_as if self._owners[known_as] == (alias, name) else None

    def find(self, shown: str) -> Owned | None:
        """Whose it is.  A tool that its member does not list is found by its prefix, unless its
        name had to be shortened: a hash says nothing of what it was made from."""
        if self._sole is not None:
            return Owned(self._sole, shown)
        if shown in self._owners or self._naming.mode == "Never":
            return self._owners.get(shown)
        alias, separator, name = shown.partition(self._naming.separator)
        if not separator or alias not in self._aliases:
            return None
        return Owned(alias, name) if join(self._naming, alias, name) == shown else None
