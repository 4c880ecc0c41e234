"""Legacy clients of a backend that speaks only modern revisions: protocol.md 51, L->M."""

import asyncio
from collections.abc import Callable
from typing import Final

from ostiary_proxy import discovery, to_modern
from ostiary_proxy.crew import whose_may_go
from ostiary_proxy.dialogue import Dialogue
from ostiary_proxy.era import KNOWN_NOTIFICATIONS, LISTS
from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.hearing import Hearing
from ostiary_proxy.legacy import ID_IN_USE, SECOND_STREAM
from ostiary_proxy.mailbox import Mailbox
from ostiary_proxy.message import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Json,
    Message,
    encode,
    error_body,
)
from ostiary_proxy.mirror import mirrors
from ostiary_proxy.observe import Seen
from ostiary_proxy.partner import MOST_URIS, Partner
from ostiary_proxy.partners import Partners
from ostiary_proxy.patience import until_it_reads
from ostiary_proxy.recipe import Owner
from ostiary_proxy.session import Session, told
from ostiary_proxy.shared import ModernChannel
from ostiary_proxy.sources import Source
from ostiary_proxy.stdio import deliver
from ostiary_proxy.to_legacy import LEVELS
from ostiary_proxy.watch import Watch

ORPHANS: Final = 256
"""Requests of one session that go on though their client has left."""
TASKS: Final = "tasks/"
"""Methods of 2025-11-25 that no modern backend has."""


