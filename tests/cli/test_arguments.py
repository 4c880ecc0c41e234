"""`key=value` words become what the tool's schema wants."""

import pytest

from ostiary_cli.arguments import Unusable, read_arguments

SCHEMA = {
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "share": {"type": "number"},
        "flag": {"type": "boolean"},
        "list": {"type": "array"},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "either": {"type": ["string", "integer"]},
        "unit": {"$ref": "#/$defs/Unit"},
        "loop": {"$ref": "#/$defs/Loop"},
        "anything": {},
    },
    "$defs": {"Unit": {"enum": ["m", "ft"]}, "Loop": {"$ref": "#/$defs/Loop"}},
}


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("text=5", "5"),
        ("text=a=b", "a=b"),
        ("text=", ""),
        ("count=5", 5),
        ("share=0.5", 0.5),
        ("flag=true", True),
        ("list=[1, 2]", [1, 2]),
        ("maybe=null", None),
        ("maybe=7", 7),
        ("either=7", 7),
        ("either=x", "x"),
        ("unit=m", "m"),
        ("loop=x", "x"),
        ("anything=5", "5"),
        ("unknown=5", "5"),
    ],
)
def test_a_word_is_typed_by_the_schema(pair: str, value: object) -> None:
    found = read_arguments([pair], None, SCHEMA)

    assert found == {pair.partition("=")[0]: value}


@pytest.mark.parametrize(
    ("pairs", "given", "words"),
    [
        (["count=five"], None, "count=five: this wants integer"),
        (["flag=yes"], None, "this wants boolean"),
        (["list=1,2"], None, "this wants JSON"),
        (["word"], None, "write key=value"),
        (["=x"], None, "write key=value"),
        ([], "{", "--json is not JSON"),
        ([], "[1]", "--json must be an object"),
    ],
)
def test_what_cannot_be_an_argument_is_a_sentence(
    pairs: list[str], given: str | None, words: str
) -> None:
    found = read_arguments(pairs, given, SCHEMA)

    assert isinstance(found, Unusable)
    assert words in found.message


def test_pairs_stand_over_the_object() -> None:
    assert read_arguments(["count=2"], '{"count": 1, "text": "x"}', SCHEMA) == {
        "count": 2,
        "text": "x",
    }
