"""The status of an access token."""

from datetime import UTC, datetime
from typing import Any

from tests.operator.build import token

from ostiary_operator.status import Enforcement, token_status
from ostiary_operator.token_book import Refusal

NOW = datetime(2029, 12, 1, tzinfo=UTC)


def said(
    *enforced: Enforcement, refusal: Refusal | None = None, now: datetime = NOW, **given: Any
) -> dict[str, Any]:
    return token_status(
        token(**given),
        refusal=refusal,
        opens=len(enforced),
        enforced=enforced,
        previous={},
        now=now,
    )


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {it["type"]: (it["status"], it["reason"]) for it in status["conditions"]}


def test_a_token_that_all_pods_take_is_ready() -> None:
    status = said(Enforcement(2, 2, 5), Enforcement(1, 1, 3))

    assert (status["opens"], status["enforced"], status["observedGeneration"]) == (2, "3/3", 1)
    assert conditions(status) == {
        "Ready": ("True", "Ready"),
        "Accepted": ("True", "Accepted"),
        "Programmed": ("True", "Programmed"),
    }


def test_until_all_pods_take_it_it_is_on_its_way() -> None:
    found = conditions(said(Enforcement(1, 2, 5)))

    assert found["Ready"] == ("False", "Progressing")
    assert found["Programmed"] == ("False", "PartiallyProgrammed")


def test_a_token_that_opens_nothing_is_told_what_to_write() -> None:
    for given, words in (({}, "tokens"), ({"user": "alice"}, 'users: {names: ["alice"]}')):
        status = said(**given)

        assert conditions(status)["Ready"] == ("True", "PolicyMissing")
        assert words in status["conditions"][0]["message"]


def test_a_refused_token_says_why_and_is_stalled() -> None:
    status = said(refusal=Refusal("DuplicateToken", "the older one has it"))

    found = conditions(status)
    assert found["Accepted"] == ("False", "DuplicateToken")
    assert found["Ready"] == ("False", "Invalid")
    assert found["Stalled"] == ("True", "InvalidSpec")


def test_a_token_that_has_ended_says_since_when() -> None:
    status = said(Enforcement(1, 1, 1), now=datetime(2030, 1, 1, tzinfo=UTC))

    assert conditions(status)["Ready"] == ("False", "Expired")
    assert "2030-01-01T00:00:00Z" in status["conditions"][0]["message"]


def test_the_hash_is_said_nowhere() -> None:
    assert "a" * 64 not in str(said(Enforcement(1, 1, 1)))
