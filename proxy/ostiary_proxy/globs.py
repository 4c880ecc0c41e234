"""Name patterns where `*` alone is special, matched in linear time.  Pure.

No regular expressions: names come from callers and patterns from manifests, and a backtracking
matcher would let the two of them together hold the event loop.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Globs:
    """A compiled list of patterns; matches a name that any of them matches."""

    everything: bool
    """One of the patterns is the bare `*`."""
    exact: frozenset[str]
    prefixes: tuple[str, ...]
    """Of the patterns whose only star is their end, which most have: all are tried at once."""
    patterns: tuple[tuple[str, ...], ...]
    """Each other pattern split at its stars: a prefix, parts in order, a suffix."""

    @classmethod
    def compile(cls, globs: Iterable[str]) -> Self:
        listed = tuple(globs)
        starred = [glob for glob in listed if "*" in glob]
        ending = [glob for glob in starred if "*" not in glob[:-1]]
        return cls(
            everything=any(not glob.strip("*") for glob in starred),
            exact=frozenset(glob for glob in listed if "*" not in glob),
            prefixes=tuple(glob[:-1] for glob in ending),
            patterns=tuple(tuple(glob.split("*")) for glob in starred if glob not in ending),
        )

    @classmethod
    def union(cls, several: Iterable[Self]) -> Self:
        """Matches what any of them does."""
        them = tuple(several)
        return cls(
            everything=any(it.everything for it in them),
            exact=frozenset(name for it in them for name in it.exact),
            prefixes=tuple(prefix for it in them for prefix in it.prefixes),
            patterns=tuple(pattern for it in them for pattern in it.patterns),
        )

    def match(self, name: str) -> bool:
        if self.everything or name in self.exact or name.startswith(self.prefixes):
            return True
        return any(_match(parts, name) for parts in self.patterns)


def _match(parts: tuple[str, ...], name: str) -> bool:
    prefix, *middle, suffix = parts
    if len(name) < len(prefix) + len(suffix):
        return False
    if not (name.startswith(prefix) and name.endswith(suffix)):
        return False
    at, end = len(prefix), len(name) - len(suffix)
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
