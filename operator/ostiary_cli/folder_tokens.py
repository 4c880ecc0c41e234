"""Access tokens that lie in a folder: which are good here, and what to say of the others.  Pure.

As on a cluster, but for one thing: nobody has to vouch for a personal token, since whoever wrote
the folder is the one who runs it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from ostiary_operator.api import MCPAccessToken
from ostiary_operator.token_book import LONGEST_LIFE, write_book

ALWAYS: Final = datetime(1, 1, 1, tzinfo=UTC)
CLOCKS_DIFFER: Final = timedelta(hours=1)


def good_tokens(
    tokens: Iterable[MCPAccessToken], now: datetime
) -> tuple[tuple[MCPAccessToken, ...], list[str]]:
    """Those that may open something, and a sentence for each other one."""
    listed = list(tokens)
    book = write_book((it for it in listed if not _complaint(it, now)), vouched=ALWAYS)
    kept = {it.spec.sha256: it for it in book.accepted}
    sentences = []
    for token in listed:
        key = f"MCPAccessToken {token.metadata.namespace}/{token.metadata.name}"
        holder = kept.get(token.spec.sha256)
        if why := _complaint(token, now):
            sentences.append(f"{key} opens nothing: {why}.")
        elif holder is not None and holder is not token:
            first = f"{holder.metadata.namespace}/{holder.metadata.name}"
            sentences.append(f"{key} opens nothing: {first} has the same hash.")
    return book.accepted, sentences


def _complaint(token: MCPAccessToken, now: datetime) -> str:
    end = token.spec.expires
    if end <= now.timestamp():
        return f"it ended at {token.spec.expirationTime}"
    if end > (now + LONGEST_LIFE + CLOCKS_DIFFER).timestamp():
        return "spec.expirationTime is more than a year ahead"
    return ""
