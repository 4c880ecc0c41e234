"""What takes care of an endpoint: made by what lies behind it, a server or a group of them."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Final, Protocol

from ostiary_proxy import between
from ostiary_proxy.addresses import Resolve
from ostiary_proxy.bridge import Bridge
from ostiary_proxy.config import (
    GroupBackend,
    HttpBackend,
    ServerReport,
    SseBackend,
    StdioBackend,
    WebSocketBackend,
)
from ostiary_proxy.exchange import Exchange
from ostiary_proxy.gateway import Gateway, Spawn
from ostiary_proxy.group_front import GroupFront
from ostiary_proxy.group_service import GroupService
from ostiary_proxy.http_backend import HttpServer
from ostiary_proxy.member_asks import by_token
from ostiary_proxy.observe import Seen
from ostiary_proxy.policy import Target
from ostiary_proxy.port_backend import PortServer
from ostiary_proxy.recipe import Owner
from ostiary_proxy.runtime import Endpoint, Runtime
from ostiary_proxy.siblings import plain
from ostiary_proxy.stdio_backend import StdioServer
from ostiary_proxy.supervisor import Backend, Supervised

_log: Final = logging.getLogger("ostiary.backends")


class Care(Protocol):
    """Of one endpoint: `supervisor.Supervised`, or `group_front.GroupFront`."""

    endpoint: Endpoint
    """Replaced when a newer config has the same backend."""
    open: set[Exchange]

    @property
    def seen(self) -> Seen | None: ...

    @property
    def answered_once(self) -> bool: ...

    @property
    def reported(self) -> bool:
        """It is an object's own endpoint, and no further way into it."""

    def report(self) -> ServerReport: ...

    async def run(self) -> None:
        """Until cancelled."""

    async def known(self, exchange: Exchange) -> None:
        """Wait until it can be decided about what is behind it."""

    async def serve(self, exchange: Exchange) -> None: ...

    def write_headers(self, exchange: Exchange) -> None: ...

    def recheck(self, endpoint: Endpoint) -> Iterator[tuple[Target, ...]]: ...


class Carer:
    """Makes them, for one process."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        now: Callable[[], float],
        resolve: Resolve,
        port: Callable[[], int],
        spawn: Spawn,
        changed: Callable[[], None],
    ) -> None:
        self._runtime, self._now = runtime, now
        self._resolve, self._port = resolve, port
        self._spawn, self._changed = spawn, changed
        self._gateways: dict[str, Gateway] = {}
        """By the group's uid."""

    def make(self, endpoint: Endpoint) -> Care:
        if isinstance(endpoint.server.backend, GroupBackend):
            return self._group(endpoint)
        return self._server(endpoint)

    @property
    def _owner(self) -> Owner:
        return Owner(self._runtime.pod_uid, self._runtime.address)

    def _group(self, endpoint: Endpoint) -> GroupFront:
        group, _, way = endpoint.server.uid.partition("/")
        if not way or group not in self._gateways:
            self._gateways[group] = self._gateway(group)
        gateway = self._gateways[group]
        service = GroupService(
            endpoint, gateway, owner=self._owner, now=self._now, spawn=self._spawn
        )
        return GroupFront(endpoint, gateway, service, main=not way)

    def _gateway(self, group: str) -> Gateway:
        runtime, loop = self._runtime, asyncio.get_running_loop()
        local = runtime.role == "local"
        secret = runtime.internal
        own = between.internal_headers(group, secret, catalogue=True)[1:]
        return Gateway(
            port=self._port,
            resolve=self._resolve,
            clock=loop.time,
            spawn=self._spawn,
            identity=(lambda: own) if local else by_token(runtime.catalogue_token),
            mark=between.internal_headers(group, secret) if local else (),
            process=runtime.pod_uid or group,
            own=plain(runtime.address) if runtime.address else "",
            changed=self._changed,
        )

    def _server(self, endpoint: Endpoint) -> Supervised:
        supervised: Supervised | None = None

        def look_again() -> None:
            if supervised is not None:
                supervised.look_again()

        backend = self._backend(endpoint, look_again)
        server = endpoint.server
        tally = self._runtime.metrics.tally(f"{server.namespace}/{server.name}")
        bridge = Bridge(
            backend.source, server, owner=self._owner, now=self._now, on_repair=tally.repaired
        )
        supervised = Supervised(endpoint, backend, bridge, self._changed)
        return supervised

    def _backend(self, endpoint: Endpoint, look_again: Callable[[], None]) -> Backend:
        server, runtime = endpoint.server, self._runtime
        name = f"{server.namespace}/{server.name}"
        owner, tally = self._owner, runtime.metrics.tally(name)
        if isinstance(server.backend, HttpBackend):
            return HttpServer(
                server.backend,
                server.uid,
                owner,
                name=name,
                now=self._now,
                on_trouble=look_again,
                spawn=self._spawn,
                tally=tally,
            )
        if isinstance(server.backend, SseBackend | WebSocketBackend):
            return PortServer(
                server.backend,
                server.uid,
                owner,
                name=name,
                now=self._now,
                on_trouble=look_again,
                spawn=self._spawn,
                tally=tally,
            )
        assert isinstance(server.backend, StdioBackend)
        return StdioServer(
            server.backend,
            server.uid,
            owner,
            name=name,
            now=self._now,
            on_trouble=look_again,
            spawn=self._spawn,
            tally=tally,
        )


async def contained(work: Coroutine[object, object, None]) -> None:
    """Its failure is logged, and ends nothing else."""
    try:
        await work
    except Exception:  # noqa: BLE001 -- the outermost layer of a task of its own
        _log.exception("a task beside the requests failed")
