"""What an expression of `when` looks at, and how much work it can be.  Pure, before it ever runs.

The operator checks a policy with `complaint`; the proxy evaluates by the same `Shape`.  What cannot
be bounded is refused: a comprehension within another, text that grows in one, a pattern that comes
from a caller.
"""

import re
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ostiary_proxy.expression_tree import Call, Literal, Macro, Node, Path, depth, walk, write
from ostiary_proxy.expression_words import FlawError
from ostiary_proxy.expressions import ROOTS, parse

SELECTED: Final = {
    "tool": ("name", "effects"),
    "caller": (
        "principal", "kind", "namespace", "name", "issuer", "subject", "groups", "claims",
    ),
}  # fmt: skip
"""What there is of a root; of `args` there is whatever the call bears."""
PATHS: Final = 16
STEPS: Final = 8
LONGEST_STEP: Final = 128
DEEPEST: Final = 40
"""The library's own reader gives up at a depth of its own."""
LOOPS: Final = 4
JOINS: Final = 8
"""`+` may lengthen text and lists."""
PATTERNS: Final = 4
LONGEST_PATTERN: Final = 128
_SLOW: Final = ("{", "(?")
"""In a pattern: counted repetitions and flags, which make large automata of short texts."""

Steps = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """A comprehension: its body runs for each item of a list."""

    over: Path | None
    """None: over a list that stands in the expression itself."""
    items: int
    """Of that list."""
    nodes: int
    uses: Mapping[Path, int]
    """In the body: how often each path is looked at for each item."""
    item_uses: int


@dataclass(frozen=True, slots=True)
class Shape:
    source: str
    """The expression as it is evaluated."""
    paths: tuple[Path, ...]
    """All that is looked at, down to the first index."""
    cut: frozenset[Path]
    """Of them, what is looked at for how it begins alone: more of a long text changes nothing."""
    nodes: int
    uses: Mapping[Path, int]
    """Outside comprehensions: how often each path is looked at."""
    loops: tuple[Loop, ...]
    patterns: int

    def looks_at(self, root: str) -> bool:
        return any(path.root == root for path in self.paths)


def complaint(text: str) -> str:
    """What is wrong with an expression; empty: nothing."""
    try:
        shape_of(text)
    except FlawError as err:
        return str(err)
    return ""


def shape_of(text: str) -> Shape:
    """Raises FlawError."""
    tree = parse(text)
    if isinstance(tree, Literal | Path) and not (
        isinstance(tree, Path) or isinstance(tree.value, bool)
    ):
        raise FlawError("must be true or false")
    found = _Found()
    _look(tree, found, None)
    if depth(tree) > DEEPEST:
        raise FlawError(f"is nested deeper than {DEEPEST}")
    nodes = list(walk(tree))
    _check(nodes, found)
    return Shape(
        source=write(tree),
        paths=tuple(found.paths),
        cut=frozenset(found.paths) - found.whole,
        nodes=len(nodes),
        uses=dict(found.uses),
        loops=tuple(found.loops),
        patterns=sum(_is_call(node, "matches") for node in nodes),
    )


@dataclass(slots=True)
class _Found:
    paths: dict[Path, None] = field(default_factory=dict)
    whole: set[Path] = field(default_factory=set)
    uses: Counter[Path] = field(default_factory=Counter)
    loops: list[Loop] = field(default_factory=list)


@dataclass(slots=True)
class _Within:
    """The comprehension whose body is looked at."""

    variable: str
    uses: Counter[Path] = field(default_factory=Counter)
    item_uses: int = 0


def _look(node: Node, found: _Found, within: _Within | None, *, beginning: bool = False) -> None:
    match node:
        case Path():
            _look_at(node, found, within, beginning=beginning)
        case Macro(_, over, variable, body):
            inner = _Within(variable)
            _look(body, found, inner)
            found.loops.append(_loop(over, body, inner))
            _look(over, found, None)
        case Call("startsWith", (Path() as path, Literal())):
            _look(path, found, within, beginning=True)
        case Call(name, operands, _):
            _check_call(name, operands, within)
            for operand in operands:
                _look(operand, found, within)


