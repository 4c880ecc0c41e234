"""Globs with `*` alone: whether one lies within others.  Matching names is the proxy's."""

from collections.abc import Iterable


def covered(pattern: str, by: Iterable[str]) -> bool:
    """Sound, not complete: a pattern that only several of them together cover is not seen."""
    return any(_matches(pattern, outer) for outer in by)


def _matches(text: str, pattern: str) -> bool:
    """The text's own `*` is a character that only a `*` of the pattern can stand for, so whatever
    the text would match, the pattern does."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    if not text.startswith(first):
        return False
    *middle, last = rest
    position = len(first)
    for piece in middle:
        found = text.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    return len(text) - len(last) >= position and text.endswith(last)
