"""The legacy side of a stdio backend: sessions, each with a child of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ostiary_proxy.channel import Channel
from ostiary_proxy.config import Limits
from ostiary_proxy.era import SESSION
from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.exclusive import LegacyChannel
from ostiary_proxy.lines import Exit
from ostiary_proxy.message import INVALID_REQUEST, Message, Rejection, decode
from ostiary_proxy.session import (
    Session,
    Sessions,
    TooManySessionsError,
    missing_session,
    too_many_sessions,
    unknown_session,
)
from ostiary_proxy.stdio import deliver
from ostiary_proxy.watch import Watch

_ID_IN_USE: Final = Rejection(
    400, INVALID_REQUEST, "A request with this id is still running.", reason="IdInUse"
)
_SECOND_STREAM: Final = Rejection(
    409, INVALID_REQUEST, "This session has a stream already.", reason="SecondStream"
)

Starter = Callable[[Channel], Awaitable[None]]


class LegacySide:
    """The legacy sessions of one stdio backend."""

    def __init__(
        self,
        uid: str,
        pod: str,
        *,
        name: str,
        now: Callable[[], float],
        idle_seconds: float,
        starter: Starter,
    ) -> None:
        self._uid, self._pod, self._name = uid, pod, name
        self._starter = starter
        self._sessions = Sessions(now=now, idle_seconds=idle_seconds)
        self._channels: dict[Session, LegacyChannel] = {}
        self._shaking = 0
        """Children whose handshake is under way."""

    def __len__(self) -> int:
        return len(self._sessions) + self._shaking

    def reap(self) -> None:
        for session in self._sessions:
            channel = self._channels.get(session)
            if channel is not None and channel.busy:
                self._sessions.touch(session)
        self._sessions.reap()

    def close(self) -> None:
        self._sessions.end_all()

    async def serve(self, exchange: Exchange) -> None:
        message = exchange.message
        if message is not None and message.method == "initialize":
            await self._begin(exchange, message)
            return
        session = self._find(exchange)
        channel = self._channels[session]
        session.busy += 1
        try:
            await self._serve(exchange, session, channel)
        finally:
            session.busy -= 1

    def _find(self, exchange: Exchange) -> Session:
        ident = exchange.headers.get(SESSION)
        if ident is None:
            raise Refused(missing_session())
        assert exchange.caller is not None
        session = self._sessions.find(ident, exchange.caller)
        if session is None:
            raise Refused(unknown_session())
        return session

    async def _serve(self, exchange: Exchange, session: Session, channel: LegacyChannel) -> None:
        message = exchange.message
        if exchange.verb == "DELETE":
            self._sessions.end(session)
            await exchange.reply(204)
        elif message is None:
            await self._hold(exchange, session, channel)
        elif message.kind == "request":
            await self._ask(exchange, session, channel, message)
        else:
            await self._tell(exchange, session, channel, message)

    async def _hold(self, exchange: Exchange, session: Session, channel: LegacyChannel) -> None:
        held = channel.hold()
        if held is None:
            raise Refused(_SECOND_STREAM)
        try:
            await exchange.start()
            await deliver(exchange, held, self._watch(exchange, session))
        finally:
            channel.release()

    async def _ask(
        self, exchange: Exchange, session: Session, channel: LegacyChannel, message: Message
    ) -> None:
        await channel.writable()
        call = channel.begin(message)
        if call is None:
            raise Refused(_ID_IN_USE)
        watch = self._watch(exchange, session)
        try:
            await deliver(exchange, call, watch)
        finally:
            # A legacy client that leaves cancels nothing: the child works on, for nobody.
            call.close()
            if exchange.cut in ("silent", "revoked"):
                channel.give_up(call)

    async def _tell(
        self, exchange: Exchange, session: Session, channel: LegacyChannel, message: Message
    ) -> None:
        await channel.writable()
        channel.send(message.canonical)
        if message.kind == "response" and message.id is not None:
            watch = session.questions.pop(message.id, None)
            if watch is not None:
                watch.answer_to(message.id, asyncio.get_running_loop().time())
        elif message.method == "notifications/cancelled":
            channel.cancel(message.params.get("requestId"))
        await exchange.reply(202)

    def _watch(self, exchange: Exchange, session: Session | None) -> Watch:
        assert exchange.endpoint is not None
        limits: Limits = exchange.endpoint.server.limits
        return Watch(
            limits,
            asyncio.get_running_loop().time(),
            holding=exchange.holding,
            questions=None if session is None else session.questions,
        )

    async def _begin(self, exchange: Exchange, message: Message) -> None:
        """A child, a handshake, and only then a session."""
        channel = LegacyChannel(self._name)
        await self._starter(channel)
        self._shaking += 1
        session: Session | None = None
        try:
            answer = await self._shake(exchange, channel, message)
            version = _version(answer)
            if version is None:
                await exchange.reply(200, answer)
                return
            session = self._open(exchange, message, channel, version)
            await exchange.reply(200, answer, ((SESSION, session.id.encode()),))
        finally:
            self._shaking -= 1
            if session is None:
                channel.close()

    async def _shake(self, exchange: Exchange, channel: LegacyChannel, message: Message) -> bytes:
        assert exchange.endpoint is not None
        call = channel.begin(message)
        assert call is not None
        exchange.on_cut = call.wake
        loop = asyncio.get_running_loop()
        until = loop.time() + exchange.endpoint.server.limits.callSeconds
        try:
            while exchange.cut is None and (left := until - loop.time()) > 0:
                letter = await call.get(left)
                if letter is not None and letter.last:
                    return letter.data
                if call.ended is not None:
                    why = "The server's process ended during the handshake."
                    raise Refused(failed(502, why, "Broken"))
        finally:
            exchange.on_cut = None
        raise Refused(failed(504, "The server did not answer in time.", "NoAnswer"))

    def _open(
        self, exchange: Exchange, message: Message, channel: LegacyChannel, version: str
    ) -> Session:
        assert exchange.caller is not None
        assert exchange.endpoint is not None
        try:
            session = self._sessions.begin(
                message,
                version,
                exchange.caller,
                exchange.endpoint.sealer,
                server=self._uid,
                pod=self._pod,
            )
        except TooManySessionsError as err:
            raise Refused(too_many_sessions()) from err
        self._channels[session] = channel

        def freed() -> None:
            self._channels.pop(session, None)
            channel.close()

        def ended(_: Exit) -> None:
            self._sessions.end(session)

        session.close = freed
        channel.on_ended = ended
        if channel.ended is not None:
            self._sessions.end(session)
        return session


def _version(answer: bytes) -> str | None:
    """The negotiated revision; None when the handshake failed."""
    data = decode(answer)
    result = data.get("result") if isinstance(data, dict) else None
    version = result.get("protocolVersion") if isinstance(result, dict) else None
    return version if isinstance(version, str) else None
