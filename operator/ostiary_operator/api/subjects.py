"""Whom a rule or a denial of an MCPAccessPolicy speaks of."""

import re
from typing import Annotated, ClassVar, Final

from pydantic import Field

from .fields import AccountGlob, MapKey, Namespaces
from .fields import Glob as Printable
from .schema import ATOMIC, Part, Rule, exactly_one

ISSUER_PATTERN: Final = "^https?://[!-~]+$"
CLAIM_PATTERN: Final = "^[!-~]{1,128}$"

KINDS: Final = ("serviceAccounts", "oidc", "tokens", "users", "anonymous")
_one_kind: Final = (
    "write exactly one of serviceAccounts, oidc, tokens, users and anonymous in each entry"
)

AccountNames = Annotated[
    tuple[AccountGlob, ...], Field(min_length=1, max_length=64, json_schema_extra=ATOMIC)
]
ClaimValue = Annotated[str, Field(min_length=1, max_length=256)]
Claims = Annotated[
    dict[
        MapKey,
        Annotated[
            tuple[ClaimValue, ...], Field(min_length=1, max_length=64, json_schema_extra=ATOMIC)
        ],
    ]
    | None,
    Field(max_length=16),
]


class ServiceAccounts(Part):
    names: AccountNames
    """Names of ServiceAccounts; `*` stands for any text. Required."""
    namespaces: Namespaces | None = None
    """Namespaces that these accounts live in; they shape the NetworkPolicy too. Default: the
    namespace of this policy."""


class Tokens(Part):
    names: AccountNames
    """Names of MCPAccessTokens without a user; `*` stands for any text. Required."""
    namespaces: Namespaces | None = None
    """Namespaces that these tokens live in. Default: the namespace of this policy."""


class Users(Part):
    names: Annotated[
        tuple[Annotated[Printable, Field(max_length=256)], ...],
        Field(min_length=1, max_length=64, json_schema_extra=ATOMIC),
    ]
    """Names of people: the username that the primary issuer's token bears, another issuer's as
    <issuer name>:<username>, or the user of a personal token; `*` stands for any text. Required."""


class Oidc(Part):
    laws: ClassVar = (
        Rule(
            cel=f"!has(self.claims) || self.claims.all(k, k.matches('{CLAIM_PATTERN}'))",
            message="a claim's name is 1 to 128 printable characters without spaces",
            holds=lambda it: all(
                re.fullmatch(CLAIM_PATTERN[1:-1], claim) for claim in it.claims or ()
            ),
            field="claims",
        ),
    )

    issuer: Annotated[str, Field(max_length=512, pattern=ISSUER_PATTERN)]
    """Issuer of the token, as its `iss` and the cluster's settings have it; one that the settings
    do not name grants nothing, and the policy is not accepted. Required."""
    claims: Claims = None
    """For every claim named here, the token must bear one of the values listed: as its text, as a
    word of its scope, or as an item of its list. `groups` is the claim that the settings map to
    it. Default: every token of the issuer."""


class Anonymous(Part):
    """Everybody, without a token."""


class Who(Part):
    laws: ClassVar = (exactly_one(*KINDS, message=_one_kind),)

    serviceAccounts: ServiceAccounts | None = None
    """Callers with a token of such a Kubernetes ServiceAccount. Default: none."""
    oidc: Oidc | None = None
    """People and programs with an access token of such an OIDC issuer. Default: none."""
    tokens: Tokens | None = None
    """Callers with such an MCPAccessToken. Default: none."""
    users: Users | None = None
    """People by name, whether an issuer or a personal token says it. Default: none."""
    anonymous: Anonymous | None = None
    """Callers without a token; write anonymous: {}. Default: none."""


class EntryNetwork(Part):
    namespaces: Namespaces
    """Namespaces that these callers connect from. Required."""


class From(Who):
    network: EntryNetwork | None = None
    """Where these callers connect from; it shapes the NetworkPolicy, and keeps an anonymous entry
    from what a group's gateway sends and from what comes by spec.expose. Default: serviceAccounts
    from their own namespaces, anonymous from everywhere, all others from the server's
    namespace."""
