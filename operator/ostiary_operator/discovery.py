"""An OIDC issuer's metadata, and the keys that it names: where to look, and what must agree.

RFC 8414 first, then OpenID Connect Discovery, in the order that MCP gives its clients.  The
metadata's `issuer` must be the one that was asked, byte for byte: a document that speaks for
another issuer ends the search.  What is fetched how is `fetch`.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

from .fetch import FetchFailed

OAUTH: Final = "/.well-known/oauth-authorization-server"
OPENID: Final = "/.well-known/openid-configuration"

Fetch = Callable[[str], Awaitable[dict[str, Any]]]


def places(issuer: str) -> tuple[str, ...]:
    """Where the metadata may be, in the order to ask."""
    parts = urlsplit(issuer)
    base, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    if not path:
        return base + OAUTH, base + OPENID
    return base + OAUTH + path, base + OPENID + path, base + path + OPENID


async def discover(issuer: str, fetch: Fetch) -> list[object]:
    """The issuer's keys as it lists them.  Raises FetchFailed."""
    found = await fetch(await _keys_url(issuer, fetch))
    keys = found.get("keys")
    if not isinstance(keys, list):
        raise FetchFailed("the issuer's jwks_uri holds no keys")
    return keys


async def _keys_url(issuer: str, fetch: Fetch) -> str:
    """An answer that is no metadata means: look elsewhere.  None at all, or one that speaks for
    somebody else, ends the search."""
    absent = "there is none"
    for place in places(issuer):
        try:
            metadata = await fetch(place)
        except FetchFailed as err:
            if not 0 < err.status < 500:
                raise
            absent = str(err)
            continue
        if metadata.get("issuer") != issuer:
            raise FetchFailed("the issuer's metadata names another issuer than the settings do")
        where = metadata.get("jwks_uri")
        if isinstance(where, str):
            return where
        absent = "it names no jwks_uri"
    raise FetchFailed(f"no metadata is where an issuer has it: {absent}")
