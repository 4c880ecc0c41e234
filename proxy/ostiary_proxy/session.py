"""Legacy sessions: the ids we give out, and what they stand for in this process.

A session is found only by the principal that began it; anybody else's, a forged one and one that
is too old look alike.  An id that is not known here (any more) is a recipe still, and makes the
session anew; what it held at the backend is for the backend's own side to begin again.

What a group's gateway sends bears a key in the place of an id: its session is held under
(principal, key), and nothing but this table knows of it.  An unknown key is a session that is gone.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ostiary_proxy import recipe as recipes
from ostiary_proxy.era import SESSION
from ostiary_proxy.exchange import Exchange, Headers, Refused, failed
from ostiary_proxy.message import INVALID_REQUEST, Id, Json, Message, Rejection
from ostiary_proxy.policy import Caller
from ostiary_proxy.recipe import LIVES_SECONDS, Owner, Recipe
from ostiary_proxy.seal import NoKeyError, Sealer
from ostiary_proxy.watch import Watch

MOST_SESSIONS: Final = 10_000
SHARE: Final = 8
MOST_OF_ONE: Final = MOST_SESSIONS // SHARE
"""Of them, those of one principal: at that, its own idlest one goes.  It begins anew from its id
at its next use."""
IDLE_SECONDS: Final = 24 * 3600.0
"""A session costs some hundred bytes; what it holds at the backend is freed much sooner."""
HELLO_BYTES: Final = 2048
"""A longer handshake is begun anew by what the id holds of it."""
MOST_URIS: Final = 256


class TooManySessionsError(Exception):
    """The table, or the caller's share of it, is full of sessions that are in use."""


@dataclass(slots=True, eq=False)
class Session:
    """One legacy session of one client."""

    id: str
    recipe: Recipe
    hello: Json
    """Parameters of the handshake with the backend."""
    used: float
    lost: bool = False
    """It held something at the backend that is gone, or may have: it was begun elsewhere."""
    upstream: bytes = b""
    """HTTP backends: the backend's own id."""
    level: str = ""
    """What the client set by `logging/setLevel`."""
    uris: dict[str, None] = field(default_factory=dict)
    """The resources that it subscribed to."""
    busy: int = 0
    """Requests and streams that are open."""
    questions: dict[Id, Watch] = field(default_factory=dict)
    """What the backend asked the client and has no answer to yet, and on which stream."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Whoever finds it lost takes it: it is begun anew once, however many wait."""
    close: Callable[[], None] = field(default=lambda: None)
    """Frees what it holds at the backend; called once, when it ends."""

    def note(self, message: Message) -> None:
        """Remember what a backend must be told again when it has forgotten."""
        params = message.params
        uri, level = params.get("uri"), params.get("level")
        match message.method:
            case "logging/setLevel" if isinstance(level, str):
                self.level = level[:32]
            case "resources/subscribe" if isinstance(uri, str) and len(self.uris) < MOST_URIS:
                self.uris[uri] = None
            case "resources/unsubscribe" if isinstance(uri, str):
                self.uris.pop(uri, None)

    def hear(self, message: Message, now: float) -> None:
        """A client's answer comes beside the stream that bears the question: the clock is told."""
        if message.kind == "response" and message.id is not None:
            watch = self.questions.pop(message.id, None)
            if watch is not None:
                watch.answer_to(message.id, now)

    @property
    def reminders(self) -> Iterator[tuple[str, Json]]:
        """What a backend that begins it anew is told, after the handshake."""
        if self.level:
            yield "logging/setLevel", {"level": self.level}
        for uri in self.uris:
            yield "resources/subscribe", {"uri": uri}


