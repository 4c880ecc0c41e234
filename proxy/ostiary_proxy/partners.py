"""The sessions of legacy clients at a modern backend: begun, found, and ended when idle.

A session outlives its process: what is idle for long loses the process and gets another one when
it is needed again.  One that is not known here (any more) begins anew from its id, as any other.
"""

from collections.abc import Callable

from ostiary_proxy.crew import NOBODY
from ostiary_proxy.exchange import Exchange, Refused
from ostiary_proxy.message import Json, Message
from ostiary_proxy.partner import Partner
from ostiary_proxy.recipe import Owner
from ostiary_proxy.seats import offered
from ostiary_proxy.session import (
    Session,
    Sessions,
    begun,
    found,
    missing_session,
    named,
    unknown_session,
)
from ostiary_proxy.shared import ModernChannel
from ostiary_proxy.sources import Source


class Partners:
    """Those of one backend."""

    def __init__(
        self,
        source: Source,
        *,
        uid: str,
        owner: Owner,
        name: str,
        now: Callable[[], float],
        idle_seconds: float,
        relisted: Callable[[list[Json]], None],
        on_repair: Callable[[], None] = lambda: None,
    ) -> None:
        """`idle_seconds`: of a process; `relisted`: told what the backend's tools are now."""
        self._source = source
        self._name = name
        self._now, self._idle_seconds = now, idle_seconds
        self._relisted, self._on_repair = relisted, on_repair
        self.sessions = Sessions(uid, owner, now=now)
        self._partners: dict[Session, Partner] = {}

    def begin(self, exchange: Exchange, message: Message, version: str) -> Session:
        session = begun(self.sessions, exchange, version)
        self._attach(session, message.params)
        return session

    def find(self, exchange: Exchange) -> tuple[Session, Partner]:
        """Raises Refused."""
        ident = named(exchange)
        if ident is None:
            raise Refused(missing_session())
        assert exchange.endpoint is not None
        session = found(self.sessions, exchange, ident)
        partner = self._partners.get(session)
        if partner is None:
            partner = self._attach(session, session.hello)
            partner.revived, session.lost = session.lost, False
        partner.ends = exchange.endpoint.server.onSessionLoss == "End"
        if partner.ends and self.has_lost(partner):
            self.sessions.end(session)
            raise Refused(unknown_session())
        return session, partner

    def has_lost(self, partner: Partner) -> bool:
        """What it had at the backend is gone; over HTTP a modern backend keeps nothing."""
        return partner.has_lost and self._source.loses == "process"

    def note_repair(self, exchange: Exchange) -> None:
        exchange.repaired = self._source.loses
        self._on_repair()

    def _attach(self, session: Session, hello: Json) -> Partner:
        version = session.recipe.version
        capabilities = hello.get("capabilities")
        if isinstance(capabilities, dict):
            hello = {**hello, "capabilities": offered(self._source.mode, capabilities)}
        partner = Partner(hello, version, ModernChannel(self._name), self._relisted)
        self._partners[session] = partner

        def freed() -> None:
            self._partners.pop(session, None)
            partner.close()

        session.close = freed
        return partner

    def reap(self) -> None:
        oldest = self._now() - self._idle_seconds
        for session, partner in tuple(self._partners.items()):
            if partner.busy:
                self.sessions.touch(session)
            elif session.used < oldest:
                partner.leave()
        self.sessions.reap()

    def evict(self, who: bytes = NOBODY) -> bool:
        """End the process that has been idle for longest, of one caller or of all; False: all are
        in use."""
        idle = [
            (session.used, partner)
            for session, partner in self._partners.items()
            if partner.channel.alive
            and not partner.busy
            and not partner.shares
            and who in (NOBODY, session.recipe.principal)
        ]
        if not idle:
            return False
        min(idle, key=lambda pair: pair[0])[1].channel.close()
        return True

    def close(self) -> None:
        self.sessions.end_all()
