"""Which tokens are accepted."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.operator.build import token

from ostiary_operator.token_book import SETTLED, write_book

ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
MADE = datetime(2029, 6, 1, tzinfo=UTC)


def stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_of_two_objects_with_one_hash_the_older_keeps_it() -> None:
    older = token("older", creationTimestamp="2029-06-01T00:00:00Z")
    newer = token("newer", creationTimestamp="2029-06-01T00:00:01Z")
    for listed in ([older, newer], [newer, older]):
        book = write_book(listed, vouched=ALWAYS)

        assert book.accepted == (older,)
        assert book.refused["t-newer"].reason == "DuplicateToken"
        assert "tools/older" in book.refused["t-newer"].message


def test_a_refused_object_holds_no_hash() -> None:
    """Or a personal token of somebody else's name could shut out the one that is good."""
    bad = token("bad", user="alice", creationTimestamp="2029-01-01T00:00:00Z")
    good = token("good")

    book = write_book([bad, good], vouched=None)

    assert book.accepted == (good,)
    assert book.refused["t-bad"].reason == "PersonalTokensOff"


@pytest.mark.parametrize(
    ("vouched", "accepted"),
    [
        (None, False),
        (ALWAYS, True),
        (MADE - SETTLED, True),
        (MADE - SETTLED + timedelta(seconds=1), False),
        (MADE, False),
        (MADE + timedelta(days=1), False),
    ],
    ids=str,
)
def test_a_personal_token_counts_only_if_it_was_vouched_for_when_it_was_made(
    vouched: datetime | None, accepted: bool
) -> None:
    mine = token(user="alice", creationTimestamp=stamp(MADE))

    assert bool(write_book([mine], vouched=vouched).accepted) is accepted


@pytest.mark.parametrize("vouched", [None, ALWAYS], ids=str)
def test_an_account_of_its_own_needs_nobody_to_vouch(vouched: datetime | None) -> None:
    accounts = [token(), token("b", sha256="b" * 64, user="")]

    assert write_book(accounts, vouched=vouched).refused == {}


@pytest.mark.parametrize(("days", "accepted"), [(1, True), (365, True), (366, True), (367, False)])
def test_a_token_lives_for_a_year_at_most(days: int, accepted: bool) -> None:
    end = stamp(MADE + timedelta(days=days))
    book = write_book([token(creationTimestamp=stamp(MADE), expires=end)], vouched=ALWAYS)

    assert bool(book.accepted) is accepted
    if not accepted:
        assert "a year" in book.refused["t-ci"].message


def test_a_token_without_a_birthday_is_of_a_folder() -> None:
    """`ostiary up` looks at its end itself."""
    assert write_book([token(creationTimestamp=None)], vouched=ALWAYS).accepted
