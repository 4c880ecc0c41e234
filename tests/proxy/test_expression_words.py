"""Words and signs of an expression, and what is said of what is neither."""

import pytest

from ostiary_proxy.expression_words import FlawError, number_of, text_of, tokens


def test_each_word_knows_its_kind_and_its_place() -> None:
    found = [(it.kind, it.text, it.at) for it in tokens(" args.a>= 'x y' && 1.5")]

    assert found == [
        ("word", "args", 1),
        ("sign", ".", 5),
        ("word", "a", 6),
        ("sign", ">=", 7),
        ("text", "'x y'", 10),
        ("sign", "&&", 16),
        ("number", "1.5", 19),
        ("end", "", 22),
    ]


@pytest.mark.parametrize("text", ["a ; b", "a = b", "'open", "a # b", "é", "{}", "`x`", "'\n'"])
def test_what_is_no_word_is_named_with_its_place(text: str) -> None:
    with pytest.raises(FlawError, match=r"^character \d+: "):
        tokens(text)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        (r"'a\'b'", "a'b"),
        (r'"a\"b"', 'a"b'),
        (r"'\\d'", "\\d"),
        (r"'\n\t\r'", "\n\t\r"),
        (r"'\u00e9'", "é"),
        ("'é'", "é"),
    ],
)
def test_escapes_are_few_and_plain(text: str, means: str) -> None:
    assert text_of(tokens(text)[0]) == means


@pytest.mark.parametrize("text", [r"'\d'", r"'\x41'", r"'\ud800'", r"'\u00'"])
def test_any_other_escape_is_a_flaw(text: str) -> None:
    with pytest.raises(FlawError):
        text_of(tokens(text)[0])


@pytest.mark.parametrize(("text", "means"), [("0", 0), ("007", 7), ("1.5", 1.5), ("1.0e3", 1000.0)])
def test_numbers_are_whole_or_not(text: str, means: float) -> None:
    assert number_of(tokens(text)[0]) == means


@pytest.mark.parametrize("text", ["9223372036854775808", "1.0e999", "9" * 1000])
def test_a_number_that_does_not_fit_is_a_flaw(text: str) -> None:
    with pytest.raises(FlawError, match="too large"):
        number_of(tokens(text)[0])
