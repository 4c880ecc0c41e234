"""Legacy sessions: the ids we give out, and what they stand for in this process.

An id is a sealed recipe (nonce, principal, version, capabilities, client, birth, pod), never the
backend's own id.  A session is found only by the principal that began it; anybody else's, a
forged one and one whose process is gone look alike.
"""

import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ostiary_proxy.exchange import failed
from ostiary_proxy.message import INVALID_REQUEST, Id, Json, Message, Rejection, encode
from ostiary_proxy.policy import Caller
from ostiary_proxy.seal import Sealer
from ostiary_proxy.watch import Watch

PURPOSE: Final = b"session"
LIVES_SECONDS: Final = 7 * 24 * 3600
MOST_SESSIONS: Final = 10_000
LONGEST_ID: Final = 1024
NONCE_BYTES: Final = 16


class TooManySessionsError(Exception):
    """The table is full of sessions that are in use."""


@dataclass(slots=True, eq=False)
class Session:
    """One legacy session of one client."""

    id: str
    principal: bytes
    version: str
    born: float
    used: float
    upstream: bytes = b""
    """HTTP backends: the backend's own id."""
    busy: int = 0
    """Requests and streams that are open."""
    questions: dict[Id, Watch] = field(default_factory=dict)
    """What the backend asked the client and has no answer to yet, and on which stream."""
    close: Callable[[], None] = field(default=lambda: None)
    """Frees what it holds at the backend; called once, when it ends."""


class Sessions:
    """The live sessions of one endpoint's backend."""

    def __init__(self, *, now: Callable[[], float], idle_seconds: float) -> None:
        self._now = now
        self._idle_seconds = idle_seconds
        self._by_id: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._by_id.values()))

    def begin(
        self,
        initialize: Message,
        version: str,
        caller: Caller,
        sealer: Sealer,
        *,
        server: str,
        pod: str,
    ) -> Session:
        """`version`: as negotiated; `server`: the uid that the id is good for."""
        if len(self._by_id) >= MOST_SESSIONS:
            self._make_room()
        now = self._now()
        ident = _seal(initialize.params, version, caller, sealer, server, pod, now)
        session = Session(ident, caller.digest, version, now, now)
        self._by_id[ident] = session
        return session

    def find(self, ident: bytes, caller: Caller) -> Session | None:
        session = self._by_id.get(ident.decode("latin-1"))
        if session is None or session.principal != caller.digest:
            return None
        if self._expired(session):
            self.end(session)
            return None
        session.used = self._now()
        return session

    def end(self, session: Session) -> None:
        if self._by_id.pop(session.id, None) is not None:
            session.close()

    def touch(self, session: Session) -> None:
        """It is in use in a way that only its holder sees."""
        session.used = self._now()

    def reap(self) -> int:
        """End what is idle or too old."""
        expired = [session for session in self if self._expired(session)]
        for session in expired:
            self.end(session)
        return len(expired)

    def end_all(self) -> None:
        for session in self:
            self.end(session)

    def _expired(self, session: Session) -> bool:
        now = self._now()
        if now - session.born > LIVES_SECONDS:
            return True
        return session.busy == 0 and now - session.used > self._idle_seconds

    def _make_room(self) -> None:
        idle = min((s for s in self if s.busy == 0), key=lambda s: s.used, default=None)
        if idle is None:
            raise TooManySessionsError
        self.end(idle)


def _seal(
    params: Json,
    version: str,
    caller: Caller,
    sealer: Sealer,
    server: str,
    pod: str,
    now: float,
) -> str:
    recipe: Json = {
        "n": urlsafe_b64encode(os.urandom(NONCE_BYTES)).decode(),
        "p": urlsafe_b64encode(caller.digest).decode(),
        "v": version,
        "b": int(now),
        "o": pod,
        "c": params.get("capabilities"),
        "i": params.get("clientInfo"),
    }
    # A recipe is at most 1 KiB: what a client says of itself at length is what can be spared.
    for spared in ("", "i", "c"):
        recipe.pop(spared, None)
        ident = sealer.seal(PURPOSE, server.encode(), encode(recipe))
        if len(ident) <= LONGEST_ID:
            break
    return ident


def unknown_session() -> Rejection:
    """Unknown, another principal's, ended: one answer."""
    return Rejection(404, INVALID_REQUEST, "Session not found.", reason="NoSuchSession")


def missing_session() -> Rejection:
    return Rejection(400, INVALID_REQUEST, "Mcp-Session-Id is missing.", reason="NoSession")


def too_many_sessions() -> Rejection:
    return failed(503, "Too many sessions.", "Busy", headers=((b"retry-after", b"5"),))
