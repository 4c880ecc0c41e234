"""Which access tokens are accepted, and why the others are not.  Pure.

Two objects with one hash: the older keeps it.  A personal token is accepted only if an admission
policy vouched, when it was made, that its own user made it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from .api import MCPAccessToken, Reason

LONGEST_LIFE: Final = timedelta(days=366)
"""The longest of years."""
SETTLED: Final = timedelta(seconds=2)
"""Until every API server asks a new admission policy."""


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Book:
    accepted: tuple[MCPAccessToken, ...] = ()
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    """By uid."""


def write_book(tokens: Iterable[MCPAccessToken], *, vouched: datetime | None) -> Book:
    """`vouched`: since when personal tokens are made by their users alone; None: that is not so."""
    accepted: dict[str, MCPAccessToken] = {}
    refused: dict[str, Refusal] = {}
    for token in sorted(tokens, key=_age):
        refusal = _refusal(token, accepted.get(token.spec.sha256), vouched)
        if refusal is None:
            accepted[token.spec.sha256] = token
        else:
            refused[token.metadata.uid] = refusal
    return Book(tuple(accepted.values()), refused)


def _age(token: MCPAccessToken) -> tuple[datetime, str, str]:
    return token.metadata.created, token.metadata.namespace, token.metadata.name


def _refusal(
    token: MCPAccessToken, holder: MCPAccessToken | None, vouched: datetime | None
) -> Refusal | None:
    made = token.metadata.created
    longest = int((made + LONGEST_LIFE).timestamp())
    if token.metadata.creationTimestamp and token.spec.expires > longest:
        return Refusal(
            Reason.INVALID,
            "spec.expirationTime: is more than a year after the token's creation: make one that "
            "ends sooner",
        )
    if token.spec.user and (vouched is None or made < vouched + SETTLED):
        return Refusal(
            Reason.PERSONAL_TOKENS_OFF,
            "spec.user: no admission policy (ostiary-token-users, of the chart) vouched, when this "
            "token was made, that its user made it: let them make it again with `ostiary token "
            "create --personal`",
        )
    if holder is not None:
        place = f"{holder.metadata.namespace}/{holder.metadata.name}"
        return Refusal(
            Reason.DUPLICATE_TOKEN, f"the older MCPAccessToken {place} has the same hash"
        )
    return None
