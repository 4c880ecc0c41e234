"""Who else may sign tokens: the `issuers` of the settings document.  Shapes and their checks only.

An issuer is known by its URL, byte for byte as its tokens and its metadata write it; its `name` is
what people write in policies.
"""

import ssl
from collections.abc import Sequence
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

RESERVED_NAMES: Final = frozenset({"system", "kubernetes"})
"""First words of names that Kubernetes gives."""

Claim = Annotated[str, Field(max_length=128, pattern=r"^[!-~]*$")]
Audience = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[!-~]+$")]


class TrustedIssuer(BaseModel):
    """One OIDC issuer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(max_length=63, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")]
    """Before the usernames of an issuer that is not primary: `<name>:<username>`."""
    url: Annotated[str, Field(max_length=512)]
    """`iss` of its tokens."""
    audiences: Annotated[tuple[Audience, ...], Field(max_length=16)] = ()
    """Taken for every endpoint, beside the endpoint's own: an application id of Entra, a client
    scope of Keycloak."""
    usernameClaim: Annotated[Claim, Field(min_length=1)] = "sub"
    """`email` counts only with `email_verified: true`."""
    groupsClaim: Claim = "groups"
    """A list of words; empty: none."""
    caBundle: Annotated[str, Field(max_length=65_536)] = ""
    """PEM; the only CAs trusted for it.  Empty: the system's."""
    primary: bool = False
    """Its usernames stand alone in policies."""
    private: bool = False
    """Its host may have a private address, as an issuer inside the cluster or the company has."""

    @field_validator("name")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value in RESERVED_NAMES:
            raise ValueError(f"{value} begins names that Kubernetes gives: choose another name")
        return value

    @field_validator("url")
    @classmethod
    def _is_https(cls, value: str) -> str:
        complaint = _complaint(value)
        if complaint:
            raise ValueError(complaint)
        return value

    @field_validator("caBundle")
    @classmethod
    def _is_pem(cls, value: str) -> str:
        if value:
            try:
                ssl.create_default_context(cadata=value)
            except (ssl.SSLError, ValueError) as err:
                raise ValueError("write certificates in PEM, as in a ca.crt") from err
        return value


class IssuerList(BaseModel):
    """What must hold of all of them together."""

    issuers: Annotated[tuple[TrustedIssuer, ...], Field(max_length=16)] = ()

    @model_validator(mode="after")
    def _are_told_apart(self) -> Self:
        for what, values in (
            ("name", [it.name for it in self.issuers]),
            ("url", [it.url for it in self.issuers]),
        ):
            twice = _repeated(values)
            if twice:
                raise ValueError(f"issuers: the {what} {twice[0]} is there twice")
        primary = [it.name for it in self.issuers if it.primary]
        if len(primary) > 1:
            raise ValueError(f"issuers: {' and '.join(primary)} are primary: one can be")
        return self


def _complaint(url: str) -> str:
    if not url.isascii() or not url.isprintable() or " " in url:
        return "write the URL in plain ASCII, as the issuer's own metadata does"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "this is no URL"
    if parts.scheme != "https" or not host:
        return "write https://: keys that come over plain http are anybody's"
    if parts.query or parts.fragment or "?" in url or "#" in url or parts.username is not None:
        return "an issuer has no query, fragment or user: write the `issuer` of its metadata"
    return ""


def _repeated(values: Sequence[str]) -> list[str]:
    return sorted({value for value in values if values.count(value) > 1})
