"""Tokens: what is taken, and one vector per known way to fool a JWT library (security.md row 3)."""

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from joserfc import jwe, jwk
from tests.proxy import signing
from tests.proxy.signing import AUDIENCE, claims, encode, issuer, key, sign

from ostiary_proxy.config import Issuer
from ostiary_proxy.tokens import BadToken, Token, load_key, read, trust


def check(
    token: str | bytes, *issuers: Issuer, now: float | None = None, audience: str = AUDIENCE
) -> Token | BadToken:
    raw = token.encode() if isinstance(token, str) else token
    when = time.time() if now is None else now
    return read(raw, trust(issuers or (issuer(),)), frozenset({audience}), when)


@pytest.mark.parametrize("algorithm", signing.ALGORITHMS)
def test_each_asymmetric_algorithm_is_taken(algorithm: str) -> None:
    token = check(sign(algorithm=algorithm), issuer(signing.key_for(algorithm)))

    assert isinstance(token, Token)
    assert token.subject == "system:serviceaccount:agents:planner"
    assert token.audiences == {AUDIENCE}


@pytest.mark.parametrize("typ", [None, "JWT", "jwt"])
def test_the_api_servers_tokens_bear_no_type_or_this_one(typ: str | None) -> None:
    assert isinstance(check(sign(typ=typ)), Token)


def mac(secret: bytes, algorithm: str = "HS256") -> str:
    head = f"{encode({'alg': algorithm, 'kid': 'k1'})}.{encode(claims())}"
    return f"{head}.{encode(hmac.new(secret, head.encode(), hashlib.sha256).digest())}"


def unsigned(**header: Any) -> str:
    return f"{encode({'kid': 'k1', **header})}.{encode(claims())}.{encode(b'x')}"


def swapped_payload() -> str:
    head, _, tail = sign().split(".")
    other = claims("system:serviceaccount:kube-system:admin")
    return f"{head}.{encode(other)}.{tail}"


def encrypted() -> str:
    rsa = key("2048")
    return jwe.encrypt_compact(
        {"alg": "RSA-OAEP", "enc": "A256GCM", "kid": "k1", "cty": "JWT"}, sign(), rsa
    )


def own_key(field: str) -> str:
    """Signed by a key that the token itself brings along."""
    other = key("P-256", "evil")
    value = {
        "jwk": other.as_dict(private=False),
        "jku": "https://evil.example/keys",
        "x5u": "https://evil.example/cert",
        "x5c": [encode(b"cert")],
    }[field]
    return sign(with_key=other, kid="k1", **{field: value})


