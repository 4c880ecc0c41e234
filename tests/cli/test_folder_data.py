"""Text by key, and what is no text."""

import pytest

from ostiary_cli.folder_data import data_of


def test_a_secrets_plain_text_wins_over_what_is_encoded() -> None:
    data, wrong = data_of("Secret", {"data": {"a": "aGk=", "b": "bm8="}, "stringData": {"b": "x"}})

    assert data.values == {"a": "hi", "b": "x"}
    assert not wrong


@pytest.mark.parametrize(
    ("kind", "body", "field", "words"),
    [
        ("ConfigMap", {"data": ["a"]}, "data", "is no mapping"),
        ("ConfigMap", {"data": {"port": 80}}, "data.port", "put it in quotes"),
        ("Secret", {"data": {"key": "not base64"}}, "data.key", "must be base64"),
    ],
)
def test_what_is_no_text_is_named_and_not_repeated(
    kind: str, body: dict[str, object], field: str, words: str
) -> None:
    data, (wrong,) = data_of(kind, body)

    assert wrong.field == field
    assert words in wrong.message
    assert "not base64" not in wrong.message
    assert not data.values
