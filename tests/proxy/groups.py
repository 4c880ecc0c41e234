"""A member of a group for the tests: a real proxy as in a pod, and requests from any address."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from tests.proxy import documents
from tests.proxy.conditions import until
from tests.proxy.peers.scripted import Scripted
from tests.proxy.rig import PLANNER, modern, modern_headers, policy, request, served
from tests.proxy.signing import AUDIENCE, bearer, claims, sign
from tests.proxy.wire import Answer, Wire

from ostiary_proxy import config
from ostiary_proxy.serve import Proxy

GATEWAY = "127.0.0.9"
"""The address of the group's gateway; every other one is somebody else's."""
ELSEWHERE = "127.0.0.8"
GROUP_AUDIENCE = "http://everyday-group.agents.svc/mcp"
PODS = "everyday-group-pods.agents.svc"
READER = "system:serviceaccount:agents:everyday-group"
LINK = config.GroupLink(
    namespace="agents",
    name="everyday",
    uid="g-1",
    alias="time",
    audiences=(GROUP_AUDIENCE, "http://everyday-group.agents.svc/servers/time/mcp"),
    pods=PODS,
    subject=READER,
)
KEY = "0123456789abcdef" * 2
OTHER_KEY = "f" * 32
TYPES = {"Content_Type": "application/json", "Accept": "application/json, text/event-stream"}


def token(who: str = PLANNER, audience: str = AUDIENCE) -> str:
    return sign(claims(who, aud=[audience]))


def reader() -> str:
    """The gateway's own."""
    return token(READER, config.CATALOGUE_AUDIENCE)


def hello(capabilities: dict[str, Any] | None = None) -> dict[str, Any]:
    info = {"name": "raw", "version": "1"}
    given = capabilities or {}
    return request("initialize", protocolVersion="2025-11-25", capabilities=given, clientInfo=info)


@dataclass
class Member:
    proxy: Proxy
    values: dict[str, Any]
    names: dict[str, frozenset[str] | OSError]
    trail: list[dict[str, Any]] = field(default_factory=list)
    """The audit, once the proxy is closed."""
    generation: int = 0

    def apply(self, **values: Any) -> None:
        self.values |= values
        self.generation += 1
        role, made = self.proxy.runtime.role, documents.server(**self.values)
        self.proxy.apply(documents.document(self.generation, role=role, servers=(made,)))

    def wire(self, local: str = GATEWAY) -> Wire:
        """A connection from that address."""
        return Wire(self.proxy.port, "127.0.0.1", local)

    async def ask(
        self, body: object = b"", given: str | None = "", *, key: str = "", **more: str
    ) -> Answer:
        """From the gateway, or from `local`, by POST, or by `verb`.  `given`: the token; None: no
        Authorization; empty: one that is good for the group."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        local, verb = more.pop("local", GATEWAY), more.pop("verb", "POST")
        async with self.wire(local) as wire:
            return await wire.ask(verb, "/mcp", content, **headers_of(given, key, **more))

    async def call(self, name: str, key: str = KEY, given: str = "", **more: str) -> Answer:
        return await self.ask(request("tools/call", 1, name=name), given, key=key, **more)

    async def modern(self, method: str, given: str = "", **more: Any) -> Answer:
        known = {name: more.pop(name) for name in ("key", "local") if name in more}
        headers = modern_headers(method, more)
        return await self.ask(modern(method, 1, **more), given, **known, **headers)

    def ended(self, event: str = "call") -> list[dict[str, Any]]:
        return [line for line in self.trail if line["event"] == event]


def headers_of(given: str | None = "", key: str = "", **more: str) -> dict[str, str | bytes]:
    made: dict[str, str | bytes] = {**TYPES, **more}
    if given is not None:
        made["Authorization"] = bearer(given or token(audience=GROUP_AUDIENCE))
    if key:
        made["Ostiary_Session"] = key
    return made


@asynccontextmanager
async def member(
    backend: config.Backend, *, role: Any = "sidecar", address: str = "", **values: Any
) -> AsyncIterator[Member]:
    """Of the one group, unless told.  `address`: of this pod, where there are others."""
    names: dict[str, frozenset[str] | OSError] = {PODS: frozenset({GATEWAY})}

    async def resolve(name: str) -> frozenset[str]:
        found = names.get(name, OSError("cannot tell"))
        if isinstance(found, OSError):
            raise found
        return found

    given = {"backend": backend, "policies": (policy(),), "groups": (LINK,), **values}
    with tempfile.TemporaryFile() as audit:
        async with Proxy(
            role=role,
            audit_stream=audit,
            pod_uid="pod-1",
            address=address,
            accept_seconds=0.0,
            resolve=resolve,
        ) as proxy:
            made = Member(proxy, given, names)
            made.apply()
            await until(lambda: proxy.reports()[0].state == "Ready")
            yield made
        audit.seek(0)
        made.trail += [orjson.loads(line) for line in audit.read().splitlines()]


@asynccontextmanager
async def http_member(app: Scripted, **values: Any) -> AsyncIterator[Member]:
    async with (
        served(app) as port,
        member(config.HttpBackend(port=port), **values) as made,
    ):
        yield made
