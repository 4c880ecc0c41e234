"""Event ids of a backend, bound to the session and the principal that they were sent to.

A backend may take any id for any of its streams: one of another session's would resume what was
said there.  So a client gets sealed ones, and one that is not of its session resumes nothing.
"""

from collections.abc import Callable
from typing import Final

from ostiary_proxy.exchange import Exchange, Headers
from ostiary_proxy.seal import NoKeyError
from ostiary_proxy.session import Session

LAST_EVENT: Final = b"last-event-id"
PURPOSE: Final = b"event"
LONGEST_ID: Final = 1024
"""A longer one is left out: its event cannot be resumed from."""


class EventIds:
    """Of one session; without one, of one principal."""

    def __init__(self, exchange: Exchange, session: Session | None) -> None:
        assert exchange.caller is not None
        assert exchange.endpoint is not None
        self._sealer = exchange.endpoint.sealer
        nonce = b"" if session is None else session.recipe.nonce
        server = exchange.endpoint.server.uid.encode()
        self._bound = exchange.caller.digest + nonce + b"|" + server

    def outer(self, ident: bytes) -> bytes | None:
        """What the client is told; None: nothing."""
        if not ident or len(ident) > LONGEST_ID:
            return None
        try:
            return self._sealer.seal(PURPOSE, self._bound, ident).encode()
        except NoKeyError:
            return None

    def inner(self, ident: bytes) -> bytes | None:
        """The backend's own; None when it was not sent in this session."""
        return self._sealer.unseal(PURPOSE, self._bound, ident.decode("latin-1"))


def renaming(exchange: Exchange, session: Session | None) -> Callable[[bytes], bytes | None] | None:
    """For the streams of the handshake era; later ones cannot be resumed."""
    modern = exchange.spoken is not None and exchange.spoken.era == "modern"
    return None if modern else EventIds(exchange, session).outer


def resuming(exchange: Exchange, session: Session | None) -> Headers:
    """What a GET says to the backend of where it was; nothing when that was in another session."""
    last = exchange.headers.get(LAST_EVENT)
    inner = None if last is None else EventIds(exchange, session).inner(last)
    return () if inner is None else ((LAST_EVENT, inner),)
