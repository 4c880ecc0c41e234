"""Patterns with `*`, compared as patterns: which lies within which, where two meet.  Pure.

A pattern's own `*`, taken as a character, stands for whatever only a `*` can match: asking a policy
about the name `get_*` asks about the names that nothing but a pattern speaks of.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from ostiary_operator.render.globs import covered

MOST: Final = 400
"""Patterns of one closure."""
ROUNDS: Final = 2
"""Two patterns meet in a third, and that with another: a grant, a denial and a ceiling."""


def tidy(pattern: str) -> str:
    """Stars in a row mean what one does."""
    while "**" in pattern:
        pattern = pattern.replace("**", "*")
    return pattern


def meet(one: str, other: str) -> tuple[str, ...]:
    """Patterns within both, as wide as are found: `get_*` and `*_time` have `get_*_time` in common,
    and `get_time`, where the two overlap."""
    for inner, outer in ((one, other), (other, one)):
        if covered(inner, (outer,)):
            return (inner,)
    if "*" not in one or "*" not in other:
        return ()
    (first, *middle, last), (start, *among, end) = one.split("*"), other.split("*")
    between = [it for it in (*middle, *among) if it]
    for each in (list(dict.fromkeys(between)), between):
        parts = [max(first, start, key=len), *each, max(last, end, key=len)]
        found = (tidy(it) for it in ("*".join(parts), *_overlapping(parts)))
        both = [it for it in found if covered(it, (one,)) and covered(it, (other,))]
        if both:
            return tuple(dict.fromkeys(both))
    return ()


def _overlapping(parts: list[str]) -> Iterator[str]:
    """With one part's end as the beginning of the next."""
    for place in range(len(parts) - 1):
        left, right = parts[place], parts[place + 1]
        for size in range(1, min(len(left), len(right)) + 1):
            if left.endswith(right[:size]):
                yield "*".join((*parts[:place], left + right[size:], *parts[place + 2 :]))


def apart(one: str, other: str) -> bool:
    """No name matches both, for certain."""
    if "*" not in one or "*" not in other:
        return not covered(one, (other,)) and not covered(other, (one,))
    (first, *_, last), (start, *_, end) = one.split("*"), other.split("*")
    return not (
        (first.startswith(start) or start.startswith(first))
        and (last.endswith(end) or end.endswith(last))
    )


def closed(patterns: Iterable[str]) -> tuple[tuple[str, ...], bool]:
    """The patterns and where they meet; False: there were too many to tell them all."""
    found = dict.fromkeys(tidy(it) for it in patterns)
    newest = list(found)
    for _ in range(ROUNDS):
        fresh: dict[str, None] = {}
        for one in newest:
            for other in list(found):
                fresh |= dict.fromkeys(it for it in meet(one, other) if it not in found)
                if len(found) + len(fresh) > MOST:
                    return tuple(found), False
        found |= fresh
        newest = list(fresh)
    return tuple(found), True


def widest(patterns: Iterable[str]) -> list[str]:
    """Those that lie within no other, in order."""
    found: list[str] = []
    for pattern in sorted(
        dict.fromkeys(patterns), key=lambda it: (it.count("*") == 0, len(it), it)
    ):
        if not covered(pattern, found):
            found = [it for it in found if not covered(it, (pattern,))]
            found.append(pattern)
    return sorted(found)
