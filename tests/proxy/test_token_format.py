"""The form of an access token, and its checksum."""

import random
import secrets
from zlib import crc32

import pytest

from ostiary_proxy.token_format import LENGTH, digest_of, is_ours, is_whole, mint


def test_what_is_minted_is_whole_and_never_the_same() -> None:
    minted = {mint(secrets.choice) for _ in range(200)}

    assert len(minted) == 200
    assert all(is_ours(it.encode()) and is_whole(it.encode()) for it in minted)
    assert {len(it) for it in minted} == {LENGTH}


def test_a_token_has_the_form_that_scanners_look_for() -> None:
    prefix, ident, rest = mint(random.Random(1).choice).split("_")

    assert (prefix, len(ident), len(rest)) == ("ost", 8, 38)
    assert ident.islower() or ident.isalnum()


def test_any_slip_of_the_pen_is_seen() -> None:
    """No one character changed, two swapped, or one lost: whatever else was to be looked up."""
    token = mint(random.Random(2).choice)
    changed = {
        token[:at] + other + token[at + 1 :]
        for at in range(len(token))
        for other in "aZ0_"
        if token[at] != other
    }
    swapped = {
        token[:at] + token[at + 1] + token[at] + token[at + 2 :]
        for at in range(len(token) - 1)
        if token[at] != token[at + 1]
    }
    cut = {token[:at] + token[at + 1 :] for at in range(len(token))}

    assert not [it for it in changed | swapped | cut if is_whole(it.encode())]


@pytest.mark.parametrize(
    "token",
    [b"", b"ost_", b"ost_\xff", b"x" * LENGTH, b"OST_" + b"a" * 47, b"ost_" + b"_" * 47, b"\x00"],
    ids=repr,
)
def test_what_is_no_token_is_not_whole(token: bytes) -> None:
    assert not is_whole(token)


def test_the_checksum_is_the_crc_of_all_before_it_in_base_62() -> None:
    token = mint(random.Random(3).choice)
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    value = 0
    for digit in token[-6:]:
        value = value * 62 + digits.index(digit)

    assert value == crc32(token[:-6].encode())


def test_the_digest_is_that_of_the_whole_token() -> None:
    assert digest_of(b"abc").hex().startswith("ba7816bf")
