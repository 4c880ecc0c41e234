"""Somebody whose identity is verified, or nobody in particular.  Pure.

`auth` makes callers of tokens, `policy` decides what they may do.  Five kinds: a ServiceAccount; a
person, known by an OIDC issuer or by a personal access token; a virtual account's access token;
nobody; and a group's gateway on its own behalf, which reads the lists.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from math import inf
from types import MappingProxyType
from typing import Final, Literal, Self

Kind = Literal["serviceAccount", "user", "token", "anonymous", "catalogue"]

ANONYMOUS: Final = "anonymous"
"""The principal of a caller without a token."""
_NO_CLAIMS: Final[Mapping[str, object]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling."""

    principal: str
    """As logs, audit and policies' messages name the caller."""
    kind: Kind
    namespace: str = ""
    """serviceAccount, token, catalogue: where that object is."""
    name: str = ""
    """serviceAccount, token, catalogue: of that object.  user: the name that policies know the user
    by: the primary issuer's username or a personal token's user as it is, another issuer's as
    `<issuer name>:<username>`."""
    expires: float = inf
    """Unix time after which the proof of identity is void."""
    digest: bytes = b""
    """16 bytes of a hash of who it is: what a session id is bound to.  It stays the same over
    renewed tokens."""
    issuer: str = ""
    """user: `iss` of the OIDC token; empty with a personal token."""
    subject: str = ""
    """user: `sub` of the OIDC token."""
    groups: tuple[str, ...] = ()
    """user: of the issuer's groups claim."""
    claims: Mapping[str, object] = field(default_factory=lambda: _NO_CLAIMS, compare=False)
    """user: every claim of the verified OIDC token."""
    key: bytes = b""
    """What decisions are remembered by: two callers with one key are the same to every rule."""
    proof: bytes = field(default=b"", compare=False, repr=False)
    """Hash of the access token that was shown: when it is taken away, what it opened ends."""
    through: str = field(default="", compare=False)
    """uid of the group whose gateway sent it: when the server leaves the group, what it opened
    ends.  Empty: it came by itself."""
    relayed: bool = False
    """anonymous: a gateway sent it, or may have: no network stands for who it is."""

    @classmethod
    def service_account(cls, namespace: str, name: str, expires: float = inf) -> Self:
        principal = f"system:serviceaccount:{namespace}:{name}"
        return cls._of(principal, "serviceAccount", namespace, name, expires)

    @classmethod
    def token(cls, namespace: str, name: str, expires: float = inf) -> Self:
        """A virtual account: the MCPAccessToken itself."""
        return cls._of(f"token:{namespace}:{name}", "token", namespace, name, expires)

    @classmethod
    def user(
        cls,
        name: str,
        *,
        issuer: str = "",
        subject: str = "",
        groups: Iterable[str] = (),
        claims: Mapping[str, object] = _NO_CLAIMS,
        expires: float = inf,
    ) -> Self:
        """A person.  Without an issuer: the user of a personal access token."""
        principal = f"user:{name}"
        listed = tuple(groups)
        # A name may be given to somebody else; an issuer's subject never is.
        bound = f"{issuer}#{subject}" if issuer else principal
        known = json.dumps(
            [principal, issuer, subject, listed, dict(claims)], sort_keys=True, default=str
        )
        return cls(
            principal,
            "user",
            name=name,
            expires=expires,
            digest=digest_of(bound),
            issuer=issuer,
            subject=subject,
            groups=listed,
            claims=MappingProxyType(dict(claims)),
            key=sha256(known.encode("utf-8", "surrogatepass")).digest(),
        )

    @classmethod
    def anonymous(cls) -> Self:
        return cls._of(ANONYMOUS, "anonymous", "", "", inf)

    @classmethod
    def relayed_anonymous(cls, through: str = "") -> Self:
        """`through`: the group's uid; empty: nobody can tell."""
        made = cls._of(ANONYMOUS, "anonymous", "", "", inf)
        return replace(made, relayed=True, through=through, key=sha256(b"relayed").digest())

    @classmethod
    def catalogue(cls, namespace: str, group: str, uid: str, expires: float = inf) -> Self:
        """A gateway by itself.  `uid`: of its group."""
        made = cls._of(f"catalogue:{namespace}/{group}", "catalogue", namespace, group, expires)
        return replace(made, through=uid)

    @classmethod
    def _of(cls, principal: str, kind: Kind, namespace: str, name: str, expires: float) -> Self:
        return cls(
            principal,
            kind,
            namespace,
            name,
            expires,
            digest_of(principal),
            key=sha256(f"{kind} {principal}".encode()).digest(),
        )


def digest_of(principal: str) -> bytes:
    return sha256(principal.encode("utf-8", "surrogatepass")).digest()[:16]
