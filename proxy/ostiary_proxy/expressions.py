"""The expressions of `when`: a small part of CEL, read into a tree.  Pure.

The tree is written out again before the CEL library sees it, so that what was looked at is what is
evaluated; and it is what `conditions` bounds the cost by.
"""

from typing import Final

from ostiary_proxy.expression_tree import Call, Literal, Macro, Node, Path
from ostiary_proxy.expression_words import (
    FlawError,
    Token,
    flaw,
    number_of,
    text_of,
    tokens,
)

LONGEST: Final = 1024
NODES: Final = 200
DEPTH: Final = 32
ROOTS: Final = ("args", "caller", "tool")
MACROS: Final = ("all", "exists", "exists_one")
METHODS: Final = ("contains", "startsWith", "endsWith", "matches", "size")
FUNCTIONS: Final = ("size", "int", "double", "string", "has")

_LEVELS: Final = (
    ("||",),
    ("&&",),
    ("==", "!=", "<", "<=", ">", ">=", "in"),
    ("+", "-"),
    ("*", "/", "%"),
)
"""Binary operators, those that bind the least first."""


def parse(text: str) -> Node:
    """Raises FlawError."""
    if len(text.encode()) > LONGEST:
        raise FlawError(f"is longer than {LONGEST} bytes")
    parser = _Parser(tokens(text))
    tree = parser.choice(0)
    parser.end()
    return tree


class _Parser:
    def __init__(self, listed: list[Token]) -> None:
        self._tokens = listed
        self._at = 0
        self._nodes = 0
        self._variables: list[str] = []
        """Of the comprehension that is being read."""

    # the grammar, from what binds the least

    def choice(self, depth: int) -> Node:
        if depth > DEPTH:
            raise FlawError(f"is nested deeper than {DEPTH}")
        condition = self._binary(0, depth + 1)
        if not self._take("?"):
            return condition
        then = self.choice(depth + 1)
        self._expect(":")
        return self._call("?:", (condition, then, self.choice(depth + 1)), "choice")

    def _binary(self, level: int, depth: int) -> Node:
        if level == len(_LEVELS):
            return self._unary(depth)
        left = self._binary(level + 1, depth)
        while self._next.text in _LEVELS[level] and self._next.kind != "text":
            operator = self._advance().text
            left = self._call(operator, (left, self._binary(level + 1, depth)), "operator")
        return left

    def _unary(self, depth: int) -> Node:
        if depth > DEPTH:
            raise FlawError(f"is nested deeper than {DEPTH}")
        if self._next.text in ("!", "-") and self._next.kind == "sign":
            operator = self._advance().text
            return self._call(operator, (self._unary(depth + 1),), "operator")
        return self._member(depth)

    def _member(self, depth: int) -> Node:
        node = self._primary(depth)
        while self._next.kind == "sign" and self._next.text in (".", "["):
            node = self._index(node) if self._take("[") else self._selected(node, depth)
        return node

    def _selected(self, node: Node, depth: int) -> Node:
        self._expect(".")
        word = self._word()
        if not self._take("("):
            return self._step(node, word.text)
        if word.text in MACROS:
            return self._macro(word, node, depth)
        if word.text not in METHODS:
            raise flaw(word, f"there is no {word.text}(): write one of {', '.join(METHODS)}")
        given = self._operands(")", depth)
        if len(given) != (0 if word.text == "size" else 1):
            raise flaw(word, f"{word.text}() is given too much or too little")
        return self._call(word.text, (node, *given), "method")

    def _index(self, node: Node) -> Node:
        token = self._advance()
        if token.kind == "text":
            step: str | int = text_of(token)
        elif token.kind == "number" and token.text.isdigit():
            step = int(token.text)
        else:
            raise flaw(token, "an index is a name in quotes, or a whole number")
        self._expect("]")
        return self._step(node, step)

    def _step(self, node: Node, step: str | int) -> Node:
        if not isinstance(node, Path):
            raise FlawError(f"{step!r} can be selected of {', '.join(ROOTS)} alone")
        return Path(node.root, (*node.steps, step))

    def _macro(self, word: Token, over: Node, depth: int) -> Node:
        if self._variables:
            raise flaw(word, f"{word.text}() may not stand within another")
        name = self._word()
        if name.text in (*ROOTS, *FUNCTIONS, "true", "false", "null", "in"):
            raise flaw(name, f"{name.text} cannot be the name of a variable")
        self._expect(",")
        self._variables.append(name.text)
        body = self.choice(depth + 1)
        self._variables.pop()
        self._expect(")")
        self._count()
        return Macro(word.text, over, name.text, body)

    def _primary(self, depth: int) -> Node:
        token = self._advance()
        if token.kind == "text":
            return self._counted(Literal(text_of(token)))
        if token.kind == "number":
            return self._counted(Literal(number_of(token)))
        if token.kind == "word":
            return self._named(token, depth)
        if token.text == "(":
            inner = self.choice(depth + 1)
            self._expect(")")
            return inner
        if token.text == "[":
            return self._call("[]", self._operands("]", depth), "list")
        raise flaw(token, f"{token.text or 'the end'} was not expected here")

    def _named(self, token: Token, depth: int) -> Node:
        constants = {"true": True, "false": False, "null": None}
        if token.text in constants:
            return self._counted(Literal(constants[token.text]))
        if self._take("("):
            if token.text not in FUNCTIONS:
                raise flaw(token, f"there is no {token.text}(): write {', '.join(FUNCTIONS)}")
            given = self._operands(")", depth)
            if len(given) != 1:
                raise flaw(token, f"{token.text}() is given one thing")
            if token.text == "has" and not _is_field(given[0]):
                raise flaw(token, "has() asks for a field, for example has(args.path)")
            return self._call(token.text, given, "function")
        if token.text not in (*ROOTS, *self._variables):
            raise flaw(token, f"there is no {token.text}: write {', '.join(ROOTS)}")
        return self._counted(Path(token.text))

    def _operands(self, closing: str, depth: int) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._take(closing):
            if found:
                self._expect(",")
            found.append(self.choice(depth + 1))
        return tuple(found)

    # the tokens

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _advance(self) -> Token:
        token = self._next
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _take(self, sign: str) -> bool:
        if self._next.kind == "sign" and self._next.text == sign:
            self._advance()
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise flaw(self._next, f"{sign} is missing")

    def _word(self) -> Token:
        token = self._advance()
        if token.kind != "word":
            raise flaw(token, "a name is missing")
        return token

    def end(self) -> None:
        if self._next.kind != "end":
            raise flaw(self._next, f"{self._next.text} was not expected here")

    def _call(self, name: str, operands: tuple[Node, ...], form: str) -> Node:
        return self._counted(Call(name, operands, form))

    def _counted(self, node: Node) -> Node:
        self._count()
        return node

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > NODES:
            raise FlawError(f"has more than {NODES} parts")


def _is_field(node: Node) -> bool:
    return isinstance(node, Path) and bool(node.steps) and isinstance(node.steps[-1], str)
