"""A group before real servers in one process: the local role, as `ostiary up` runs it."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import httpx2
import orjson
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from tests.proxy import documents, rig, signing
from tests.proxy.conditions import until

from ostiary_proxy import config
from ostiary_proxy.asgi import Application
from ostiary_proxy.serve import Proxy

GROUP = "group-uid"
AUDIENCE = "http://everyday-group.agents.svc/mcp"


def of(name: str, backend: config.Backend, **more: Any) -> config.Server:
    """A member that consents to the group."""
    values: dict[str, Any] = {
        "namespace": "tools",
        "name": name,
        "uid": f"uid-{name}",
        "path": f"/tools/{name}/mcp",
        "url": f"http://{name}.tools.svc/mcp",
        "audiences": (f"http://{name}.tools.svc/mcp",),
        "hosts": (f"{name}.tools.svc",),
        "backend": backend,
        "policies": (rig.policy(),),
        **more,
    }
    return config.Server(**{"groups": (link(values["name"]),), **values})


def link(alias: str) -> config.GroupLink:
    return config.GroupLink(
        namespace="agents",
        name="everyday",
        uid=GROUP,
        alias=alias,
        audiences=(AUDIENCE, f"http://everyday-group.agents.svc/servers/{alias}/mcp"),
        pods="",
        subject="system:serviceaccount:agents:everyday-group",
    )


def member(server: config.Server, **more: Any) -> config.Member:
    values: dict[str, Any] = {
        "alias": server.name,
        "namespace": server.namespace,
        "name": server.name,
        "uid": server.uid,
        "path": server.path,
        "policies": server.policies,
        "tools": server.tools,
        **more,
    }
    return config.Member(**values)


def group(members: Mapping[str, config.Member] | list[config.Member], **more: Any) -> config.Server:
    listed = tuple(members.values() if isinstance(members, Mapping) else members)
    values: dict[str, Any] = {
        key: more.pop(key) for key in ("naming", "onMemberFailure", "discovery") if key in more
    }
    ways = (f"http://everyday-group.agents.svc/servers/{one.alias}/mcp" for one in listed)
    return config.Server(
        **{
            "namespace": "agents",
            "name": "everyday",
            "uid": GROUP,
            "path": "/agents/everyday-group/mcp",
            "url": AUDIENCE,
            "audiences": (AUDIENCE, *ways),
            "hosts": ("everyday-group.agents.svc",),
            "backend": config.GroupBackend(members=listed, **values),
            **more,
        }
    )


@dataclass
class GroupRig:
    proxy: Proxy
    audit: IO[bytes]
    trail: list[dict[str, Any]] = field(default_factory=list)
    """The audit, once the proxy is closed."""
    generation: int = 1

    def apply(self, *servers: config.Server) -> None:
        document = documents.document(self.generation, role="local", servers=servers)
        self.proxy.apply(document)
        self.generation += 1

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}/agents/everyday-group/mcp"

    def way(self, alias: str) -> str:
        return f"http://127.0.0.1:{self.proxy.port}/agents/everyday-group/servers/{alias}/mcp"

    @property
    def report(self) -> config.ServerReport:
        return next(one for one in self.proxy.reports() if one.name == "everyday")

    async def ready(self) -> None:
        await until(lambda: all(one.state == "Ready" for one in self.report.members))

    def token(self, who: str = rig.PLANNER, audience: str = AUDIENCE) -> str:
        return signing.sign(signing.claims(who, aud=audience))

    @asynccontextmanager
    async def client(
        self, mode: str = "auto", who: str = rig.PLANNER, url: str = "", **options: Any
    ) -> AsyncIterator[Client]:
        audience = AUDIENCE
        if url:
            audience = f"http://everyday-group.agents.svc/servers/{url.split('/')[-2]}/mcp"
        headers = {"authorization": f"Bearer {self.token(who, audience)}"}
        timeout = httpx2.Timeout(30, read=300)
        async with (
            httpx2.AsyncClient(headers=headers, timeout=timeout) as http,
            Client(
                streamable_http_client(url or self.url, http_client=http), mode=mode, **options
            ) as client,
        ):
            yield client

    @asynccontextmanager
    async def raw(self, who: str | None = rig.PLANNER, url: str = "") -> AsyncIterator[rig.Raw]:
        headers = {"accept": "application/json, text/event-stream"}
        if who is not None:
            headers["authorization"] = f"Bearer {self.token(who)}"
        async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
            yield rig.Raw(http, url or self.url)


@asynccontextmanager
async def group_rig(*servers: config.Server) -> AsyncIterator[GroupRig]:
    """One proxy with all of these; the group is among them."""
    with tempfile.TemporaryFile() as audit:
        async with Proxy(
            role="local", audit_stream=audit, pod_uid="pod-1", accept_seconds=0.0
        ) as proxy:
            made = GroupRig(proxy, audit)
            made.apply(*servers)
            yield made
        audit.seek(0)
        made.trail += [orjson.loads(line) for line in audit.read().splitlines()]


def pair(**more: Any) -> tuple[config.Server, ...]:
    """Two servers over stdio, and a group of both."""
    one, other = of("clock", rig.stdio()), of("notes", rig.stdio())
    return one, other, group([member(one), member(other)], **more)


class LoneRig(rig.Rig):
    """A group of one member, under the member's own names: in the place of the member itself."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}/agents/everyday-group/mcp"


@asynccontextmanager
async def lone_rig(app: Application, **values: Any) -> AsyncIterator[LoneRig]:
    async with rig.served(app) as port:
        server = of("alone", config.HttpBackend(port=port), **values)
        whole = group([member(server)], naming=config.Naming(mode="Never"))
        # The same token as for the member, so that one client fits both.
        server, whole = (
            one.model_copy(update={"audiences": (*one.audiences, signing.AUDIENCE)})
            for one in (server, whole)
        )
        async with group_rig(server, whole) as made:
            await made.ready()
            yield LoneRig(made.proxy, made.audit)


def everything(app: Application, seen: list[dict[bytes, bytes]]) -> Application:
    """The same, with the headers of each request noted."""

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(dict(scope["headers"]))
        await app(scope, receive, send)

    return noting
