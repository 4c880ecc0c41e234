"""Sealed strings: what opens them, for how long, and that nothing else does (security.md row 7)."""

import hashlib
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy.config import SessionKey
from ostiary_proxy.seal import DERIVED_KEPT, NoKeyError, Sealer, held_keys

DAY = 86400
NOW = 20_000 * DAY + 3600
OLD, NEW = b"o" * 32, b"n" * 32


def sealer(
    masters: dict[int, bytes] | None = None, *, now: float = NOW, nonce: bytes = b"p" * 16
) -> Sealer:
    return Sealer({0: OLD} if masters is None else masters, now=lambda: now, process_nonce=nonce)


@given(st.binary(max_size=600), st.binary(max_size=64))
def test_what_was_sealed_opens_in_any_process_that_holds_the_master(
    payload: bytes, aad: bytes
) -> None:
    token = sealer().seal(b"session", aad, payload)

    assert set(token) <= set(string.ascii_letters + string.digits + "-_")
    assert sealer(nonce=b"q" * 16).unseal(b"session", aad, token) == payload


def test_two_seals_of_the_same_differ() -> None:
    one = sealer()

    assert one.seal(b"s", b"", b"x") != one.seal(b"s", b"", b"x")


def test_another_purpose_audience_or_master_opens_nothing() -> None:
    token = sealer().seal(b"session", b"tools/time", b"x")

    assert sealer().unseal(b"cursor", b"tools/time", token) is None
    assert sealer().unseal(b"session", b"tools/other", token) is None
    assert sealer({0: NEW}).unseal(b"session", b"tools/time", token) is None
    assert sealer({1: OLD}).unseal(b"session", b"tools/time", token) is None
    assert sealer({}).unseal(b"session", b"tools/time", token) is None


def test_every_changed_character_closes_it() -> None:
    token = sealer().seal(b"s", b"", b"payload")

    for place, character in enumerate(token):
        other = "A" if character != "A" else "B"
        assert sealer().unseal(b"s", b"", token[:place] + other + token[place + 1 :]) is None


@pytest.mark.parametrize(
    "bend",
    [
        lambda token: "",
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token[:4] + "!" + token[4:],
        lambda token: "é" + token,
        lambda token: token * 50,
        lambda token: "A" * 40,
    ],
)
def test_one_sealed_string_has_one_spelling(bend: object) -> None:
    token = sealer().seal(b"s", b"", b"payload")

    assert callable(bend)
    assert sealer().unseal(b"s", b"", bend(token)) is None


@pytest.mark.parametrize(
    ("days", "opens"), [(-2, False), (-1, True), (0, True), (1, True), (7, True), (8, False)]
)
def test_a_seal_lives_for_a_week_across_midnights(days: int, opens: bool) -> None:
    token = sealer().seal(b"s", b"", b"x")

    assert (sealer(now=NOW + days * DAY).unseal(b"s", b"", token) == b"x") is opens


def test_the_first_master_seals_and_each_opens() -> None:
    before = sealer({0: OLD}).seal(b"s", b"", b"x")
    rotated = sealer({1: NEW, 0: OLD})

    assert rotated.unseal(b"s", b"", before) == b"x"
    after = rotated.seal(b"s", b"", b"y")
    assert sealer({1: NEW}).unseal(b"s", b"", after) == b"y"
    assert rotated.numbers == (1, 0)


def test_a_token_of_a_master_that_has_not_arrived_is_known_as_such() -> None:
    early = sealer({0: OLD})
    late = Sealer({0: OLD}, now=lambda: NOW, process_nonce=b"p" * 16, awaited=(1, 0))
    token = sealer({1: NEW}).seal(b"s", b"", b"x")

    assert late.awaits(token)
    assert not late.awaits(early.seal(b"s", b"", b"x"))
    assert not late.awaits("backend-1")
    assert not late.complete
    assert not early.awaits(token)
    assert early.complete


def test_without_a_master_nothing_is_sealed() -> None:
    with pytest.raises(NoKeyError):
        sealer({}).seal(b"s", b"", b"x")


def test_a_forger_cannot_push_out_the_keys_in_use() -> None:
    one = sealer()
    for number in range(DERIVED_KEPT * 2):
        forged = sealer({0: NEW}, nonce=number.to_bytes(16, "big")).seal(b"s", b"", b"x")
        assert one.unseal(b"s", b"", forged) is None
        other = sealer(nonce=number.to_bytes(16, "big")).seal(b"s", b"", b"x")
        assert one.unseal(b"s", b"", other) == b"x"

    assert len(one._derived) == DERIVED_KEPT


def test_only_a_file_of_32_bytes_with_the_right_hash_is_a_master(tmp_path: Path) -> None:
    def key(number: int, content: bytes) -> SessionKey:
        return SessionKey(number=number, sha256=hashlib.sha256(content).hexdigest())

    (tmp_path / "0").write_bytes(OLD)
    (tmp_path / "1").write_bytes(NEW + b"\n")
    (tmp_path / "2").write_bytes(b"x" * 32)

    held = held_keys([key(3, NEW), key(2, NEW), key(1, NEW + b"\n"), key(0, OLD)], tmp_path)

    assert held == {0: OLD}
