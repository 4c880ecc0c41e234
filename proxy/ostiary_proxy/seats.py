"""Where a legacy session's calls go: to a process of its own, its user's, or everybody's."""

import asyncio
from collections.abc import Callable
from typing import Final, Literal

from ostiary_proxy.common import CommonChannel, Share
from ostiary_proxy.config import StdioBackend
from ostiary_proxy.crew import NOBODY, Crew
from ostiary_proxy.desk import Desk, Seat
from ostiary_proxy.era import CAPABILITIES_KEY
from ostiary_proxy.exchange import Exchange, Refused, failed
from ostiary_proxy.exclusive import LegacyChannel
from ostiary_proxy.handshake import begin, remind, shake
from ostiary_proxy.message import Json, Message
from ostiary_proxy.observe import CLIENT
from ostiary_proxy.session import Session, unknown_session

Mode = Literal["PerSession", "PerUser", "Shared"]
OF_CLIENTS: Final = frozenset({"sampling", "elicitation", "roots"})
"""What a server may ask of a client, and cannot where one process serves several."""


def offered(mode: Mode, capabilities: Json) -> Json:
    """What the server is told that the client can do."""
    if mode == "PerSession":
        return capabilities
    return {key: value for key, value in capabilities.items() if key not in OF_CLIENTS}


def lessened(mode: Mode, message: Message) -> Message:
    """A modern request, less the capabilities that a process for several is told nothing of."""
    if mode == "PerSession" or message.kind != "request":
        return message
    meta: Json = message.params["_meta"]
    fewer = {**meta, CAPABILITIES_KEY: offered(mode, meta[CAPABILITIES_KEY])}
    params = {**message.params, "_meta": fewer}
    return message._replace(params=params, data={**message.data, "params": params})


def check_user(mode: Mode, exchange: Exchange) -> None:
    """Raises Refused where each user has a process and the caller is nobody in particular."""
    assert exchange.caller is not None
    if mode == "PerUser" and exchange.caller.kind == "anonymous":
        why = "This server has a process for each user: a caller without a token is none."
        raise Refused(failed(403, why, "AnonymousPerUser"))


class Seats:
    """Of one stdio server."""

    def __init__(
        self,
        backend: StdioBackend,
        crew: Crew,
        *,
        name: str,
        on_repair: Callable[[], None] = lambda: None,
    ) -> None:
        self._mode: Mode = backend.process
        self._crew = crew
        self._name = name
        self._on_repair = on_repair
        self._common: dict[tuple[bytes, str], CommonChannel] = {}
        self._turn = asyncio.Lock()

    def touch(self, seat: Seat, session: Session) -> None:
        channel = seat.channel if isinstance(seat, Share) else seat
        assert isinstance(channel, LegacyChannel | CommonChannel)
        self._crew.touch(channel)
        if isinstance(seat, Share):
            seat.uris = set(session.uris)
            channel.subscribed = seat.channel.is_followed
        else:
            channel.subscribed = bool(session.uris)

    async def take(self, exchange: Exchange, session: Session, desk: Desk) -> Seat:
        """The session's seat; begun, or begun anew, when there is none."""
        assert exchange.endpoint is not None
        seconds = exchange.endpoint.server.limits.callSeconds
        async with session.turn:
            lost = desk.check_lost()
            if desk.cleared or (lost and desk.ends):
                raise Refused(unknown_session())
            if desk.seat is not None:
                return desk.seat
            seat = await self._begin(session, desk, seconds)
            if desk.cleared:
                seat.close()
                raise Refused(unknown_session())
            desk.sit(seat)
        self.touch(seat, session)
        if lost:
            session.lost = False
            exchange.repaired = "process"
            self._on_repair()
        return seat

    async def _begin(self, session: Session, desk: Desk, seconds: float) -> Seat:
        if self._mode != "PerSession":
            return await self._share(session, seconds)
        channel = LegacyChannel(self._name, on_ended=desk.on_ended)
        await self._crew.hire(channel, session.recipe.principal)
        with self._crew.on_probation(channel):
            await begin(channel, session.hello, session.recipe.version, seconds)
            await remind(channel, session)
        return channel

    async def fresh(self, hello: Json, seconds: float, who: bytes) -> tuple[LegacyChannel, Json]:
        """A process that begins with the client's own handshake; and what it says."""
        channel = LegacyChannel(self._name)
        await self._crew.hire(channel, who)
        with self._crew.on_probation(channel):
            return channel, await shake(channel, hello, seconds)

    async def _share(self, session: Session, seconds: float) -> Share:
        recipe = session.recipe
        share = Share(await self.common(recipe.principal, recipe.version, seconds))
        if session.lost:
            await remind(share.channel, session)
        return share

    async def common(self, user: bytes, version: str, seconds: float) -> CommonChannel:
        """The process that this user has, or everybody; `user`: the digest of the principal."""
        key = self._common_key(user, version)
        async with self._turn:
            channel = self._common.get(key)
            if channel is None or not channel.alive:
                channel = self._common[key] = await self._common_one(key, seconds)
                self._forget_dead()
        return channel

    def has_common(self, user: bytes, version: str) -> bool:
        channel = self._common.get(self._common_key(user, version))
        return channel is not None and channel.alive

    def _common_key(self, user: bytes, version: str) -> tuple[bytes, str]:
        return (user if self._mode == "PerUser" else NOBODY, version)

    async def _common_one(self, key: tuple[bytes, str], seconds: float) -> CommonChannel:
        user, version = key
        channel = CommonChannel(self._name, one_user=user != NOBODY)
        await self._crew.hire(channel, user)
        hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": CLIENT}
        with self._crew.on_probation(channel):
            result = await begin(channel, hello, version, seconds)
        capabilities = result.get("capabilities")
        channel.logs = isinstance(capabilities, dict) and "logging" in capabilities
        return channel

    def _forget_dead(self) -> None:
        self._common = {key: channel for key, channel in self._common.items() if channel.alive}