class LegacyClients:
    """What they need at one backend."""

    def __init__(
        self,
        source: Source,
        *,
        uid: str,
        owner: Owner,
        name: str,
        now: Callable[[], float],
        idle_seconds: float,
        on_repair: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._name = name
        self._now = now
        self.partners = Partners(
            source,
            uid=uid,
            owner=owner,
            name=name,
            now=now,
            idle_seconds=idle_seconds,
            relisted=self._relisted,
            on_repair=on_repair,
        )

    def reap(self) -> None:
        self.partners.reap()

    def close(self) -> None:
        self.partners.close()

    async def serve(self, exchange: Exchange, seen: Seen) -> None:
        message = exchange.message
        if message is not None and message.method == "initialize":
            await self._initialize(exchange, message, seen)
            return
        session, partner = self.partners.find(exchange)
        session.busy += 1
        try:
            if exchange.verb == "DELETE":
                self.partners.sessions.end(session)
                await exchange.reply(204)
            elif message is None:
                await self._hold(exchange, partner, seen)
            elif message.kind == "request":
                await self._ask(exchange, session, partner, message, seen)
            else:
                await self._tell(exchange, session, partner, message)
        finally:
            session.busy -= 1

    async def _initialize(self, exchange: Exchange, message: Message, seen: Seen) -> None:
        result = discovery.shaken(seen, message.params.get("protocolVersion"))
        session = self.partners.begin(exchange, message, result["protocolVersion"])
        body = encode({"jsonrpc": "2.0", "id": message.id, "result": result})
        await exchange.reply(200, body, told(exchange, session))

    def _relisted(self, tools: list[Json]) -> None:
        self._source.mirrored.clear()
        self._source.mirrored.update(mirrors(tools))

    # one message

    async def _tell(
        self, exchange: Exchange, session: Session, partner: Partner, message: Message
    ) -> None:
        """A notification or a response: most of them end here."""
        session.hear(message, asyncio.get_running_loop().time())
        if message.kind == "response":
            partner.reply(message)
        elif message.method == "notifications/cancelled":
            ident = message.params.get("requestId")
            running = partner.running.get(ident) if isinstance(ident, str | int) else None
            if running is not None:
                running.cancelled()
        elif message.method not in KNOWN_NOTIFICATIONS and partner.channel.alive:
            # What no revision knows crosses as it came (9).
            partner.channel.send(encode(to_modern.request(message, partner.meta(), {}).data))
        await exchange.reply(202)

    async def _ask(
        self,
        exchange: Exchange,
        session: Session,
        partner: Partner,
        message: Message,
        seen: Seen,
    ) -> None:
        match message.method:
            case "ping":
                await self._say(exchange, message, {})
            case "logging/setLevel":
                await self._set_level(exchange, partner, message)
            case "resources/subscribe" | "resources/unsubscribe":
                await self._subscribe(exchange, partner, message, seen)
            case method if method.startswith(TASKS):
                body = error_body(message.id, METHOD_NOT_FOUND, "Method not found")
                await exchange.reply(200, body)
            case _:
                await self._converse(exchange, session, partner, message, seen)

    async def _say(self, exchange: Exchange, message: Message, result: Json) -> None:
        await exchange.reply(200, encode({"jsonrpc": "2.0", "id": message.id, "result": result}))

    async def _set_level(self, exchange: Exchange, partner: Partner, message: Message) -> None:
        level = message.params.get("level")
        if level not in LEVELS:
            why = f"params.level must be one of {', '.join(LEVELS)}."
            await exchange.reply(200, error_body(message.id, INVALID_PARAMS, why))
            return
        partner.level = level
        await self._say(exchange, message, {})

    async def _converse(
        self,
        exchange: Exchange,
        session: Session,
        partner: Partner,
        message: Message,
        seen: Seen,
    ) -> None:
        assert message.id is not None
        assert exchange.endpoint is not None
        if message.id in partner.running:
            raise Refused(ID_IN_USE)
        channel = self._source.catalogue if message.method in LISTS else None
        if channel is None:
            channel = await self._open(exchange, partner, seen)
        if not await until_it_reads(exchange, channel):
            return
        dialogue = Dialogue(partner, channel, message)
        channel.holds += 1
        partner.running[message.id] = dialogue
        now = asyncio.get_running_loop().time()
        watch = Watch(exchange.endpoint.server.limits, now, questions=session.questions)
        try:
            dialogue.begin()
            await deliver(exchange, dialogue.out, watch)
        finally:
            channel.holds -= 1
            channel.used = self._now()
            self._part(exchange, partner, dialogue, message)

    def _part(
        self,
        exchange: Exchange,
        partner: Partner,
        dialogue: Dialogue,
        message: Message,
    ) -> None:
        """A legacy client that leaves cancels nothing (26): the backend works on, for nobody."""
        ident = message.id
        assert ident is not None
        dialogue.out.close()
        if exchange.cut == "gone" and not dialogue.over and len(partner.running) < ORPHANS:
            # It may still be cancelled by its id.
            dialogue.on_over = lambda: partner.forget(ident, dialogue)
            return
        partner.forget(ident, dialogue)
        dialogue.cancel("The client was answered.")

    async def _open(self, exchange: Exchange, partner: Partner, seen: Seen) -> ModernChannel:
        """The session's own channel, or its part of one."""
        async with partner.opening:
            if partner.channel.alive:
                return partner.channel
            lost = partner.revived or self.partners.has_lost(partner)
            channel = await self._channel(exchange)
            partner.sit(channel, shares=self._source.commons is not None)
            if lost:
                partner.revived = False
                self.partners.note_repair(exchange)
            partner.listen(channel, seen)
            return channel

    async def _channel(self, exchange: Exchange) -> ModernChannel:
        assert exchange.caller is not None
        who, commons = exchange.caller.digest, self._source.commons
        if commons is not None:
            return await commons.modern(who)
        channel = ModernChannel(self._name)
        try:
            await self._source.open(channel, "modern", who=who, listens=True)
        except Refused as refused:
            whose = whose_may_go(refused.rejection, who)
            if whose is None or not self.partners.evict(whose):
                raise
            await self._source.open(channel, "modern", who=who, listens=True)
        return channel

    # what changes

    async def _hold(self, exchange: Exchange, partner: Partner, seen: Seen) -> None:
        assert exchange.endpoint is not None
        if partner.held is not None:
            raise Refused(SECOND_STREAM)
        held = partner.held = Mailbox()
        hearing = Hearing(held, partner, lambda: self._feed(exchange, partner, seen))
        try:
            await self._feed(exchange, partner, seen)
            await exchange.start()
            now = asyncio.get_running_loop().time()
            watch = Watch(exchange.endpoint.server.limits, now, holding=True)
            await deliver(exchange, hearing, watch)
        finally:
            partner.held = None
            partner.unlisten()

    async def _feed(self, exchange: Exchange, partner: Partner, seen: Seen) -> None:
        """From the catalogue process, and from the session's own, once there is one."""
        catalogue = self._source.catalogue
        # One that is being started again is waited for: it costs the session no process.
        partner.deaf = catalogue is None and self._source.loses == "process"
        if partner.uris or (catalogue is None and not partner.deaf):
            await self._open(exchange, partner, seen)
        for channel in (partner.channel, catalogue):
            if channel is not None and not partner.hears(channel):
                partner.listen(channel, seen)

    async def _subscribe(
        self, exchange: Exchange, partner: Partner, message: Message, seen: Seen
    ) -> None:
        if not discovery.offers(seen, "resources", "subscribe"):
            body = error_body(message.id, METHOD_NOT_FOUND, "Method not found")
            await exchange.reply(200, body)
            return
        uri = message.params["uri"]
        if message.method == "resources/unsubscribe":
            partner.uris.discard(uri)
        elif len(partner.uris) < MOST_URIS:
            partner.uris.add(uri)
        else:
            raise Refused(failed(503, "Too many subscriptions.", "Busy"))
        await self._open(exchange, partner, seen)
        partner.listen(partner.channel, seen)
        await self._say(exchange, message, {})
