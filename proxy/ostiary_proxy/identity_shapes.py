"""Shapes of who is trusted to say who somebody is, a part of `config`, where others find them.

Shapes only: no files, no clock, no decisions.
"""

from typing import Annotated, Literal

from pydantic import Field

from ostiary_proxy.shape import Shape


class Issuer(Shape):
    """Who signs tokens, with the keys to check them offline."""

    kind: Literal["kubernetes", "local", "oidc"]
    """kubernetes: `sub` is a ServiceAccount; local: `sub` is the principal that somebody plays;
    oidc: access tokens of people and programs, told apart by the claims below."""
    issuer: str
    """Compared with `iss`, byte for byte."""
    audiences: tuple[str, ...] = ()
    """Taken for every endpoint beside the endpoint's own."""
    keys: tuple[dict[str, object], ...] = ()
    """Public JWKs (RFC 7517)."""
    name: str = ""
    """oidc: before its usernames, `<name>:<username>`, unless it is primary."""
    primary: bool = False
    """oidc: its usernames stand alone."""
    usernameClaim: str = "sub"
    """oidc: `email` counts only beside `email_verified: true`."""
    groupsClaim: str = ""
    """oidc: a list of words; empty: none."""


class AccessToken(Shape):
    """One MCPAccessToken that opens a server or a group: never the secret."""

    namespace: str
    name: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Of the whole token."""
    user: str = ""
    """Whom it speaks for; empty: for itself."""
    expires: int
    """Unix time."""
    groups: tuple[str, ...] = ()
    """uids of the groups that it is restricted to, where none of its words names the server itself:
    it opens the server through these alone.  Empty: it opens it from anywhere."""