HOSTILE: dict[str, Callable[[], str | bytes]] = {
    "no-algorithm": lambda: unsigned(alg="none"),
    "no-algorithm-in-capitals": lambda: unsigned(alg="NONE"),
    "no-algorithm-and-no-signature": lambda: unsigned(alg="none").rpartition(".")[0] + ".",
    "algorithm-missing": lambda: unsigned(),
    "algorithm-not-a-string": lambda: unsigned(alg=["ES256"]),
    "hmac-with-the-public-key-as-pem": lambda: mac(key().as_pem(private=False)),
    "hmac-with-the-public-key-as-json": lambda: mac(orjson.dumps(key().as_dict(private=False))),
    "hmac-with-an-empty-key": lambda: mac(b""),
    "deprecated-eddsa-name": lambda: unsigned(alg="EdDSA"),
    "secp256k1": lambda: unsigned(alg="ES256K"),
    "another-curves-algorithm": lambda: unsigned(alg="ES384"),
    "an-rsa-algorithm-on-a-curve": lambda: unsigned(alg="RS256"),
    "unknown-critical-header": lambda: sign(crit=["exp"], exp=1),
    "critical-b64": lambda: sign(crit=["b64"], b64=False),
    "empty-critical-header": lambda: sign(crit=[]),
    "brings-its-key": lambda: own_key("jwk"),
    "names-a-key-url": lambda: own_key("jku"),
    "names-a-certificate-url": lambda: own_key("x5u"),
    "brings-a-certificate": lambda: own_key("x5c"),
    "compressed": lambda: sign(zip="DEF"),
    "nested": lambda: sign(cty="JWT"),
    "encrypted": encrypted,
    "signed-by-a-stranger-under-our-kid": lambda: sign(with_key=key("P-256", "x"), kid="k1"),
    "payload-of-another": swapped_payload,
    "signature-of-zeros": lambda: sign().rpartition(".")[0] + "." + encode(bytes(64)),
    "signature-cut": lambda: sign()[:-2],
    "signature-empty": lambda: sign().rpartition(".")[0] + ".",
    "ten-mebibytes": lambda: sign()[:-1] + "A" * 10 * 1024 * 1024,
    "one-part": lambda: "token",
    "two-parts": lambda: sign().rpartition(".")[0],
    "four-parts": lambda: sign() + ".x",
    "json-serialisation": lambda: orjson.dumps({"payload": "x", "signatures": []}),
    "padded": lambda: sign().replace(".", "=.", 1),
    "header-is-a-list": lambda: f"{encode(['ES256'])}.{encode(claims())}.eA",
    "claims-are-a-string": lambda: f"{encode({'alg': 'ES256', 'kid': 'k1'})}.{encode('x')}.eA",
    "claims-are-deep": lambda: f"{encode({'alg': 'ES256', 'kid': 'k1'})}.{encode(b'[' * 9000)}.eA",
    "not-utf8": lambda: b"\xff\xfe.\xff.\xff",
    "another-type": lambda: sign(typ="logout+jwt"),
    "an-access-tokens-type": lambda: sign(typ="at+jwt"),
    "type-not-a-string": lambda: sign(typ=["JWT"]),
    "no-kid": lambda: sign(kid=None),
    "kid-not-a-string": lambda: sign(kid=["k1"]),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_token_is_refused(make: Callable[[], str | bytes]) -> None:
    assert isinstance(check(make(), issuer(key(), key("2048", "rsa"))), BadToken)


CVES: dict[str, tuple[str, ...]] = {
    "CVE-2025-59420": ("unknown-critical-header", "critical-b64"),
    "CVE-2026-32597": ("unknown-critical-header", "empty-critical-header"),
    "CVE-2026-27962": ("brings-its-key", "names-a-key-url", "names-a-certificate-url"),
    "CVE-2026-48526": ("hmac-with-the-public-key-as-json", "hmac-with-the-public-key-as-pem"),
    "CVE-2026-49852": ("hmac-with-an-empty-key",),
}
"""Security row 3: an unknown `crit` taken (Authlib, PyJWT), a key in the header believed (Authlib),
a public JWK taken for a secret (PyJWT), an empty secret taken (joserfc)."""


@pytest.mark.parametrize("kind", ["kubernetes", "oidc"])
@pytest.mark.parametrize("cve", CVES)
def test_no_known_hole_of_a_library_is_ours(cve: str, kind: str) -> None:
    keys = (key(), key("2048", "rsa"))
    trusted = issuer(*keys)
    if kind == "oidc":
        trusted = signing.oidc_issuer(*keys, issuer=signing.ISSUER)

    for name in CVES[cve]:
        assert isinstance(check(HOSTILE[name](), trusted), BadToken), name


@pytest.mark.parametrize(
    "make",
    [make for name, make in HOSTILE.items() if name != "an-access-tokens-type"],
    ids=[name for name in HOSTILE if name != "an-access-tokens-type"],
)
def test_a_hostile_token_of_a_persons_issuer_is_refused(make: Callable[[], str | bytes]) -> None:
    """Security row 3 for OIDC: whatever the claims, which here are good enough for one."""
    people = signing.oidc_issuer(key(), key("2048", "rsa"), issuer=signing.ISSUER)
    good = sign(claims(scope="mcp"), typ="at+jwt")

    assert isinstance(check(good, people), Token)
    assert isinstance(check(make(), people), BadToken)


def test_the_clusters_keys_rotate_without_a_refusal() -> None:
    """Both keys are shipped while both sign; the old one's tokens end with it."""
    old, new = key("P-256", "old"), key("P-256", "new")
    from_old, from_new = sign(with_key=old), sign(with_key=new)

    before, during, after = issuer(old), issuer(old, new), issuer(new)

    assert isinstance(check(from_old, before), Token)
    first = check(from_new, before)
    assert isinstance(first, BadToken)
    assert first.unknown_kid == "new"
    assert isinstance(check(from_old, during), Token)
    assert isinstance(check(from_new, during), Token)
    assert isinstance(check(from_new, after), Token)
    assert isinstance(check(from_old, after), BadToken)


NOW = int(time.time())  # of the collection, which may lie many minutes before the test
HOUR = 3600
WRONG: dict[str, dict[str, Any]] = {
    "another-issuer": {"iss": "https://evil.example"},
    "the-issuer-with-a-slash": {"iss": signing.ISSUER + "/"},
    "no-issuer": {"iss": None},
    "the-siblings-audience": {"aud": ["http://sibling.tools.svc/mcp"]},
    "the-api-servers-audience": {"aud": [signing.ISSUER]},
    "the-audience-with-a-slash": {"aud": [AUDIENCE + "/"]},
    "no-audience": {"aud": None},
    "an-empty-audience": {"aud": []},
    "an-audience-that-is-no-string": {"aud": [{"x": 1}]},
    "expired": {"exp": NOW - 1},
    "no-expiry": {"exp": None},
    "an-expiry-in-words": {"exp": "never"},
    "an-expiry-that-is-true": {"exp": True},
    "an-endless-expiry": {"exp": 1e308},
    "not-valid-yet": {"nbf": NOW + 12 * HOUR},
    "not-before-in-words": {"nbf": "x"},
    "issued-in-the-future": {"iat": NOW + 12 * HOUR, "exp": NOW + 13 * HOUR},
    "no-time-of-issue": {"iat": None},
    "issued-for-more-than-a-day": {"exp": NOW + 48 * HOUR},
    "no-subject": {"sub": None},
    "an-empty-subject": {"sub": ""},
    "a-subject-that-is-a-list": {"sub": ["x"]},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_well_signed_token_with_a_wrong_claim_is_refused(wrong: dict[str, Any]) -> None:
    assert isinstance(check(sign(claims(**wrong))), BadToken)


def test_an_audience_may_be_a_string_or_one_of_several() -> None:
    assert isinstance(check(sign(claims(aud=AUDIENCE))), Token)
    assert isinstance(check(sign(claims(aud=["x", AUDIENCE]))), Token)


def test_a_clock_that_is_a_little_ahead_is_forgiven_and_expiry_is_not() -> None:
    token = sign(claims(iat=NOW, nbf=NOW, exp=NOW + 600))

    assert isinstance(check(token, now=NOW - 59), Token)
    assert isinstance(check(token, now=NOW - 61), BadToken)
    assert isinstance(check(token, now=NOW + 599), Token)
    assert isinstance(check(token, now=NOW + 600), BadToken)


def test_a_key_that_we_were_not_given_is_named_only_for_a_known_issuer() -> None:
    known = check(sign(with_key=key("P-256", "next")))
    stranger = check(sign(claims(iss="https://evil.example"), with_key=key("P-256", "next")))

    assert isinstance(known, BadToken)
    assert known.unknown_kid == "next"
    assert isinstance(stranger, BadToken)
    assert stranger.unknown_kid == ""


def test_of_two_issuers_neither_may_sign_for_the_other() -> None:
    other = Issuer(
        kind="kubernetes",
        issuer="https://other.example",
        keys=(key("P-256", "other").as_dict(private=False),),
    )

    crossed = check(sign(with_key=key("P-256", "other")), issuer(), other)

    assert isinstance(crossed, BadToken)


def test_a_local_token_may_live_for_a_month() -> None:
    body = claims(iss=signing.LOCAL_ISSUER, aud=["ostiary.dev/local"], exp=NOW + 30 * 86400)

    token = check(sign(body), issuer(kind="local"))

    assert isinstance(token, Token)


def test_no_reason_quotes_the_token() -> None:
    for make in HOSTILE.values():
        result = check(make())
        assert isinstance(result, BadToken)
        assert "k1" not in result.why
        assert len(result.why) < 80


@pytest.mark.parametrize(
    "raw",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k1"},
        {"kty": "RSA", "kid": "k1"},
        {"kty": "EC", "crv": "P-256", "x": "!", "y": "!", "kid": "k1"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "k1"},
        {"kid": "k1"},
        {"kty": 7},
        {**jwk.RSAKey.generate_key(2048).as_dict(private=False), "use": "enc"},
        {**signing.key().as_dict(private=False), "alg": "HS256"},
        {**jwk.OKPKey.generate_key("X25519").as_dict(private=False)},
    ],
    ids=["secret", "rsa-empty", "ec-bad", "ec-curve", "no-kty", "kty", "enc", "alg", "x25519"],
)
def test_a_key_that_cannot_check_signatures_is_left_out(raw: dict[str, object]) -> None:
    assert load_key(raw) is None


def test_a_short_rsa_key_is_left_out() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    raw = {
        "kty": "RSA",
        "n": encode(numbers.n.to_bytes(128, "big")),
        "e": encode(numbers.e.to_bytes(3, "big")),
    }

    assert load_key(raw) is None


def test_a_key_for_one_algorithm_takes_no_other() -> None:
    rsa = key("2048")
    public = {**rsa.as_dict(private=False), "alg": "RS256"}
    only = Issuer(kind="kubernetes", issuer=signing.ISSUER, keys=(public,))

    assert isinstance(check(sign(algorithm="RS256"), only), Token)
    assert isinstance(check(sign(algorithm="PS256"), only), BadToken)
