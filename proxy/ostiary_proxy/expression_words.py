"""The words and signs of an expression, each with its place.  Pure.

A flaw is a sentence for the policy's author.
"""

import re
from dataclasses import dataclass
from math import isinf
from typing import Final

_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<number>(?:[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+))
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<text>'(?:[^'\\\x00-\x1f]|\\.)*'|"(?:[^"\\\x00-\x1f]|\\.)*")
    | (?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]])
    )""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(?:([\\'\"nrt])|u([0-9a-fA-F]{4}))")
_MEANS: Final = {"n": "\n", "r": "\r", "t": "\t"}


class FlawError(ValueError):
    """What is wrong with an expression, and where."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    at: int


def tokens(text: str) -> list[Token]:
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None or token.lastgroup is None:
            raise FlawError(f"character {at + 1}: {text[at : at + 8].strip()!r} is not understood")
        found.append(Token(token.lastgroup, token[token.lastgroup], token.start(token.lastgroup)))
        at = token.end()
    return [*found, Token("end", "", end)]


def flaw(token: Token, why: str) -> FlawError:
    return FlawError(f"character {token.at + 1}: {why}")


def number_of(token: Token) -> int | float:
    if not token.text.isdigit():
        if isinf(float(token.text)):
            raise flaw(token, "the number is too large")
        return float(token.text)
    number = int(token.text)
    if number >= 2**63:
        raise flaw(token, "the number is too large")
    return number


def text_of(token: Token) -> str:
    body = token.text[1:-1]
    if "\\" in _ESCAPE.sub("", body):
        raise flaw(token, r"write \\ for a backslash")
    text = _ESCAPE.sub(lambda it: _MEANS.get(it[1], it[1]) if it[1] else chr(int(it[2], 16)), body)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise flaw(token, "half a surrogate pair is no character")
    return text
