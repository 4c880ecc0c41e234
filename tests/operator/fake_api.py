"""An API server in small: a real HTTP server that keeps objects as the big one would.

POST (409 where the name is taken), GET, PUT and PATCH with a check of uid and resourceVersion,
forced server-side apply (make or merge), DELETE with its preconditions, lists in pages, and the
status subresource.  Knows no schema, no defaulting, no field ownership and no garbage collection:
what depends on those is tested against a real API server.
"""

import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

from ostiary_operator.cluster import Cluster
from ostiary_operator.credentials import Credentials
from ostiary_operator.resources import Manifest, Resource

Json = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Refusal(Exception):
    def __init__(self, status: int, reason: str, message: str = "") -> None:
        super().__init__(message)
        self.answer = web.json_response(
            {"kind": "Status", "reason": reason, "message": message or reason}, status=status
        )


def merged(old: Any, new: Any) -> Any:
    """RFC 7396."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    found = {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
    return {key: value for key, value in found.items() if value is not None}


@dataclass
class FakeApi:
    objects: dict[str, Json] = field(default_factory=dict)
    """By path."""
    documents: dict[str, Json] = field(default_factory=dict)
    """What is not an object: /openid/v1/jwks."""
    requests: list[Seen] = field(default_factory=list)
    before: Callable[[Seen], web.Response | None] = lambda seen: None
    """May answer in the server's place: an outage, a quota, a webhook."""
    page: int = 500
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)
        self.version = 0

    def put(self, resource: Resource, manifest: Manifest) -> Json:
        """As if somebody else had made it."""
        metadata = manifest["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"])
        return self._keep(path, dict(manifest))

    def find(self, resource: Resource, namespace: str, name: str) -> Json | None:
        return self.objects.get(resource.path(namespace, name))

    def take(self, resource: Resource, namespace: str, name: str) -> Json:
        """As if somebody else had deleted it."""
        return self.objects.pop(resource.path(namespace, name))

    @property
    def writes(self) -> list[str]:
        return [f"{s.method} {s.path}" for s in self.requests if s.method != "GET"]

    def forget_requests(self) -> None:
        self.requests.clear()

    async def answer(self, request: web.Request) -> web.Response:
        raw = await request.read()
        seen = Seen(
            request.method,
            request.path,
            dict(request.query),
            dict(request.headers),
            json.loads(raw) if raw else None,
        )
        self.requests.append(seen)
        try:
            return self.before(seen) or web.json_response(self._serve(seen))
        except Refusal as refusal:
            return refusal.answer

    def _serve(self, seen: Seen) -> Json:
        match seen.method:
            case "POST":
                return self._post(seen)
            case "PUT":
                return self._put(seen)
            case "PATCH":
                return self._patch(seen)
            case "DELETE":
                return self._delete(seen)
            case _:
                return self._get(seen)

    def _get(self, seen: Seen) -> Json:
        if seen.path in self.documents:
            return self.documents[seen.path]
        if seen.path in self.objects:
            return self.objects[seen.path]
        if "limit" not in seen.query:
            raise Refusal(404, "NotFound")
        return self._list(seen)

    def _list(self, seen: Seen) -> Json:
        root, _, plural = seen.path.rpartition("/")
        found = [
            {key: value for key, value in found.items() if key not in ("kind", "apiVersion")}
            for path, found in sorted(self.objects.items())
            if path.startswith(f"{root}/") and path.split("/")[-2] == plural
        ]
        start = int(seen.query.get("continue", "0"))
        metadata = {"resourceVersion": str(self.version)}
        if start + self.page < len(found):
            metadata["continue"] = str(start + self.page)
        return {"metadata": metadata, "items": found[start : start + self.page] or None}

    def _post(self, seen: Seen) -> Json:
        path = f"{seen.path}/{seen.body['metadata']['name']}"
        if path in self.objects:
            raise Refusal(409, "AlreadyExists")
        return self._keep(path, seen.body)

    def _put(self, seen: Seen) -> Json:
        self._checked(self._present(seen.path), seen.body["metadata"])
        return self._keep(seen.path, seen.body)

    def _patch(self, seen: Seen) -> Json:
        path = seen.path.removesuffix("/status")
        if "apply-patch" in seen.headers["Content-Type"]:
            return self._apply(path, seen.body)
        found = self._present(path)
        if isinstance(seen.body, list):
            # Of JSON patches, only `replace` of a field of the metadata is spoken here.
            fields = {step["path"].rpartition("/")[2]: step["value"] for step in seen.body}
            self._checked(found, fields)
            return self._keep(path, merged(found, {"metadata": fields}))
        self._checked(found, seen.body.get("metadata", {}))
        return self._keep(path, merged(found, seen.body))

    def _apply(self, path: str, body: Json) -> Json:
        found = self.objects.get(path)
        if found is None and "uid" in body["metadata"]:
            raise Refusal(409, "Conflict", "uid mismatch")
        self._checked(found or {"metadata": {}}, body["metadata"])
        return self._keep(path, merged(found or {}, body))

    def _delete(self, seen: Seen) -> Json:
        found = self._present(seen.path)
        self._checked(found, (seen.body or {}).get("preconditions", {}))
        del self.objects[seen.path]
        return {"kind": "Status", "status": "Success"}

    def _present(self, path: str) -> Json:
        if path not in self.objects:
            raise Refusal(404, "NotFound")
        return self.objects[path]

    def _checked(self, found: Json, given: Json) -> None:
        for name in ("uid", "resourceVersion"):
            if name in given and given[name] != found["metadata"].get(name):
                raise Refusal(409, "Conflict", f"{name} mismatch")

    def _keep(self, path: str, manifest: Json) -> Json:
        old = self.objects.get(path, {"metadata": {}})["metadata"]
        self.version = next(self._versions)
        made = self.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        given = manifest["metadata"]
        metadata = {
            **given,
            "uid": old.get("uid") or given.get("uid") or f"uid-{next(self._uids)}",
            "creationTimestamp": old.get("creationTimestamp")
            or given.get("creationTimestamp")
            or made,
            "resourceVersion": str(self.version),
        }
        self.objects[path] = {**manifest, "metadata": metadata}
        return self.objects[path]


@asynccontextmanager
async def serving(api: FakeApi, **credentials: Any) -> AsyncIterator[Cluster]:
    """The real client of the real server's port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as session:
            yield Cluster(credentials=Credentials(server=address, **credentials), session=session)
    finally:
        await runner.cleanup()
