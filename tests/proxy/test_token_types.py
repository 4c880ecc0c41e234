"""Which JWTs are access tokens: security rows 2 and 3, and `typ` of RFC 9068."""

from typing import Any

import pytest
from tests.proxy.signing import entra, keycloak, person

from ostiary_proxy.token_types import bad_header, misused

KID = {"alg": "ES256", "kid": "k1"}


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt"])
def test_an_issuer_of_peoples_tokens_may_say_either_type(typ: str) -> None:
    assert bad_header({**KID, "typ": typ}, "oidc") == ""


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "logout+jwt", "dpop+jwt", ""])
def test_the_cluster_says_jwt_or_nothing(typ: str) -> None:
    assert bad_header({**KID, "typ": typ}, "kubernetes")


@pytest.mark.parametrize(
    "typ", ["id+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "refresh+jwt", "", 7, None]
)
def test_no_other_type_is_ever_taken(typ: object) -> None:
    assert bad_header({**KID, "typ": typ}, "oidc")


def test_a_thumbprint_is_overlooked_of_people_and_refused_of_the_cluster() -> None:
    header = {**KID, "typ": "JWT", "x5t": "aPctw_odvROoENg3VoOlIh2tiEs"}

    assert bad_header(header, "oidc") == ""
    assert bad_header(header, "kubernetes")


@pytest.mark.parametrize("field", ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "cty", "enc"])
def test_a_header_that_brings_more_is_refused_of_everybody(field: str) -> None:
    for kind in ("oidc", "kubernetes", "local"):
        assert bad_header({**KID, field: "x"}, kind)


@pytest.mark.parametrize(
    ("typ", "claims"),
    [
        ("at+jwt", person()),
        ("at+jwt", person(client_id=None, scope=None)),
        ("at+jwt", person(nonce="n")),
        ("JWT", person()),
        ("JWT", entra()),
        ("JWT", entra(scp=None, azp=None, appid="04b07795")),
        ("JWT", keycloak()),
        (None, person()),
        ("JWT", person(token_use="access", client_id=None, scope=None)),
    ],
)
def test_access_tokens_are_known_by_their_type_or_by_what_they_bear(
    typ: str | None, claims: dict[str, Any]
) -> None:
    header = KID if typ is None else {**KID, "typ": typ}

    assert misused(header, claims) == ""


OTHERS: dict[str, dict[str, Any]] = {
    "an ID token": person(nonce="n-0S6_WzA2Mj"),
    "an ID token of the code flow": person(at_hash="MTIzNDU2Nzg5MDEyMzQ1Ng"),
    "an ID token of the hybrid flow": person(c_hash="LDktKdoQak3Pk0cnXxCltA"),
    "Keycloak's ID token": keycloak() | {"typ": "ID"},
    "Keycloak's refresh token": keycloak() | {"typ": "Refresh"},
    "Keycloak's offline token": keycloak() | {"typ": "Offline"},
    "a type in the claims that is no word": keycloak() | {"typ": ["Bearer"]},
    "Cognito's ID token": person(token_use="id"),
    "a bare ID token": person(client_id=None, scope=None),
}


@pytest.mark.parametrize("claims", OTHERS.values(), ids=OTHERS.keys())
def test_a_jwt_of_another_kind_is_no_access_token(claims: dict[str, Any]) -> None:
    assert misused({**KID, "typ": "JWT"}, claims)


@pytest.mark.parametrize("typ", ["JWT", "at+jwt"])
def test_a_logout_token_is_none_whatever_its_type(typ: str) -> None:
    logout = person(events={"http://schemas.openid.net/event/backchannel-logout": {}})

    assert misused({**KID, "typ": typ}, logout)
