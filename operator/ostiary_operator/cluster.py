"""The only writer: a narrow client of the API server.

Lists, reads, creates, applies, patches and deletes; says what went wrong in one small tree of
errors.  Decides nothing: what to write and what a refusal means is the caller's.

    ApiError                 the API server's answer, or none: `status` 0
      Missing                404
      Taken                  409: the name exists, or a precondition failed
      Gone                   410: the continuation of a list has expired
      Refused                401, 403
        QuotaExceeded        403 by a ResourceQuota
        NamespaceEnding      403 because the namespace is being terminated
      Invalid                400, 422
      Unreachable            429, 5xx, no connection, no answer in time
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal

import aiohttp

from .credentials import Credentials
from .resources import Manifest, Resource

TIMEOUT: Final = 15.0
"""Seconds for one request, the whole of it."""
WATCH_SECONDS: Final = 240
"""How long a watch may last; the next one begins with a list."""
CHUNK: Final = 500
"""Objects per page of a list."""

ACCEPT: Final = "application/json, application/jwk-set+json;q=0.9"
APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"


class ApiError(Exception):
    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


class Missing(ApiError):
    pass


class Taken(ApiError):
    pass


class Gone(ApiError):
    pass


class Refused(ApiError):
    pass


class QuotaExceeded(Refused):
    pass


class NamespaceEnding(Refused):
    pass


class Invalid(ApiError):
    pass


class Unreachable(ApiError):
    pass


_CLASSES: Final[Mapping[int, type[ApiError]]] = {
    400: Invalid,
    401: Refused,
    403: Refused,
    404: Missing,
    409: Taken,
    410: Gone,
    422: Invalid,
    429: Unreachable,
}


@dataclass(frozen=True, slots=True)
class Listing:
    manifests: tuple[Manifest, ...]
    version: int
    """resourceVersion of the whole list."""


def error_of(status: int, body: bytes) -> ApiError:
    try:
        answer = json.loads(body)
        reason, message = str(answer.get("reason", "")), str(answer.get("message", ""))
        causes = (answer.get("details") or {}).get("causes") or ()
    except (ValueError, AttributeError):
        reason, message, causes = "", body[:200].decode("utf-8", "replace"), ()
    found = _CLASSES.get(status, Unreachable if status >= 500 else ApiError)
    if found is Refused and "exceeded quota" in message:
        found = QuotaExceeded
    elif found is Refused and any(c.get("reason") == "NamespaceTerminating" for c in causes):
        found = NamespaceEnding
    return found(status, reason, message or f"HTTP {status}")


@dataclass(frozen=True, slots=True)
class Event:
    type: Literal["ADDED", "MODIFIED", "DELETED"]
    manifest: Manifest


def _event(line: bytes) -> Event:
    said = json.loads(line)
    if said["type"] == "ERROR":
        raise error_of(int(said["object"].get("code", 500)), json.dumps(said["object"]).encode())
    return Event(said["type"], said["object"])


class Cluster:
    def __init__(self, *, credentials: Credentials, session: aiohttp.ClientSession) -> None:
        self._credentials = credentials
        self._session = session

    async def list(
        self, resource: Resource, *, namespace: str | None = None, fields: str = ""
    ) -> Listing:
        for _ in range(3):
            try:
                return await self._pages(resource, namespace, fields)
            except Gone:
                # The list outlived its snapshot: from the start again.
                continue
        return await self._pages(resource, namespace, fields)

    async def get(self, resource: Resource, namespace: str, name: str) -> Manifest:
        return await self._request("GET", resource.path(namespace, name))

    async def create(self, resource: Resource, manifest: Manifest, *, manager: str) -> Manifest:
        path = resource.path(manifest["metadata"].get("namespace"))
        return await self._request("POST", path, query={"fieldManager": manager}, body=manifest)

    async def apply(
        self, resource: Resource, manifest: Manifest, *, manager: str, subresource: str = ""
    ) -> Manifest:
        """Forced server-side apply; `metadata.uid` in the manifest makes it fail elsewhere."""
        metadata = manifest["metadata"]
        return await self._request(
            "PATCH",
            resource.path(metadata.get("namespace"), metadata["name"], subresource),
            query={"fieldManager": manager, "force": "true"},
            body=manifest,
            media=APPLY,
        )

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: object,
        *,
        manager: str,
        media: str = MERGE,
        subresource: str = "",
    ) -> Manifest:
        path = resource.path(namespace, name, subresource)
        return await self._request(
            "PATCH", path, query={"fieldManager": manager}, body=body, media=media
        )

    async def replace(self, resource: Resource, manifest: Manifest, *, manager: str) -> Manifest:
        """PUT: fails with Taken when the object changed since it was read."""
        metadata = manifest["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"])
        return await self._request("PUT", path, query={"fieldManager": manager}, body=manifest)

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> None:
        """Only that very object; already gone is well."""
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self._request("DELETE", resource.path(namespace, name), body=body)
        except Missing:
            return

    async def watch(self, resource: Resource, version: int) -> AsyncIterator[Event]:
        """What happens after `version`, until the API server ends it.  Raises Gone where that is
        too long ago."""
        query = {
            "watch": "true",
            "resourceVersion": str(version),
            "timeoutSeconds": str(WATCH_SECONDS),
            **({"labelSelector": resource.selector} if resource.selector else {}),
        }
        waiting = aiohttp.ClientTimeout(total=WATCH_SECONDS + TIMEOUT)
        try:
            async with self._session.request(
                "GET",
                self._credentials.server + resource.path(None),
                params=query,
                headers={"Accept": "application/json", **await self._credentials.headers()},
                timeout=waiting,
            ) as answer:
                if answer.status >= 400:
                    raise error_of(answer.status, await answer.read())
                rest = b""
                async for chunk in answer.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield _event(line)
        except (TimeoutError, aiohttp.ClientError, OSError) as err:
            raise Unreachable(0, "Unreachable", f"the API server does not answer: {err!r}") from err

    async def read(self, path: str) -> Manifest:
        """A document beside the resources, for example the token issuer's keys."""
        return await self._request("GET", path)

    async def _pages(self, resource: Resource, namespace: str | None, fields: str) -> Listing:
        query = {"limit": str(CHUNK)}
        if resource.selector:
            query["labelSelector"] = resource.selector
        if fields:
            query["fieldSelector"] = fields
        found: list[Manifest] = []
        while True:
            page = await self._request("GET", resource.path(namespace), query=query)
            # Items of a list bear no kind of their own.
            kind = {"apiVersion": resource.api_version, "kind": resource.kind}
            found += [{**kind, **item} for item in page.get("items") or ()]
            version = int(page["metadata"].get("resourceVersion") or 0)
            if not (proceed := page["metadata"].get("continue")):
                return Listing(tuple(found), version)
            query["continue"] = proceed

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        media: str = "application/json",
    ) -> Manifest:
        headers = {"Accept": ACCEPT, **await self._credentials.headers()}
        if body is not None:
            headers["Content-Type"] = media
        try:
            async with self._session.request(
                method,
                self._credentials.server + path,
                params=query,
                data=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            ) as answer:
                raw = await answer.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as err:
            raise Unreachable(0, "Unreachable", f"the API server does not answer: {err!r}") from err
        if answer.status >= 400:
            raise error_of(answer.status, raw)
        return json.loads(raw) if raw else {}


@asynccontextmanager
async def connect(credentials: Credentials, agent: str) -> AsyncIterator[Cluster]:
    connector = aiohttp.TCPConnector(limit=32, ssl=credentials.tls or True)
    async with aiohttp.ClientSession(connector=connector, headers={"User-Agent": agent}) as session:
        yield Cluster(credentials=credentials, session=session)
