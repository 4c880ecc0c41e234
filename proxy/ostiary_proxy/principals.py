"""The principal that a verified token speaks for.  Pure: whether it holds is `tokens`'."""

from collections.abc import Collection
from typing import Final

from ostiary_proxy.callers import Caller
from ostiary_proxy.tokens import BadToken, Token

LONGEST_NAME: Final = 256
MOST_GROUPS: Final = 1024
LONGEST_GROUP: Final = 256
"""Groups beyond either are left out: nobody is in them as far as we are concerned."""
EMAIL: Final = "email"

_ACCOUNT_PREFIX: Final = "system:serviceaccount:"


def caller_of(token: Token, others: Collection[str] = ()) -> Caller | BadToken:
    """`others`: names of the issuers that are not primary, which the primary's users may not
    bear."""
    if token.trusted.issuer.kind == "oidc":
        return _person(token, others)
    return _account(token)


def _account(token: Token) -> Caller | BadToken:
    if not token.subject.startswith(_ACCOUNT_PREFIX):
        return BadToken("the token's subject is not a ServiceAccount")
    namespace, _, name = token.subject.removeprefix(_ACCOUNT_PREFIX).partition(":")
    if not namespace or not name or ":" in name:
        return BadToken("the token's subject is not a ServiceAccount")
    if token.trusted.issuer.kind == "kubernetes" and not _bears_account(token, namespace, name):
        return BadToken("the token's claims do not name its ServiceAccount")
    return Caller.service_account(namespace, name, token.expires)


def _bears_account(token: Token, namespace: str, name: str) -> bool:
    claim = token.claims.get("kubernetes.io")
    if not isinstance(claim, dict) or claim.get("namespace") != namespace:
        return False
    account = claim.get("serviceaccount")
    return isinstance(account, dict) and account.get("name") == name


def _person(token: Token, others: Collection[str]) -> Caller | BadToken:
    issuer, claims = token.trusted.issuer, token.claims
    name = claims.get(issuer.usernameClaim)
    if not isinstance(name, str) or not is_fit(name):
        return BadToken("the token lacks the claim that names its user, or it is unfit to be shown")
    if issuer.usernameClaim == EMAIL and claims.get("email_verified") is not True:
        return BadToken("the token's email is not verified")
    if not issuer.primary:
        name = f"{issuer.name}:{name}"
    elif name.partition(":")[0] in others:
        return BadToken("the token's user bears the name of another issuer")
    return Caller.user(
        name,
        issuer=issuer.issuer,
        subject=token.subject,
        groups=_groups(claims.get(issuer.groupsClaim) if issuer.groupsClaim else None),
        claims=claims,
        expires=token.expires,
    )


def is_fit(name: str) -> bool:
    """Can it be shown in a log without doing anything there?"""
    return bool(name) and len(name) <= LONGEST_NAME and name.isprintable()


def _groups(value: object) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list):
        return ()
    fit = (it for it in listed if isinstance(it, str) and it and len(it) <= LONGEST_GROUP)
    return tuple(fit)[:MOST_GROUPS]
