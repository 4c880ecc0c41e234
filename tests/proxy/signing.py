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
