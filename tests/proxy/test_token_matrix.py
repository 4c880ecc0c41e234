"""Issuer x audience x type x algorithm: exactly one cell of each row lets somebody in (security
row 2).  Tokens as Entra, Keycloak, RFC 9068 and the API server make them, against a proxy that
trusts all four issuers."""

import itertools
import time
from collections.abc import Callable
from typing import Any, Final

import pytest
from tests.proxy import signing
from tests.proxy.signing import (
    APPLICATION,
    AUDIENCE,
    bearer,
    claims,
    entra,
    key_for,
    keycloak,
    oidc_issuer,
    person,
    sign,
)

from ostiary_proxy.auth import Refusal, Verifier
from ostiary_proxy.callers import Caller

HERE: Final = frozenset({AUDIENCE})
SIBLING: Final = "http://sibling.tools.svc/mcp"
BODIES: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    signing.ISSUER: claims,
    signing.OIDC: person,
    signing.ENTRA: entra,
    signing.KEYCLOAK: keycloak,
}
AUDIENCES: Final[dict[str, object]] = {
    "here": AUDIENCE,
    "here among others": ["account", AUDIENCE],
    "an application's": APPLICATION,
    "a sibling's": SIBLING,
    "with a slash": AUDIENCE + "/",
    "in capitals": AUDIENCE.upper(),
    "none": None,
    "empty": [],
}
TYPES: Final = ("at+jwt", "JWT", None, "id+jwt", "logout+jwt")
ALGORITHMS: Final = ("RS256", "PS256", "ES256", "ES384", "Ed25519")


def verifier() -> Verifier:
    keys = tuple(
        {**key_for(name).as_dict(private=False), "kid": name, "alg": name} for name in ALGORITHMS
    )
    trusted = (
        signing.issuer(),
        oidc_issuer(),
        oidc_issuer(issuer=signing.ENTRA, name="entra", primary=False, audiences=(APPLICATION,)),
        oidc_issuer(issuer=signing.KEYCLOAK, name="keycloak", primary=False),
    )
    return Verifier([it.model_copy(update={"keys": keys}) for it in trusted], timer=lambda: 0.0)


def is_good(issuer: str, audience: str, typ: str | None) -> bool:
    places = {"here", "here among others"}
    if issuer == signing.ENTRA:
        places = places | {"an application's"}
    types: set[str | None] = {"JWT", None}
    if issuer != signing.ISSUER:
        types = types | {"at+jwt"}
    return audience in places and typ in types


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("issuer", BODIES, ids=["cluster", "rfc9068", "entra", "keycloak"])
def test_every_cell_of_the_matrix(issuer: str, algorithm: str) -> None:
    verify = verifier().verify
    for (name, audience), typ in itertools.product(AUDIENCES.items(), TYPES):
        body = BODIES[issuer](aud=audience)
        token = sign(body, algorithm=algorithm, kid=algorithm, typ=typ)

        found = verify(bearer(token), HERE, False)

        assert isinstance(found, Caller) == is_good(issuer, name, typ), (name, typ, found)


def test_no_issuer_speaks_for_another_even_with_the_same_keys() -> None:
    """Who says `iss: cluster` must bear the cluster's claims, and a person's token has none."""
    verify = verifier().verify

    crossed = verify(bearer(sign(person(iss=signing.ISSUER), kid="ES256")), HERE, False)
    dressed = verify(bearer(sign(claims(iss=signing.OIDC), kid="ES256")), HERE, False)

    assert isinstance(crossed, Refusal)
    assert isinstance(dressed, Refusal)


def test_an_applications_audience_is_good_at_each_endpoint_of_its_issuer_alone() -> None:
    verify = verifier().verify
    token = bearer(sign(entra(), kid="ES256"))
    other = bearer(sign(keycloak(aud=APPLICATION), kid="ES256"))

    for audiences in (HERE, frozenset({SIBLING})):
        assert isinstance(verify(token, audiences, False), Caller)
        assert isinstance(verify(other, audiences, False), Refusal)


def test_a_persons_token_may_live_longer_than_a_day_and_no_longer_than_it_says() -> None:
    body = person(exp=int(time.time()) + 72 * 3600)

    found = verifier().verify(bearer(sign(body, kid="ES256")), HERE, False)

    assert isinstance(found, Caller)
    assert found.expires == body["exp"]


def test_the_operators_status_is_never_opened_by_a_person() -> None:
    body = person(sub=signing.OPERATOR, aud="ostiary.dev/status")
    status = frozenset({"ostiary.dev/status"})

    found = verifier().verify(bearer(sign(body, kid="ES256")), status, False, kind="kubernetes")

    assert isinstance(found, Refusal)
