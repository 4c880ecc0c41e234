"""Keys of one issuer: what is kept of them, and when they go."""

from typing import Any

import pytest

from ostiary_operator.token_keys import DROP_AFTER_SECONDS, MOST_KEYS, TokenKeys


def key(kid: Any = "a", **more: Any) -> dict[str, Any]:
    return {"kid": kid, "kty": "RSA", "n": "x", "e": "AQAB", **more}


def kids(keys: TokenKeys) -> list[str]:
    return [it["kid"] for it in keys.all]


def test_nothing_but_what_checks_a_signature_is_kept() -> None:
    keys = TokenKeys()
    private = dict.fromkeys(("d", "p", "q", "dp", "dq", "qi", "oth", "k", "x5c", "x5u"), "secret")

    keys.take([key(**private)], 0)

    assert keys.all == (key(),)


@pytest.mark.parametrize(
    "raw",
    [key(""), key(None), key(7), {"kty": "RSA"}, "key", None, key(use="enc"), key(n="x" * 5000)],
    ids=repr,
)
def test_what_is_no_signing_key_is_left_out(raw: object) -> None:
    keys = TokenKeys()

    keys.take([raw], 0)

    assert keys.all == ()


def test_of_too_many_keys_the_first_are_kept_and_of_twins_the_first() -> None:
    keys = TokenKeys()

    keys.take([key("a"), key("a", n="y"), *(key(f"k{n}") for n in range(MOST_KEYS * 2))], 0)

    assert len(keys.all) == MOST_KEYS
    assert keys.all[0] == key("a")


def test_a_key_goes_after_ten_minutes_of_good_fetches_without_it() -> None:
    keys = TokenKeys()
    keys.take([key("a"), key("b")], 0)

    keys.take([key("b")], 1000)
    assert kids(keys) == ["a", "b"]
    keys.take([key("b")], 1000 + DROP_AFTER_SECONDS)

    assert kids(keys) == ["b"]
    assert keys.lack(["a"])
    assert not keys.lack(["b"])


def test_what_is_remembered_never_stands_over_what_was_fetched() -> None:
    keys = TokenKeys()
    keys.take([key("a")], 0)

    keys.remember([key("a", n="old"), key("b")])

    assert keys.all == (key("a"), key("b"))