def _look_at(path: Path, found: _Found, within: _Within | None, *, beginning: bool) -> None:
    if within is not None and path.root == within.variable:
        within.item_uses += 1
        return
    _check_path(path)
    names = tuple(path.steps[: _first_index(path)])
    known = Path(path.root, names)
    found.paths[known] = None
    if not beginning or names != path.steps or within is not None:
        found.whole.add(known)
    (found.uses if within is None else within.uses)[known] += 1


def _first_index(path: Path) -> int:
    indexes = [at for at, step in enumerate(path.steps) if isinstance(step, int)]
    return indexes[0] if indexes else len(path.steps)


def _loop(over: Node, body: Node, inner: _Within) -> Loop:
    plain = isinstance(over, Path)
    listed = isinstance(over, Call) and over.form == "list"
    if not plain and not (listed and all(not isinstance(it, Macro) for it in walk(over))):
        raise FlawError("all() and exists() go over a field, or a list that is written out")
    if isinstance(over, Path):
        start, items = Path(over.root, over.steps[: _first_index(over)]), 0
    else:
        assert isinstance(over, Call)
        start, items = None, len(over.operands)
    return Loop(start, items, sum(1 for _ in walk(body)), dict(inner.uses), inner.item_uses)


def _check_path(path: Path) -> None:
    if path.root not in ROOTS:
        raise FlawError(f"there is no {path.root} here")
    if not path.steps or not isinstance(path.steps[0], str):
        raise FlawError(f"select a field of {path.root}, for example {_example(path.root)}")
    known = SELECTED.get(path.root)
    if known is not None and path.steps[0] not in known:
        raise FlawError(f"{path.root} has no {path.steps[0]}: it has {', '.join(known)}")
    if len(path.steps) > STEPS or any(len(str(step)) > LONGEST_STEP for step in path.steps):
        raise FlawError(f"a field lies at most {STEPS} deep, by names of {LONGEST_STEP} characters")


def _example(root: str) -> str:
    return f"{root}.{SELECTED.get(root, ('path',))[0]}"


def _check_call(name: str, operands: tuple[Node, ...], within: _Within | None) -> None:
    if name == "+" and within is not None:
        raise FlawError("+ may not stand within all() or exists()")
    if name != "matches":
        return
    if within is not None:
        raise FlawError("matches() may not stand within all() or exists()")
    pattern = operands[1]
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        raise FlawError("matches() takes a pattern in quotes alone")
    _check_pattern(pattern.value)


def _check_pattern(pattern: str) -> None:
    if len(pattern) > LONGEST_PATTERN:
        raise FlawError(f"a pattern has at most {LONGEST_PATTERN} characters")
    for slow in _SLOW:
        if slow in pattern.replace("(?:", ""):
            raise FlawError(f"a pattern holds no {slow}")
    letters = pattern.replace("\\\\", "").split("\\")[1:]
    if any(not rest or rest[0].isalnum() for rest in letters):
        raise FlawError(r"a pattern holds no \w, \d or their like: write [A-Za-z0-9_] or [0-9]")
    # Of what is left, the evaluator's expressions and Python's are the same language, but for sets
    # within sets, which Python only warns of.
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except re.error as err:
        raise FlawError(f"the pattern {pattern!r} is no regular expression: {err}") from err


def _check(nodes: list[Node], found: _Found) -> None:
    if len(found.paths) > PATHS:
        raise FlawError(f"looks at more than {PATHS} fields")
    if len(found.loops) > LOOPS:
        raise FlawError(f"has more than {LOOPS} of all() and exists()")
    if sum(_is_call(node, "+") for node in nodes) > JOINS:
        raise FlawError(f"has more than {JOINS} of +")
    if sum(_is_call(node, "matches") for node in nodes) > PATTERNS:
        raise FlawError(f"has more than {PATTERNS} of matches()")


def _is_call(node: Node, name: str) -> bool:
    return isinstance(node, Call) and node.name == name