class Sessions:
    """The live sessions of one endpoint's backend."""

    def __init__(self, server: str, owner: Owner, *, now: Callable[[], float]) -> None:
        """`server`: the uid that ids are good for; `owner`: this pod."""
        self._server, self._owner = server, owner
        self._now = now
        self._by_id: dict[str, Session] = {}
        self._of: dict[bytes, dict[str, Session]] = {}
        """The same, by the digest of the principal."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._by_id.values()))

    def begin(
        self, initialize: Message, version: str, caller: Caller, sealer: Sealer, under: bytes = b""
    ) -> Session:
        """`initialize`: the client's handshake; `version`: as negotiated; `under`: what it is held
        under in the place of an id, and whatever was held there ends."""
        before = self.held(under, caller) if under else None
        if before is not None:
            self.end(before)
        self._make_room(caller)
        now = self._now()
        written = recipes.write(initialize.params, version, caller, self._owner, now)
        if under:
            ident, recipe = under.decode("latin-1"), recipes.shortened(written)
        else:
            ident = recipes.seal(written, sealer, self._server)
            # What the id holds of it is what every later beginning can know.
            recipe = recipes.unseal(ident, caller, sealer, self._server, now) or written
        hello = recipe.hello
        if len(initialize.canonical) <= HELLO_BYTES:
            hello = {**initialize.params, "protocolVersion": version}
            hello.pop("_meta", None)
        return self._keep(Session(ident, recipe, hello, now))

    def held(self, ident: bytes, caller: Caller) -> Session | None:
        """Only what is here already."""
        session = self._by_id.get(ident.decode("latin-1"))
        if session is None or session.recipe.principal != caller.digest:
            return None
        if self._expired(session):
            self.end(session)
            return None
        session.used = self._now()
        return session

    def revive(self, ident: bytes, caller: Caller, sealer: Sealer) -> Session | None:
        """One that is not here, made anew from its id."""
        text, now = ident.decode("latin-1"), self._now()
        recipe = recipes.unseal(text, caller, sealer, self._server, now)
        if recipe is None:
            return None
        self._make_room(caller)
        return self._keep(Session(text, recipe, recipe.hello, now, lost=True))

    def _keep(self, session: Session) -> Session:
        self._by_id[session.id] = session
        self._of.setdefault(session.recipe.principal, {})[session.id] = session
        return session

    def end(self, session: Session) -> None:
        if self._by_id.pop(session.id, None) is None:
            return
        own = self._of[session.recipe.principal]
        del own[session.id]
        if not own:
            del self._of[session.recipe.principal]
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
        if now - session.recipe.born > LIVES_SECONDS:
            return True
        return session.busy == 0 and now - session.used > IDLE_SECONDS

    def _make_room(self, caller: Caller) -> None:
        own = self._of.get(caller.digest, {})
        if len(own) < MOST_OF_ONE and len(self._by_id) < MOST_SESSIONS:
            return
        among = own if len(own) >= MOST_OF_ONE else self._by_id
        idle = min((s for s in among.values() if s.busy == 0), key=lambda s: s.used, default=None)
        if idle is None:
            raise TooManySessionsError
        self.end(idle)


def named(exchange: Exchange) -> bytes | None:
    """What the session of this request is found by; None: it is of none."""
    if not exchange.key:
        return exchange.headers.get(SESSION)
    assert exchange.caller is not None
    # No header can hold a line's end: nobody finds it by an id.
    return exchange.key + b"\n" + exchange.caller.digest.hex().encode()


def told(exchange: Exchange, session: Session) -> Headers:
    """What the answer to a handshake says of the session: a gateway knows its key."""
    return () if exchange.key else ((SESSION, session.id.encode()),)


def begun(sessions: Sessions, exchange: Exchange, version: str) -> Session:
    """A session for the handshake that this exchange is about."""
    assert exchange.message is not None
    assert exchange.caller is not None
    assert exchange.endpoint is not None
    sealer = exchange.endpoint.sealer
    try:
        under = (named(exchange) or b"") if exchange.key else b""
        return sessions.begin(exchange.message, version, exchange.caller, sealer, under)
    except TooManySessionsError as err:
        raise Refused(too_many_sessions()) from err
    except NoKeyError as err:
        raise Refused(_no_key()) from err


def found(sessions: Sessions, exchange: Exchange, ident: bytes) -> Session:
    """The session of this id: the one that is here, or one made anew where that is wanted."""
    assert exchange.caller is not None
    assert exchange.endpoint is not None
    session = sessions.held(ident, exchange.caller)
    if session is None and exchange.key:
        raise Refused(unknown_session())
    if session is None and exchange.endpoint.server.onSessionLoss == "Repair":
        try:
            session = sessions.revive(ident, exchange.caller, exchange.endpoint.sealer)
        except TooManySessionsError as err:
            raise Refused(too_many_sessions()) from err
    if session is None:
        if exchange.endpoint.sealer.awaits(ident.decode("latin-1")):
            raise Refused(_no_key())
        raise Refused(unknown_session())
    return session


def _no_key() -> Rejection:
    why = "This proxy cannot read sessions yet: a session key has not arrived."
    return failed(503, why, "NoKey", headers=_SOON)


_SOON: Final = ((b"retry-after", b"5"),)


def version_of(exchange: Exchange) -> str:
    """The revision that this caller's session has negotiated, as its sealed id says; empty: none.

    Whether the session lives is its holder's to say."""
    endpoint, caller = exchange.endpoint, exchange.caller
    assert endpoint is not None
    assert caller is not None
    ident, now = exchange.headers.get(SESSION, b"").decode("latin-1"), exchange.runtime.now()
    recipe = recipes.unseal(ident, caller, endpoint.sealer, endpoint.server.uid, now)
    return "" if recipe is None else recipe.version


def unknown_session() -> Rejection:
    """Unknown, another principal's, ended: one answer."""
    return Rejection(404, INVALID_REQUEST, "Session not found.", reason="NoSuchSession")


def missing_session() -> Rejection:
    return Rejection(400, INVALID_REQUEST, "Mcp-Session-Id is missing.", reason="NoSession")


def too_many_sessions() -> Rejection:
    return failed(503, "Too many sessions.", "Busy", headers=_SOON)
