"""An expression as a tree, and the tree as CEL again, every bracket in place.  Pure."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Path:
    """A variable and what is selected of it: a root, or the variable of a comprehension."""

    root: str
    steps: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """An operator, a function or a method: the object of a method is the first operand."""

    name: str
    operands: "tuple[Node, ...]"
    form: str
    """operator, function, method, choice or list."""


@dataclass(frozen=True, slots=True)
class Macro:
    """A comprehension."""

    kind: str
    over: "Node"
    variable: str
    body: "Node"


Node = Literal | Path | Call | Macro


def write(node: Node) -> str:
    """The tree as CEL, with every bracket."""
    match node:
        case Literal(value):
            return _literal(value)
        case Path(root, steps):
            return root + "".join(f"[{_literal(step)}]" for step in steps)
        case Macro(kind, over, variable, body):
            return f"{write(over)}.{kind}({variable}, {write(body)})"
        case Call("has", (Path(root, steps),), _):
            return f"({_literal(steps[-1])} in {write(Path(root, steps[:-1]))})"
        case Call(name, (Call() as left, right), "operator") if _continues(name, left):
            # A chain, which groups from the left, needs no brackets, and nests no deeper.
            return f"{write(left)[:-1]} {name} {write(right)})"
        case Call(name, operands, form):
            return _written(name, [write(operand) for operand in operands], form)


def depth(node: Node) -> int:
    """How deep the brackets of the written text nest."""
    match node:
        case Call(name, (Call() as left, right), "operator") if _continues(name, left):
            return max(depth(left), 1 + depth(right))
        case Call(_, operands, _):
            return 1 + max(map(depth, operands), default=0)
        case Macro(_, over, _, body):
            return 1 + max(depth(over), depth(body))
        case _:
            return 1


def _continues(name: str, left: Call) -> bool:
    return left.form == "operator" and len(left.operands) == 2 and left.name == name


def _written(name: str, given: list[str], form: str) -> str:
    match form:
        case "operator":
            return f"({name}{given[0]})" if len(given) == 1 else f"({given[0]} {name} {given[1]})"
        case "method":
            return f"({given[0]}).{name}({', '.join(given[1:])})"
        case "choice":
            return f"({given[0]} ? {given[1]} : {given[2]})"
        case "list":
            return f"[{', '.join(given)}]"
    return f"{name}({', '.join(given)})"


def walk(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, Macro):
        yield from walk(node.over)
        yield from walk(node.body)
    elif isinstance(node, Call):
        for operand in node.operands:
            yield from walk(operand)


def _literal(value: str | int | float | bool | None) -> str:
    if isinstance(value, str):
        return '"' + "".join(map(_escaped, value)) + '"'
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return repr(value)


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\u{ord(character):04x}"
