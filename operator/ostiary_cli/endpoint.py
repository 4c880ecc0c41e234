"""An endpoint as the command line names it, and what its refusals mean to the person there.

Sentences only: nothing is sent from here.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from ostiary_proxy import REFUSAL_KEY

TOKEN_VARIABLE: Final = "OSTIARY_TOKEN"
DEFAULT_PORT: Final = 8931
"""Of `ostiary up`."""
WRONG: Final = 2
IMPOSSIBLE: Final = 3

_NAME: Final = re.compile(
    r"(?:(?P<namespace>[a-z0-9][-a-z0-9]*)/)?(?P<name>[a-z][-a-z0-9]*)"
    r"(?P<way>/servers/[a-z][-a-z0-9]*)?"
)
EVENT_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
"""Of an audit line."""


class CallFailed(Exception):
    """The message is a sentence for the person at the keyboard; `code` is the command's."""

    def __init__(self, message: str, *, code: int = IMPOSSIBLE) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str
    token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CallFailed(
                f"{self.url} is no endpoint: write its URL, for example "
                "http://127.0.0.1:8931/default/time/mcp",
                code=WRONG,
            )
        if not self.token.isascii() or not self.token.isprintable() or " " in self.token:
            raise CallFailed(
                "The token has characters that no token has: copy it again.", code=WRONG
            )

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def token_given(option: str | None) -> str:
    return (option if option is not None else os.environ.get(TOKEN_VARIABLE, "")).strip()


def local_url(named: str, port: int) -> str:
    """Of a server under `ostiary up`, by NAME or NAMESPACE/NAME; of a group, with `-group` at the
    end, and of one member of it with `/servers/ALIAS` behind that; a URL stays what it is."""
    if "://" in named:
        return named
    match = _NAME.fullmatch(named)
    if match is None:
        raise CallFailed(
            f"{named} is neither a URL nor the name of a server: write for example time, "
            "default/time, agents/everyday-group or http://127.0.0.1:8931/default/time/mcp",
            code=WRONG,
        )
    place = f"{match['namespace'] or 'default'}/{match['name']}{match['way'] or ''}"
    return f"http://127.0.0.1:{port}/{place}/mcp"


def refused(endpoint: Endpoint, status: int, message: str) -> str:
    """A sentence about an HTTP status of the endpoint's."""
    match status:
        case 401 if not endpoint.token:
            return f"401: {endpoint.url} wants a token: give --token, or set {TOKEN_VARIABLE}."
        case 401:
            return (
                f"401: the token is not taken at {endpoint.url}: it has expired, or it is meant "
                "for another server."
            )
        case 403:
            return f"403: {message}"
        case 404 if message in (
            "Not Found",
            "Session terminated",
            "There is nothing at this path.",
        ):
            return f"404: there is no endpoint at {endpoint.url}."
        case 404:
            return f"404 at {endpoint.url}: {message}"
        case 503:
            return f"503: {message}: try again in a moment."
        case _:
            return message


def unreachable(endpoint: Endpoint, err: Exception) -> str:
    return f"{endpoint.url} cannot be reached: {err}. Is it running?"


def why_of(endpoint: Endpoint, data: object) -> str:
    """What tells more of a refusal of the proxy's; `data`: its error's, or its result's `_meta`."""
    ident = data.get(REFUSAL_KEY) if isinstance(data, Mapping) else None
    if not isinstance(ident, str) or not EVENT_ID.fullmatch(ident):
        return ""
    here = urlsplit(endpoint.url).hostname in ("127.0.0.1", "localhost")
    where = " -f FOLDER (that of `ostiary up`)" if here else ""
    return f"\nostiary why {ident}{where} tells more."
