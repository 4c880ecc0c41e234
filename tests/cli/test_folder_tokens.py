"""Access tokens of a folder."""

from datetime import UTC, datetime

from tests.operator.build import token

from ostiary_cli.folder_tokens import good_tokens

NOW = datetime(2029, 6, 1, tzinfo=UTC)


def test_a_personal_token_needs_nobody_to_vouch_for_it() -> None:
    mine = token(user="alice", creationTimestamp=None)

    assert good_tokens([mine], NOW) == ((mine,), [])


def test_what_is_over_or_too_far_ahead_opens_nothing() -> None:
    over = token("over", expires="2029-06-01T00:00:00Z")
    far = token("far", expires="2031-01-01T00:00:00Z", sha256="b" * 64)

    good, said = good_tokens([over, far], NOW)

    assert good == ()
    assert "tools/over opens nothing: it ended" in said[0]
    assert "tools/far opens nothing: spec.expirationTime is more than a year" in said[1]


def test_of_twins_one_is_good_and_the_other_is_told_of() -> None:
    first = token("a", creationTimestamp=None)
    second = token("b", creationTimestamp=None)

    good, said = good_tokens([second, first], NOW)

    assert good == (first,)
    assert said == ["MCPAccessToken tools/b opens nothing: tools/a has the same hash."]
