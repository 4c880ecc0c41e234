"""The headers between our own proxies: what is made is what is read, and nothing else is."""

import pytest

from ostiary_proxy import between

SECRET = "ab" * 32


def test_keys_are_128_bits_in_lower_case_hex() -> None:
    for key in (between.legacy_key("uid", b"nonce"), between.modern_key(b"who", b"{}", "v")):
        assert between.is_key(key)
        assert len(key) == 2 * between.KEY_BYTES
        assert between.session_header(key) == (b"ostiary-session", key)


def test_each_part_of_a_key_counts_and_none_runs_into_the_next() -> None:
    keys = {
        between.legacy_key("uid", b"nonce"),
        between.legacy_key("uidn", b"once"),
        between.modern_key(b"a", b"{}", "v"),
        between.modern_key(b"a{", b"}", "v"),
        between.modern_key(b"a", b"{}", "w"),
        between.modern_key(b"b", b"{}", "v"),
    }
    assert len(keys) == 6


@pytest.mark.parametrize(
    "value", [b"", b"A" * 32, b"a" * 31, b"a" * 33, b"a" * 32 + b"\n", b"g" * 32, b" " + b"a" * 31]
)
def test_what_is_no_key(value: bytes) -> None:
    assert not between.is_key(value)


def test_the_secret_names_the_group() -> None:
    headers = dict(between.internal_headers("a-uid.with.dots", SECRET))
    assert between.internal_group(headers, SECRET) == "a-uid.with.dots"
    assert not between.asks_for_lists(headers)


@pytest.mark.parametrize(
    "value", [None, b"", b".", b"uid", b"uid.", b"uid." + b"ac" * 32, b"ab" * 32 + b"."]
)
def test_without_the_secret_there_is_no_group(value: bytes | None) -> None:
    headers = {} if value is None else {between.INTERNAL_HEADER: value}
    assert between.internal_group(headers, SECRET) == ""


def test_an_empty_secret_opens_nothing() -> None:
    headers = dict(between.internal_headers("uid", ""))
    assert between.internal_group(headers, "") == ""


def test_the_lists_are_asked_for_without_anybodys_token() -> None:
    headers = dict(between.internal_headers("uid", SECRET, catalogue=True))
    assert between.asks_for_lists(headers)
    assert not between.asks_for_lists({**headers, b"authorization": b"Bearer x"})


def test_secrets_differ() -> None:
    assert between.new_secret() != between.new_secret()
    assert len(between.new_secret()) == 64
