"""The small API server with what a watching client needs beside: discovery and watch streams.

A watch tells what changes after it began, whatever version it asks for: no history is kept.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from tests.operator.fake_api import FakeApi, Json, Seen

from ostiary_operator.resources import WATCHED, Manifest, Resource


class WatchedApi(FakeApi):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.documents |= discovery()
        self.url = ""
        self.watched: dict[str, dict[str, str]] = {}
        """The query of every watch that began, by path."""
        self._streams: dict[str, list[asyncio.Queue[Json | None]]] = {}

    def put(self, resource: Resource, manifest: Manifest) -> Json:
        kept = super().put(resource, manifest)
        self.tell(resource, "MODIFIED", kept)
        return kept

    def _list(self, seen: Seen) -> Json:
        listing = super()._list(seen)
        # kopf, unlike the operator, cannot read a list that is null.
        return {**listing, "items": listing["items"] or []}

    def tell(self, resource: Resource, event: str, manifest: Manifest) -> None:
        for stream in self._streams.get(resource.path(None), ()):
            stream.put_nowait({"type": event, "object": dict(manifest)})

    async def respond(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return await self.answer(request)
        self.watched[request.path] = dict(request.query)
        stream: asyncio.Queue[Json | None] = asyncio.Queue()
        self._streams.setdefault(request.path, []).append(stream)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while (line := await stream.get()) is not None:
            await response.write(json.dumps(line).encode() + b"\n")
        return response

    def close(self) -> None:
        """End the watches."""
        for stream in (it for streams in self._streams.values() for it in streams):
            stream.put_nowait(None)


def discovery() -> dict[str, Json]:
    """Groups, versions and kinds, by path."""
    groups: dict[str, list[Resource]] = {}
    for resource in WATCHED:
        groups.setdefault(resource.api_version, []).append(resource)
    named: list[dict[str, Any]] = []
    documents: dict[str, Json] = {"/api": {"versions": ["v1"]}, "/apis": {"groups": named}}
    for api_version, resources in groups.items():
        group, _, version = api_version.rpartition("/")
        root = f"/apis/{api_version}" if group else f"/api/{version}"
        documents[root] = {"resources": [_described(it) for it in resources]}
        if group:
            here = {"groupVersion": api_version, "version": version}
            named.append({"name": group, "versions": [here], "preferredVersion": here})
    return documents


@asynccontextmanager
async def listening(api: WatchedApi) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.respond)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield api.url
    finally:
        api.close()
        await runner.cleanup()


def _described(resource: Resource) -> dict[str, Any]:
    return {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "kind": resource.kind,
        "namespaced": resource.namespaced,
        "verbs": ["list", "watch", "get", "create", "patch", "update", "delete"],
    }
