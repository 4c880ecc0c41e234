"""The tree as CEL again."""

import pytest

from ostiary_proxy.cel_library import library
from ostiary_proxy.condition_shape import complaint
from ostiary_proxy.expression_tree import Call, Literal, Macro, Path, depth, walk, write
from ostiary_proxy.expressions import parse


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1 + 2 * 3 == 7 && true", "(((1 + (2 * 3)) == 7) && true)"),
        ("1 - 2 - 3 < 0", "((1 - 2 - 3) < 0)"),
        ("1 - (2 - 3) < 0", "((1 - (2 - 3)) < 0)"),
        ("1 - 2 + 3 < 0", "(((1 - 2) + 3) < 0)"),
        ("true || false && false", "(true || (false && false))"),
        ("!true == false", "((!true) == false)"),
        ("true ? false : true ? false : true", "(true ? false : (true ? false : true))"),
        ("'a' in args.l", '("a" in args["l"])'),
        ("has(args.a.b)", '("b" in args["a"])'),
        ("args.l.all(x, x == 1)", 'args["l"].all(x, (x == 1))'),
        (r"args.a == '\"\\ \u000a'", '(args["a"] == "\\"\\\\ \\u000a")'),
    ],
)
def test_every_bracket_is_in_place(text: str, written: str) -> None:
    assert write(parse(text)) == written


@pytest.mark.parametrize("sign", ["||", "&&", "+", "=="])
def test_the_longest_chain_still_compiles(sign: str) -> None:
    text = f" {sign} ".join(["true"] * 100)

    library().compile(write(parse(text)))


@pytest.mark.parametrize("text", ["1 == 2 != ", "1 - 2 + "])
def test_how_deep_it_nests_is_known_and_what_nests_too_deep_is_refused(text: str) -> None:
    assert depth(parse("true && false && true")) == 2
    assert depth(parse(text * 10 + "1")) > 15
    assert "nested deeper" in complaint("true == (" + text * 24 + "1)")


def test_what_nests_the_deepest_still_compiles() -> None:
    library().compile(write(parse("(" * 10 + "true" + ")" * 10)))
    library().compile(write(parse("!" * 30 + "true")))


def test_walking_comes_to_every_part() -> None:
    tree = Macro("all", Path("args", ("l",)), "x", Call("!", (Literal(True),), "operator"))

    assert [type(node).__name__ for node in walk(tree)] == ["Macro", "Path", "Call", "Literal"]
