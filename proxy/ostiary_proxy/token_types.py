"""Is a JWT an access token at all?  Its type, and what tells it from its siblings.  Pure.

An issuer signs other JWTs with the same keys: ID tokens, logout tokens, refresh tokens.  One that
says `at+jwt` (RFC 9068) is what we want.  Entra, Keycloak and others say only `JWT`: such a token
is taken when it bears nothing that another kind bears, and something that an access token bears.
"""

from collections.abc import Mapping
from typing import Final

HEADER_FIELDS: Final = frozenset({"alg", "kid", "typ"})
"""A token with any other header field is refused: no jwk, jku, x5u, x5c, crit, b64, zip, enc."""
THUMBPRINTS: Final = frozenset({"x5t", "x5t#S256"})
"""Issuers of people's tokens may name their certificate so; it is never looked at."""
ACCESS_TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})
PLAIN_TYPE: Final = "jwt"
OF_ID_TOKENS: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})
OF_EVENTS: Final = frozenset({"events", "toe"})
"""Logout tokens and security events."""
OF_ACCESS_TOKENS: Final = frozenset(
    {"scope", "scp", "client_id", "cid", "azp", "appid", "roles", "token_use"}
)


def bad_header(header: Mapping[str, object], kind: str) -> str:
    """Why not; empty: nothing is wrong with it.  `kind`: of the issuer."""
    people = kind == "oidc"
    if not header.keys() <= (HEADER_FIELDS | THUMBPRINTS if people else HEADER_FIELDS):
        return "the token's header has a field that is not taken"
    kind_of_token = header.get("typ", "JWT")
    named = kind_of_token.lower() if isinstance(kind_of_token, str) else ""
    if named != PLAIN_TYPE and not (people and named in ACCESS_TYPES):
        return "the token is of another type than an access token"
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        return "the token names no key"
    return ""


def misused(header: Mapping[str, object], claims: Mapping[str, object]) -> str:
    """Of an OIDC issuer's token: why it is no access token; empty: it is one."""
    if not claims.keys().isdisjoint(OF_EVENTS):
        return "the token tells of an event: an access token is needed"
    kind = header.get("typ")
    if isinstance(kind, str) and kind.lower() in ACCESS_TYPES:
        return ""
    if not claims.keys().isdisjoint(OF_ID_TOKENS):
        return "the token is an ID token: an access token is needed"
    # Keycloak and Cognito say in the claims what the header does not.
    if claims.get("typ", "Bearer") != "Bearer" or claims.get("token_use", "access") != "access":
        return "the token is of another kind than an access token"
    if claims.keys().isdisjoint(OF_ACCESS_TOKENS) and "typ" not in claims:
        return "the token bears nothing that tells an access token"
    return ""
