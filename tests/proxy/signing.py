"""An issuer of tokens for the tests: real keys, and every way to bend a token."""

import base64
import time
from functools import cache
from typing import Any

import orjson
from joserfc import jwk, jws

from ostiary_proxy.config import STATUS_AUDIENCE, Issuer

ISSUER = "https://kubernetes.default.svc.cluster.local"
LOCAL_ISSUER = "ostiary-local"
AUDIENCE = "http://time.tools.svc/mcp"
OPERATOR = "system:serviceaccount:ostiary-system:ostiary-operator"
ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
)


def key(kind: str = "P-256", name: str = "k1") -> Any:
    """A private key: a curve, or RSA with its bits.  The same for the same arguments."""
    return _generate(kind, name)


@cache
def _generate(kind: str, name: str) -> Any:
    parameters: dict[str, Any] = {"kid": name}
    if kind.isdigit():
        return jwk.RSAKey.generate_key(int(kind), parameters, private=True)
    if kind == "Ed25519":
        return jwk.OKPKey.generate_key("Ed25519", parameters, private=True)
    return jwk.ECKey.generate_key(kind, parameters, private=True)


def key_for(algorithm: str) -> Any:
    curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "Ed25519": "Ed25519"}
    return key(curves.get(algorithm, "2048"))


def issuer(*keys: Any, kind: str = "kubernetes") -> Issuer:
    public = tuple(one.as_dict(private=False) for one in keys or (key(),))
    if kind == "local":
        return Issuer(
            kind="local", issuer=LOCAL_ISSUER, audiences=("ostiary.dev/local",), keys=public
        )
    return Issuer(kind="kubernetes", issuer=ISSUER, keys=public)


def claims(subject: str = "system:serviceaccount:agents:planner", **more: Any) -> dict[str, Any]:
    """What the API server writes into a projected token; None removes a claim."""
    now = int(time.time())
    _, _, namespace, name = subject.split(":")
    body = {
        "aud": [AUDIENCE],
        "exp": now + 3600,
        "iat": now,
        "iss": ISSUER,
        "jti": "7d9c0f1e",
        "kubernetes.io": {
            "namespace": namespace,
            "pod": {"name": "planner-1", "uid": "p1"},
            "serviceaccount": {"name": name, "uid": "s1"},
        },
        "nbf": now,
        "sub": subject,
        **more,
    }
    return {name: value for name, value in body.items() if value is not None}


def sign(
    body: dict[str, Any] | None = None,
    *,
    algorithm: str = "ES256",
    with_key: Any = None,
    **header: Any,
) -> str:
    with_key = with_key or key_for(algorithm)
    protected = {"alg": algorithm, "kid": with_key.kid, **header}
    protected = {name: value for name, value in protected.items() if value is not None}
    # The signature is made over whatever header we like; the library would refuse to write some.
    signed = f"{encode(protected)}.{encode(claims() if body is None else body)}"
    model = jws.JWSRegistry(algorithms=[algorithm]).get_alg(algorithm)
    return f"{signed}.{encode(model.sign(signed.encode(), with_key))}"


def encode(value: object) -> str:
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def bearer(token: str) -> bytes:
    return b"Bearer " + token.encode()


def operator_token(**more: Any) -> str:
    return sign(claims(OPERATOR, aud=[STATUS_AUDIENCE], **more))


OIDC = "https://id.example/realms/team"
ENTRA = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
KEYCLOAK = "https://sso.example/realms/main"
APPLICATION = "6731de76-14a6-49ae-97bc-6eba6914391e"
"""An application id: what Entra writes into `aud`."""


def oidc_issuer(*keys: Any, **more: Any) -> Issuer:
    public = tuple(one.as_dict(private=False) for one in keys or (key(),))
    values: dict[str, Any] = {"issuer": OIDC, "name": "team", "primary": True, **more}
    return Issuer(kind="oidc", keys=public, groupsClaim="groups", **values)


def person(**more: Any) -> dict[str, Any]:
    """An access token as RFC 9068 has it; sign it with `typ="at+jwt"`.  None removes a claim."""
    now = int(time.time())
    body = {
        "iss": OIDC,
        "sub": "0f6c",
        "aud": AUDIENCE,
        "exp": now + 3600,
        "iat": now,
        "client_id": "ide",
        "scope": "mcp",
        "groups": ["readers", "writers"],
        **more,
    }
    return {name: value for name, value in body.items() if value is not None}


def entra(**more: Any) -> dict[str, Any]:
    """Version 2.0, delegated; its header says `typ: JWT`."""
    shape: dict[str, Any] = {
        "iss": ENTRA,
        "aud": APPLICATION,
        "aio": "ATQAy/8T",
        "azp": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        "azpacr": "0",
        "client_id": None,
        "groups": ["0c1f6f7e-5b0b-4d0a-9b0e-2e1f0d3f7a11"],
        "name": "Alice",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
        "preferred_username": "alice@example.com",
        "rh": "0.ARoAv4j5",
        "scope": None,
        "scp": "mcp.call",
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid": "9188040d-6c67-4c5b-b112-36a304b66dad",
        "uti": "fqiBqXLPj0eQa82S-IYFAA",
        "ver": "2.0",
    }
    return person(**{**shape, **more})


def keycloak(**more: Any) -> dict[str, Any]:
    """Its header says `typ: JWT`, its claims `typ: Bearer`."""
    shape: dict[str, Any] = {
        "iss": KEYCLOAK,
        "acr": "1",
        "azp": "ide",
        "client_id": None,
        "email": "alice@example.com",
        "email_verified": True,
        "jti": "onrtac:3b4b",
        "preferred_username": "alice",
        "realm_access": {"roles": ["offline_access"]},
        "scope": "openid email profile",
        "sid": "b1e7",
        "typ": "Bearer",
    }
    return person(**{**shape, **more})
