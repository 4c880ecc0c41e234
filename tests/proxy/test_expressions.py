"""Reading expressions: what is understood, and the sentence about what is not."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy.expression_tree import Call, Path
from ostiary_proxy.expression_words import FlawError
from ostiary_proxy.expressions import parse


def test_dots_and_brackets_select_the_same() -> None:
    assert parse("args.a.b") == parse("args['a'][\"b\"]") == Path("args", ("a", "b"))
    assert parse("args.l[0].n") == Path("args", ("l", 0, "n"))


def test_a_method_has_its_object_first() -> None:
    assert parse("args.a.size()") == Call("size", (Path("args", ("a",)),), "method")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the end was not expected"),
        ("args.", "a name is missing"),
        ("foo.bar", "there is no foo: write args, caller, tool"),
        ("args.a.foo()", "there is no foo(): write one of contains"),
        ("type(args.a)", "there is no type()"),
        ("timestamp('x')", "there is no timestamp()"),
        ("args.a.map(x, x)", "there is no map()"),
        ("args.a.contains()", "too much or too little"),
        ("size(args.a, 1)", "is given one thing"),
        ("has(args)", "for example has(args.path)"),
        ("has(args.l[0])", "for example has(args.path)"),
        ("args.l.all(x, args.m.all(y, true))", "may not stand within another"),
        ("args.l.all(args, true)", "cannot be the name of a variable"),
        ("args.l.all(x true)", ", is missing"),
        ("args[args.a]", "an index is"),
        ("args.a == 1 args", "was not expected here"),
        ("(args.a == 1", ") is missing"),
        ("x", "there is no x"),
        ("args.l.all(x, true) && x", "there is no x"),
        ("'a'.b == 1", "can be selected of"),
        ("true ? 1", ": is missing"),
        ("1 +" + " 1 +" * 150, "has more than 200 parts"),
        ("(" * 60 + "1" + ")" * 60, "nested deeper"),
        ("!" * 60 + "true", "nested deeper"),
        ("args.a == '" + "x" * 1024 + "'", "longer than 1024 bytes"),
    ],
    ids=lambda it: it[:30],
)
def test_a_flaw_is_said_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(FlawError) as caught:
        parse(text)

    assert said in str(caught.value)


@given(st.text(alphabet="args.cl()[]'\"!&|=<>+-*/%?:, 01\\u\n", max_size=60))
def test_any_text_is_read_or_is_a_flaw(text: str) -> None:
    with suppress(FlawError):
        parse(text)
