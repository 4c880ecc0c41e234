"""What an expression looks at, and what is refused because it could not be bounded."""

import pytest

from ostiary_proxy.condition_shape import complaint, shape_of
from ostiary_proxy.expression_tree import Path


def test_only_what_is_named_is_looked_at_down_to_the_first_index() -> None:
    shape = shape_of("args.a.b == 1 && args.l[0].n == caller.name && args.a.b != tool.name")

    assert shape.paths == (
        Path("args", ("a", "b")),
        Path("args", ("l",)),
        Path("caller", ("name",)),
        Path("tool", ("name",)),
    )
    assert shape.uses[Path("args", ("a", "b"))] == 2
    assert shape.looks_at("args")
    assert not shape_of("caller.name == 'x'").looks_at("args")


def test_a_text_may_be_cut_where_its_beginning_alone_is_asked_for() -> None:
    begun, both = Path("args", ("a",)), Path("args", ("b",))
    shape = shape_of("args.a.startsWith('x') && args.b.startsWith('x') && args.b.size() > 1")

    assert begun in shape.cut
    assert both not in shape.cut
    assert not shape_of("args.a.startsWith(args.b)").cut


def test_a_comprehension_tells_how_much_it_does_for_each_item() -> None:
    (loop,) = shape_of("args.l.all(x, x.a == args.k && x.b != args.k)").loops

    assert loop.over == Path("args", ("l",))
    assert loop.uses == {Path("args", ("k",)): 2}
    assert loop.item_uses == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("args == 1", "select a field of args"),
        ("args[0] == 1", "select a field of args"),
        ("caller.password == 'x'", "caller has no password"),
        ("tool.description == 'x'", "tool has no description"),
        ("'text'", "must be true or false"),
        ("7", "must be true or false"),
        ("args.l.all(x, x + 'a' == 'b')", "+ may not stand within"),
        ("args.l.all(x, x.matches('a'))", "matches() may not stand within"),
        ("args.a.matches(args.b)", "takes a pattern in quotes alone"),
        ("args.a.matches('a' + 'b')", "takes a pattern in quotes alone"),
        ("args.a.matches('(a{1,100}){1,100}')", "a pattern holds no {"),
        ("args.a.matches('(?i)a')", "a pattern holds no (?"),
        ("args.a.matches('[')", "the pattern '[' is no regular expression: unterminated"),
        ("args.a.matches('(a')", "the pattern '(a' is no regular expression: missing )"),
        ("args.a.matches('*')", "the pattern '*' is no regular expression: nothing to repeat"),
        (r"args.a.matches('\\w+')", r"a pattern holds no \w"),
        (r"args.a.matches('\\\\\\pL')", r"a pattern holds no \w"),
        ("args.a.matches('" + "a" * 129 + "')", "at most 128"),
        ("args.a.split(',').all(x, true)", "there is no split()"),
        ("(args.l + args.m).all(x, true)", "go over a field"),
        (" && ".join(f"args.a{n} == 1" for n in range(17)), "more than 16 fields"),
        (" && ".join(["args.l.all(x, x == 1)"] * 5), "more than 4 of all()"),
        ("args.a == " + " + ".join(["'x'"] * 10), "more than 8 of +"),
        (" && ".join(["args.a.matches('x')"] * 5), "more than 4 of matches()"),
        ("args" + ".a" * 9 + " == 1", "at most 8 deep"),
        ("args['" + "x" * 129 + "'] == 1", "at most 8 deep"),
    ],
    ids=lambda it: it[:30],
)
def test_what_cannot_be_bounded_or_meant_is_refused_in_a_sentence(text: str, said: str) -> None:
    assert said in complaint(text)


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "args.flag",
        "args.a.matches('^[a-z]+(?:x|y)*$')",
        r"args.a.matches('^a\\.b\\\\c$')",
        "args.l.exists(x, x in ['a', 'b'])",
        "['a', args.b].exists_one(x, x == args.c)",
    ],
)
def test_what_can_be_is_taken(text: str) -> None:
    assert complaint(text) == ""
