"""Manifests as plain data, with lines."""

import pytest

from ostiary_cli.documents import Document, Unreadable, parse_path, read_documents


def documents(text: str, file: str = "a.yaml") -> list[Document]:
    found = read_documents(file, text)
    assert isinstance(found, list), found
    return found


def test_every_field_knows_its_line() -> None:
    first, second = documents(
        "a: 1\n---\n# nothing\n---\nspec:\n  env:\n  - name: X\n    value: y\n"
    )

    assert first.body == {"a": 1}
    assert second.number == 3
    assert second.line(("spec", "env", 0, "value")) == 8
    assert second.line(("spec", "env", 0, "missing")) == 7


def test_json_with_tabs_is_read_as_well() -> None:
    (only,) = documents('{\n\t"a": {"b": [true, null]}\n}', "a.json")

    assert only.body == {"a": {"b": [True, None]}}
    assert only.line(("a", "b")) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-24", "2026-11-24"),
        ("12:30", "12:30"),
        ("0644", 420),
        ("1_000", 1000),
        ("yes", True),
        ("1.5", 1.5),
        ("~", None),
        ("'5'", "5"),
    ],
)
def test_plain_scalars_are_what_kubectl_makes_of_them(text: str, value: object) -> None:
    (only,) = documents(f"a: {text}\n")

    assert only.body == {"a": value}


def test_anchors_and_merged_keys_are_written_out() -> None:
    (only,) = documents("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n")

    assert only.body["y"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: [1\n", 3, "not YAML"),
        ("a:\n\tb: 1\n", 2, "a tab stands where YAML wants spaces"),
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is there twice; the first is on line 1"),
        ("a: &a [*a]\n", 1, "an alias stands inside what it names"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "the tag"),
        ("a: !secret x\n", 1, "the tag !secret means nothing"),
        ("? [a, b]\n: 1\n", 1, "a key is a word"),
        ("a: \x00\n", 1, "not YAML"),
        ("a: " + "[" * 5000, 1, "not YAML"),
        ("a: 0b\nb: 0x\nc: !!int word\n", 3, "not YAML"),
    ],
    ids=["unclosed", "tab", "twice", "loop", "python", "tag", "key", "zero", "deep", "int"],
)
def test_what_cannot_be_read_is_said_with_its_line(text: str, line: int, words: str) -> None:
    found = read_documents("a.yaml", text)

    assert isinstance(found, Unreadable)
    assert words in found.message
    assert found.line == line


def test_a_path_is_split_into_steps() -> None:
    assert parse_path("spec.env[0].name") == ("spec", "env", 0, "name")
    assert parse_path("") == ()
