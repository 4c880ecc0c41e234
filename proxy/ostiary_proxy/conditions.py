"""The `when` of a rule: does it hold for this call?  Pure, and bounded however hostile the call is.

Only the fields that the expression names are handed to the CEL library.  The work is estimated
from their sizes before it is done, and a decision has so much of it in all: what does not fit does
not hold, like every error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ostiary_proxy.callers import Caller
from ostiary_proxy.cel_library import Program, library
from ostiary_proxy.condition_shape import Shape, shape_of
from ostiary_proxy.expression_tree import Path
from ostiary_proxy.expression_words import FlawError

LONGEST_TEXT: Final = 4096
MOST_ITEMS: Final = 256
"""Of a list or an object."""
MOST_VALUES: Final = 1024
"""In one field, however they are nested."""
DEEPEST: Final = 8
REMEMBERED: Final = 4096
"""Texts that stay compiled: a newer config has most of them again."""

BUDGET: Final = 20_000.0
"""Microseconds of estimated work for all conditions of one decision."""
_START: Final = 60.0
_VALUE: Final = 1.0
_BYTE: Final = 0.02
"""A value is copied in once, and once more each time it is looked at."""
_NODE: Final = 0.5
_ITEM: Final = 8.0
_PATTERN: Final = 500.0
_MATCHED_BYTE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Condition:
    text: str
    """As its author wrote it."""
    shape: Shape | None
    program: Program | None
    """None: it was not understood, and never holds."""

    def looks_at(self, root: str) -> bool:
        """args, caller or tool."""
        return self.shape is not None and self.shape.looks_at(root)


@dataclass(frozen=True, slots=True)
class Subject:
    """What an expression can look at."""

    args: Mapping[str, object]
    caller: Caller
    tool: str
    effects: tuple[str, ...]


@dataclass(slots=True)
class Budget:
    """Of one request, whatever is decided for it."""

    left: float = BUDGET

    @property
    def is_spent(self) -> bool:
        return self.left < 0


@dataclass(frozen=True, slots=True)
class Size:
    values: int
    bytes: int


class _TooMuchError(Exception):
    """A field is larger than is looked at."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        """What of it was looked at until then."""


@lru_cache(maxsize=REMEMBERED)
def compile_condition(text: str) -> Condition:
    try:
        shape = shape_of(text)
        return Condition(text, shape, library().compile(shape.source))
    except (FlawError, ValueError):
        return Condition(text, None, None)


def holds(condition: Condition, subject: Subject, budget: Budget) -> bool:
    if condition.shape is None or condition.program is None or budget.is_spent:
        return False
    sizes: dict[Path, Size] = {}
    try:
        given = _extract(condition.shape, subject, sizes)
    except _TooMuchError as err:
        budget.left -= _START + _weight(err.size) + sum(map(_weight, sizes.values()))
        return False
    budget.left -= cost(condition.shape, sizes)
    if budget.is_spent:
        return False
    try:
        return condition.program.execute(given) is True
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        # What the library says of a field that is missing, or is of another type.
        return False


_NOTHING: Final = Size(0, 0)


def cost(shape: Shape, sizes: Mapping[Path, Size]) -> float:
    """Microseconds at the most, by measure."""
    total = _START + shape.nodes * _NODE
    total += sum(map(_weight, sizes.values()))
    total += sum(_looked_at(sizes.get(path), times) for path, times in shape.uses.items())
    for loop in shape.loops:
        over = _NOTHING if loop.over is None else sizes.get(loop.over, _NOTHING)
        items = max(loop.items, over.values)
        each = _ITEM + loop.nodes * _NODE
        each += sum(_looked_at(sizes.get(path), times) for path, times in loop.uses.items())
        total += items * each + over.bytes * _BYTE * (loop.item_uses + 1)
    longest = max((size.bytes for size in sizes.values()), default=0)
    return total + shape.patterns * (_PATTERN + longest * _MATCHED_BYTE)


def _weight(size: Size) -> float:
    return size.values * _VALUE + size.bytes * _BYTE


def _looked_at(size: Size | None, times: int) -> float:
    return 0.0 if size is None else times * _weight(size)


def _extract(
    shape: Shape, subject: Subject, sizes: dict[Path, Size]
) -> Mapping[str, Mapping[str, object]]:
    """The fields named and no others, as far as they are there."""
    given: dict[str, dict[str, object]] = {"args": {}, "caller": {}, "tool": {}}
    for path in shape.paths:
        counted = _Counted()
        steps = tuple(map(str, path.steps))
        if counted.place(given[path.root], _root(path, subject), steps, cut=path in shape.cut):
            sizes[path] = counted.size
    return given


def _root(path: Path, subject: Subject) -> Mapping[str, object]:
    if path.root == "args":
        return subject.args
    if path.root == "tool":
        return {"name": subject.tool, "effects": list(subject.effects)}
    caller = subject.caller
    return {
        "principal": caller.principal,
        "kind": caller.kind,
        "namespace": caller.namespace,
        "name": caller.name,
        "issuer": caller.issuer,
        "subject": caller.subject,
        "groups": list(caller.groups),
        "claims": caller.claims,
    }


class _Counted:
    """A copy of a value, and what it weighs."""

    def __init__(self) -> None:
        self.values = 0
        self.bytes = 0

    @property
    def size(self) -> Size:
        return Size(self.values, self.bytes)

    def place(
        self,
        into: dict[str, object],
        value: Mapping[str, object],
        steps: tuple[str, ...],
        *,
        cut: bool,
    ) -> bool:
        """Copy one field to where it was, as far as the way to it exists; False: it is not there.

        What stands in the way and holds no fields is copied itself: to look into it is an error."""
        for step in steps[:-1]:
            inner = value.get(step)
            if not isinstance(inner, Mapping):
                break
            below = into.setdefault(step, {})
            assert isinstance(below, dict)
            into, value = below, inner
        else:
            step = steps[-1]
        if step not in value:
            return False
        into[step] = self.copy(value[step], 0, cut=cut)
        return True

    def copy(self, value: object, depth: int, *, cut: bool) -> object:
        self.values += 1
        if self.values > MOST_VALUES or depth > DEEPEST:
            raise _TooMuchError(self.size)
        if isinstance(value, str):
            return self._text(value, cut=cut)
        if isinstance(value, Mapping):
            self._fits(len(value))
            return {
                self._text(str(key), cut=False): self.copy(item, depth + 1, cut=False)
                for key, item in value.items()
            }
        if isinstance(value, list):
            self._fits(len(value))
            return [self.copy(item, depth + 1, cut=False) for item in value]
        return value

    def _text(self, text: str, *, cut: bool) -> str:
        if len(text) > LONGEST_TEXT:
            if not cut:
                raise _TooMuchError(self.size)
            text = text[:LONGEST_TEXT]
        self.bytes += len(text.encode("utf-8", "surrogatepass"))
        return text

    def _fits(self, items: int) -> None:
        if items > MOST_ITEMS:
            raise _TooMuchError(self.size)
