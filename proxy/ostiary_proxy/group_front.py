"""One way into a group under care, in the place of `supervisor.Supervised`: the gates common to all
backends (room, expiry, what is open), before the group's own service."""

import asyncio
from collections.abc import Iterator
from typing import Final

from ostiary_proxy.config import ServerReport
from ostiary_proxy.exchange import Exchange
from ostiary_proxy.gateway import Gateway
from ostiary_proxy.group_search import turn
from ostiary_proxy.group_service import GroupService
from ostiary_proxy.observe import Seen
from ostiary_proxy.open_streams import end_expired, is_held
from ostiary_proxy.policy import Target
from ostiary_proxy.room import Room
from ostiary_proxy.runtime import Endpoint
from ostiary_proxy.supervisor import TEND_SECONDS

_NOTHING: Final[tuple[tuple[Target, ...], ...]] = ()


class GroupFront:
    """`backends.Care` of a group, or of one member's own way in it."""

    seen: Seen | None = None
    """Nothing is looked at here: members are followed by the gateway."""

    def __init__(self, endpoint: Endpoint, gateway: Gateway, service: GroupService, *, main: bool):
        """`main`: of the group's own endpoint, which the gateway follows and lives with."""
        self._endpoint = endpoint
        self._gateway, self._service = gateway, service
        self.main = main
        self.open: set[Exchange] = set()
        self._room = Room()
        if main:
            gateway.apply(endpoint)

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    @endpoint.setter
    def endpoint(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        if self.main:
            self._gateway.apply(endpoint)

    @property
    def answered_once(self) -> bool:
        """It answers whatever its members do, once they have had time to know it."""
        return self._gateway.introduced

    @property
    def reported(self) -> bool:
        return self.main

    def report(self) -> ServerReport:
        return self._gateway.report()

    def look_again(self) -> None:
        """Members are followed without being asked to."""

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                if self.main:
                    tasks.create_task(self._gateway.run())
                while True:
                    await asyncio.sleep(TEND_SECONDS)
                    self._service.reap()
                    end_expired(self.open)
        finally:
            self._service.close()

    async def known(self, exchange: Exchange) -> None:
        """Before anything is decided on a name: whose it is must be known.  Where the name itself
        says so, no other member is waited for."""
        turn(exchange)
        if not self._gateway.is_warm:
            await self._gateway.warm(self._service.alias_of(exchange))

    def recheck(self, endpoint: Endpoint) -> Iterator[tuple[Target, ...]]:
        """A group holds nothing for a caller that is not open here."""
        del endpoint
        return iter(_NOTHING)

    def write_headers(self, exchange: Exchange) -> None:
        """`Mcp-Param-*` of a call whose client knows of none."""
        self._service.write_headers(exchange)

    async def serve(self, exchange: Exchange) -> None:
        exchange.holding = is_held(exchange)
        with self._room.taken(exchange):
            server = self._endpoint.server
            gauge = exchange.runtime.metrics.inflight(f"{server.namespace}/{server.name}")
            self.open.add(exchange)
            gauge.inc()
            try:
                await self._service.serve(exchange)
            finally:
                gauge.dec()
                self.open.discard(exchange)
