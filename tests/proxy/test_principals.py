"""From a verified token to a principal."""

from typing import Any

import pytest
from tests.proxy import signing
from tests.proxy.signing import entra, keycloak, oidc_issuer, person

from ostiary_proxy.callers import Caller
from ostiary_proxy.config import Issuer
from ostiary_proxy.principals import MOST_GROUPS, caller_of
from ostiary_proxy.tokens import BadToken, Token, Trusted


def caller(body: dict[str, Any], issuer: Issuer, others: tuple[str, ...] = ()) -> Any:
    token = Token(
        trusted=Trusted(issuer, {}),
        subject=body["sub"],
        audiences=frozenset(),
        expires=body["exp"],
        claims=body,
    )
    return caller_of(token, others)


def test_a_person_is_known_by_the_username_and_by_the_issuers_subject() -> None:
    found = caller(person(), oidc_issuer())

    assert isinstance(found, Caller)
    assert (found.principal, found.kind, found.name) == ("user:0f6c", "user", "0f6c")
    assert (found.issuer, found.subject) == (signing.OIDC, "0f6c")
    assert found.groups == ("readers", "writers")
    assert found.claims["scope"] == "mcp"


def test_users_of_an_issuer_that_is_not_primary_bear_its_name() -> None:
    found = caller(person(sub="alice"), oidc_issuer(primary=False))

    assert (found.principal, found.name) == ("user:team:alice", "team:alice")


def test_a_user_of_the_primary_issuer_may_not_bear_another_issuers_name() -> None:
    for name in ("partner:alice", "partner:", "partner"):
        assert isinstance(caller(person(sub=name), oidc_issuer(), ("partner",)), BadToken)

    found = caller(person(sub="partners:alice"), oidc_issuer(), ("partner",))
    assert found.name == "partners:alice"


@pytest.mark.parametrize("verified", [False, None, "true", 1, "yes"], ids=str)
def test_an_email_counts_only_when_the_issuer_has_verified_it(verified: object) -> None:
    body = keycloak() | {"email_verified": verified}
    issuer = oidc_issuer(usernameClaim="email")

    assert isinstance(caller(body, issuer), BadToken)
    assert caller(keycloak(), issuer).name == "alice@example.com"


@pytest.mark.parametrize(
    "name", [None, "", 7, ["a"], "a\nb", "\u202egnp", "a\x1b[31m", "x" * 257, "a\u2028b"], ids=repr
)
def test_a_username_that_is_not_fit_to_be_shown_is_none(name: object) -> None:
    body = keycloak() | {"preferred_username": name}

    assert isinstance(caller(body, oidc_issuer(usernameClaim="preferred_username")), BadToken)


def test_entra_and_keycloak_name_their_users_alike() -> None:
    issuer = oidc_issuer(usernameClaim="preferred_username")

    assert caller(entra(), issuer).principal == "user:alice@example.com"
    assert caller(keycloak(), issuer).principal == "user:alice"


@pytest.mark.parametrize(
    ("value", "groups"),
    [
        ("readers", ("readers",)),
        (["a", 7, "", None, "b"], ("a", "b")),
        ([], ()),
        (None, ()),
        ({"a": 1}, ()),
        (["x" * 257, "a"], ("a",)),
    ],
    ids=str,
)
def test_groups_are_words_and_nothing_else(value: object, groups: tuple[str, ...]) -> None:
    assert caller(person() | {"groups": value}, oidc_issuer()).groups == groups


def test_groups_are_bounded() -> None:
    many = [f"g{number}" for number in range(MOST_GROUPS * 2)]

    assert len(caller(person(groups=many), oidc_issuer()).groups) == MOST_GROUPS


def test_without_a_groups_claim_nobody_is_in_a_group() -> None:
    issuer = oidc_issuer().model_copy(update={"groupsClaim": ""})

    assert caller(person(), issuer).groups == ()


def test_a_persons_subject_that_looks_like_an_account_stays_a_person() -> None:
    """An issuer of people can never speak for a ServiceAccount."""
    found = caller(person(sub="system:serviceaccount:kube-system:admin"), oidc_issuer())

    assert found.kind == "user"
    assert found.principal == "user:system:serviceaccount:kube-system:admin"
