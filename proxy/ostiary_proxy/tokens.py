"""One JSON Web Token: what it claims, and whether one of the pinned keys signed it.

Cheap checks come first, in the order of `read`: size, shape, header, issuer, key, audience, times;
only a token that passes them all costs a signature check.  No cache and no policy here: `auth`.
"""

import math
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson
from joserfc import jwk, jws
from joserfc.errors import JoseError

from ostiary_proxy.config import Issuer
from ostiary_proxy.token_types import bad_header, misused

LONGEST_TOKEN: Final = 16 * 1024
SKEW_SECONDS: Final = 60
"""How far ahead the issuer's clock may be (`iat`, `nbf`); `exp` is taken as written."""
LONGEST_LIFE_SECONDS: Final = 24 * 3600
"""Of a ServiceAccount token."""
SMALLEST_RSA_BITS: Final = 2048
RSA_ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
CURVE_ALGORITHMS: Final[Mapping[str, frozenset[str]]] = {
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": frozenset({"Ed25519"}),
}
"""The key decides which algorithms may be used with it, never the token alone."""
PUBLIC_FIELDS: Final = frozenset({"kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"})

_KeyType = jwk.RSAKey | jwk.ECKey | jwk.OKPKey


@dataclass(frozen=True, slots=True)
class Key:
    key: _KeyType
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Trusted:
    """An issuer with its keys ready to use."""

    issuer: Issuer
    keys: Mapping[str, Key]
    """By `kid`."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose signature holds.  Who that is, and where it is good, is not decided here."""

    trusted: Trusted
    subject: str
    audiences: frozenset[str]
    expires: float
    claims: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class BadToken:
    why: str
    """For the audit and, in general words, for the caller: never a part of the token."""
    unknown_kid: str = ""
    """The key of a known issuer that we were not given."""


def trust(issuers: Iterable[Issuer]) -> dict[str, Trusted]:
    """Issuers by their name, byte for byte.  A key that cannot be used is left out."""
    trusted: dict[str, Trusted] = {}
    for issuer in issuers:
        keys = {}
        for raw in issuer.keys:
            kid, key = raw.get("kid"), load_key(raw)
            if isinstance(kid, str) and kid and key is not None:
                keys[kid] = key
        # The first stands: the cluster itself comes before whatever else bears its name.
        trusted.setdefault(issuer.issuer, Trusted(issuer, keys))
    return trusted


def load_key(raw: Mapping[str, object]) -> Key | None:
    """A public signing key, or None for anything else."""
    if raw.get("use", "sig") != "sig" or _short_rsa(raw):
        return None
    public = {name: value for name, value in raw.items() if name in PUBLIC_FIELDS}
    try:
        key = jwk.import_key(public)  # type: ignore[arg-type]  # checked by the library
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, jwk.RSAKey):
        big_enough = key.public_key.key_size >= SMALLEST_RSA_BITS
        allowed = RSA_ALGORITHMS if big_enough else frozenset[str]()
    elif isinstance(key, jwk.ECKey | jwk.OKPKey):
        allowed = CURVE_ALGORITHMS.get(str(public.get("crv")), frozenset())
    else:
        return None
    if "alg" in raw:
        allowed &= frozenset({str(raw["alg"])})
    return Key(key, allowed) if allowed else None


def _short_rsa(raw: Mapping[str, object]) -> bool:
    """Asked before the import: the library takes a short key, with a warning on stderr."""
    modulus = raw.get("n")
    if raw.get("kty") != "RSA" or not isinstance(modulus, str):
        return False
    return len(modulus.rstrip("=")) * 6 < SMALLEST_RSA_BITS


def read(
    token: bytes,
    trusted: Mapping[str, Trusted],
    audiences: frozenset[str],
    now: float,
) -> Token | BadToken:
    """First failure wins.  `audiences`: where the caller wants to use the token."""
    if len(token) > LONGEST_TOKEN:
        return BadToken("the token is longer than 16 KiB")
    parts = token.split(b".")
    if len(parts) != 3 or not all(parts):
        return BadToken("the token is not a signed JWT")
    header, claims = _decode(parts[0]), _decode(parts[1])
    if header is None or claims is None:
        return BadToken("the token is not a signed JWT")
    known = trusted.get(_text(claims, "iss"))
    if known is None:
        return BadToken("the token's issuer is not trusted here")
    bad = (
        bad_header(header, known.issuer.kind)
        or (misused(header, claims) if known.issuer.kind == "oidc" else "")
        or _bad_claims(claims, known.issuer, audiences, now)
    )
    if bad:
        return BadToken(bad)
    kid = _text(header, "kid")
    key = known.keys.get(kid)
    if key is None:
        return BadToken("the token's key is not known (yet)", unknown_kid=kid)
    if not _signed(token, key, _text(header, "alg")):
        return BadToken("the token's signature does not hold")
    return Token(
        trusted=known,
        subject=_text(claims, "sub"),
        audiences=_audiences(claims),
        expires=float(claims["exp"]),  # type: ignore[arg-type]  # a number: _bad_times
        claims=claims,
    )


def _bad_claims(
    claims: Mapping[str, object], issuer: Issuer, audiences: frozenset[str], now: float
) -> str:
    if not _text(claims, "sub"):
        return "the token has no subject"
    if not _audiences(claims) & (audiences | frozenset(issuer.audiences)):
        return "the token is for another audience"
    return _bad_times(claims, issuer, now)


def _bad_times(claims: Mapping[str, object], issuer: Issuer, now: float) -> str:
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    not_before = _time(claims, "nbf") if "nbf" in claims else -math.inf
    if expires is None or issued is None or not_before is None:
        return "the token lacks a time (exp, iat) or has one that is no number"
    if expires <= now:
        return "the token has expired"
    if max(issued, not_before) > now + SKEW_SECONDS:
        return "the token is not valid yet"
    if issuer.kind == "kubernetes" and expires - issued > LONGEST_LIFE_SECONDS:
        return "the token was issued for more than 24 hours"
    return ""


def _signed(token: bytes, key: Key, algorithm: str) -> bool:
    if algorithm not in key.algorithms:
        return False
    try:
        jws.deserialize_compact(token, key.key, algorithms=[algorithm])
    except (JoseError, ValueError, TypeError):
        return False
    return True


def _decode(part: bytes) -> dict[str, object] | None:
    if b"=" in part:
        return None
    try:
        value = orjson.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _text(claims: Mapping[str, object], name: str, default: str = "") -> str:
    value = claims.get(name, default)
    return value if isinstance(value, str) else ""


def _time(claims: Mapping[str, object], name: str) -> float | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _audiences(claims: Mapping[str, object]) -> frozenset[str]:
    value = claims.get("aud")
    if isinstance(value, str):
        return frozenset({value})
    if isinstance(value, list):
        return frozenset(item for item in value if isinstance(item, str))
    return frozenset()
