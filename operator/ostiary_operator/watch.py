"""kopf as watch plumbing: streams in, `controller.observe` out.

Only events are watched (`on.event`): no handler kind that would write a finalizer or an annotation
on the user's object, no index, no timer.  This module and `__main__` alone import kopf.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

import aiohttp
import kopf

from .controller import Controller
from .credentials import Credentials
from .resources import WATCHED, Resource

FIRST_BACKOFF: Final = 0.2
LAST_BACKOFF: Final = 3.0
"""An API server that comes back is found again within seconds."""

log = logging.getLogger(__name__)


class Backoffs:
    """Pauses without end: kopf's own would end the operator after a minute of 5xx.

    Our lists come first at every start and say loudly what is not permitted, so that the endless
    retry hides nothing."""

    def __iter__(self) -> Iterator[float]:
        pause = FIRST_BACKOFF
        while True:
            yield pause
            pause = min(LAST_BACKOFF, pause * 2)


class NoDiffs(kopf.DiffBaseStorage):
    """Nothing here asks what changed: kopf's deep copies of every object would be half our time."""

    def build(self, **_: object) -> Any:
        return {}

    def fetch(self, **_: object) -> None:
        return None

    def store(self, **_: object) -> None:
        return None


class NoProgress(kopf.ProgressStorage):
    """No handler has any: none but `on.event` is declared."""

    def fetch(self, **_: object) -> None:
        return None

    def store(self, **_: object) -> None:
        return None

    def purge(self, **_: object) -> None:
        return None

    def touch(self, **_: object) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


def declare(registry: kopf.OperatorRegistry, controller: Controller) -> None:
    """One handler per kind; it only enqueues, because kopf never retries it."""
    for resource in WATCHED:
        _observe(registry, controller, resource)


def _observe(registry: kopf.OperatorRegistry, controller: Controller, resource: Resource) -> None:
    async def observe(type: Any, event: Any, **_: object) -> None:  # noqa: A002  # kopf's name
        controller.observe(resource, type, event["object"])

    kopf.on.event(
        resource.group,
        resource.version,
        resource.plural,
        id=f"observe-{resource.title}",
        registry=registry,
    )(observe)


def make_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.networking.error_backoffs = Backoffs()
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.watching.chunk_size = 500
    settings.persistence.diffbase_storage = NoDiffs()
    settings.persistence.progress_storage = NoProgress()
    settings.queueing.idle_timeout = 1.0  # a task per object that had an event: let them end soon
    for resource in WATCHED:
        if resource.selector:
            key = (resource.group, resource.version, resource.plural)
            settings.watching.label_selectors[key] = resource.selector
    return settings


async def watch(
    controller: Controller,
    credentials: Credentials,
    *,
    stop: asyncio.Event,
    started: Callable[[], object],
) -> None:
    """Until `stop` is set.  Everything else must run already: kopf ends what starts after it, and
    waits five seconds for it first.  `started`: called once kopf has taken the signals over."""
    registry = kopf.OperatorRegistry()
    declare(registry, controller)

    async def login(**_: object) -> Any:
        # kopf's start is one turn of the loop from its end at most.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, started)
        # A session of its own each time: kopf closes the one that was refused.
        return _session(credentials)

    kopf.on.login(registry=registry)(login)
    # Named, because kopf's own name for us asks for the user's login, and an image has none.
    identity: Any = "ostiary-operator"
    await kopf.operator(
        registry=registry,
        settings=make_settings(),
        clusterwide=True,
        identity=identity,
        stop_flag=stop,
    )


def _session(credentials: Credentials) -> Any:
    async def bear(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers.update(await credentials.headers())
        return await handler(request)

    connector = aiohttp.TCPConnector(limit=0, ssl=credentials.tls or True)
    return kopf.AiohttpSession(
        server=credentials.server,
        aiohttp_session=aiohttp.ClientSession(connector=connector, middlewares=(bear,)),
    )
