"""A whole proxy in front of a real server, in one process, with real sockets between them."""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx2
import orjson
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from tests.proxy import documents, signing
from tests.proxy.conditions import until
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ostiary_proxy import config
from ostiary_proxy.asgi import Application
from ostiary_proxy.listener import Listener, bind
from ostiary_proxy.serve import Proxy

PEERS = Path(__file__).parent / "peers"
PLANNER = "system:serviceaccount:agents:planner"
OTHER = "system:serviceaccount:agents:other"


def peer_command(name: str = "everything.py") -> tuple[str, ...]:
    return (sys.executable, str(PEERS / name))


def stdio(*command: str, **more: Any) -> config.StdioBackend:
    return config.StdioBackend(command=command or peer_command(), **more)


def subject(name: str) -> config.Subject:
    return config.Subject(kind="serviceAccount", names=(name,), namespaces=None)


def policy(
    name: str = "*", tools: tuple[str, ...] = ("*",), deny: tuple[str, ...] = ()
) -> config.Policy:
    allow = config.Allow(tools=tools, resources=("memo:one",), prompts=("*",))
    rule = config.Rule(name="all", subjects=(subject(name),), allow=allow)
    denials = (config.Deny(tools=deny),) if deny else ()
    return config.Policy(namespace="tools", name="p", rules=(rule,), deny=denials)


ANYBODY = config.Policy(
    namespace="tools",
    name="anybody",
    rules=(
        config.Rule(
            name="anonymous",
            subjects=(config.Subject(kind="anonymous"),),
            allow=config.Allow(tools=("*",)),
        ),
    ),
)


@asynccontextmanager
async def served(app: Application, port: int = 0) -> AsyncIterator[int]:
    """Any ASGI application on a port."""
    listener = Listener(app, bind("127.0.0.1", port), protocol=HttpToolsProtocol)
    await listener.start()
    try:
        yield listener.port
    finally:
        await listener.close()


@dataclass
class Rig:
    proxy: Proxy
    audit: IO[bytes]
    trail: list[dict[str, Any]] = field(default_factory=list)
    """The audit, once the proxy is closed."""
    generation: int = 1
    values: dict[str, Any] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}/mcp"

    @property
    def port(self) -> int:
        return self.proxy.port

    def apply(self, **values: Any) -> None:
        """A newer config: the same but for these fields of the server, or its `audit`."""
        self.values = {**(self.values or {}), **values}
        given = dict(self.values)
        whole = {"audit": given.pop("audit")} if "audit" in given else {}
        server = documents.server(**given)
        document = documents.document(self.generation, role="local", servers=(server,), **whole)
        self.proxy.apply(document)
        self.generation += 1

    @property
    def backend(self) -> Any:
        """Of the one server."""
        return next(iter(self.proxy.backends._by_path.values())).backend

    @property
    def report(self) -> config.ServerReport:
        return self.proxy.reports()[0]

    async def ready(self) -> None:
        await until(lambda: self.report.state == "Ready")

    def refusals(self) -> list[dict[str, Any]]:
        return [line for line in self.trail if line["event"] == "refusal"]

    def asked(self, method: str) -> list[dict[str, Any]]:
        """Calls and refusals, and nothing that was told of while it went on."""
        ended = [line for line in self.trail if line["event"] != "decision"]
        return [line for line in ended if line.get("method") == method]

    def calls(self) -> list[dict[str, Any]]:
        return [line for line in self.trail if line["event"] == "call"]

    @asynccontextmanager
    async def client(
        self, mode: str = "auto", who: str = PLANNER, **options: Any
    ) -> AsyncIterator[Client]:
        headers = {"authorization": f"Bearer {signing.sign(signing.claims(who))}"}
        timeout = httpx2.Timeout(30, read=300)
        async with (
            httpx2.AsyncClient(headers=headers, timeout=timeout) as http,
            Client(
                streamable_http_client(self.url, http_client=http), mode=mode, **options
            ) as client,
        ):
            yield client

    @asynccontextmanager
    async def raw(self, who: str | None = PLANNER) -> AsyncIterator["Raw"]:
        """A client that sends what it is told to."""
        headers = {"accept": "application/json, text/event-stream"}
        if who is not None:
            headers["authorization"] = f"Bearer {signing.sign(signing.claims(who))}"
        async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
            yield Raw(http, self.url)


NEW = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": NEW,
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass
class Raw:
    http: httpx2.AsyncClient
    url: str

    async def post(self, body: object, **headers: str) -> httpx2.Response:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        sent = {"content-type": "application/json", **dashed(headers)}
        return await self.http.post(self.url, content=content, headers=sent)

    async def legacy(self, method: str, ident: Any = 1, **more: Any) -> httpx2.Response:
        headers = more.pop("headers", {})
        return await self.post(request(method, ident, **more), **headers)

    async def modern(self, method: str, ident: Any = 1, **params: Any) -> httpx2.Response:
        return await self.post(modern(method, ident, **params), **modern_headers(method, params))

    async def initialize(self, version: str = "2025-11-25") -> httpx2.Response:
        return await self.legacy(
            "initialize",
            protocolVersion=version,
            capabilities={},
            clientInfo={"name": "raw", "version": "1"},
        )


def request(method: str, ident: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}


def modern(method: str, ident: Any = 1, **params: Any) -> dict[str, Any]:
    return request(method, ident, **{**params, "_meta": {**META, **params.get("_meta", {})}})


def modern_headers(method: str, params: dict[str, Any]) -> dict[str, str]:
    headers = {"mcp_protocol_version": NEW, "mcp_method": method}
    name = params.get("name") or params.get("uri")
    return {**headers, "mcp_name": name} if name else headers


def dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@asynccontextmanager
async def rig(
    backend: config.Backend, *, proxy: dict[str, Any] | None = None, **values: Any
) -> AsyncIterator[Rig]:
    """A proxy whose one server has this backend; everybody with a token may, unless told."""
    options = {"pod_uid": "pod-1", "accept_seconds": 0.0, **(proxy or {})}
    with tempfile.TemporaryFile() as audit:
        async with Proxy(role="local", audit_stream=audit, **options) as served_by:
            made = Rig(
                served_by, audit, values={"backend": backend, "policies": (policy(),), **values}
            )
            made.apply()
            yield made
        audit.seek(0)
        made.trail += [orjson.loads(line) for line in audit.read().splitlines()]


@asynccontextmanager
async def http_rig(app: Application, **values: Any) -> AsyncIterator[Rig]:
    async with (
        served(app) as port,
        rig(config.HttpBackend(port=port), **values) as made,
    ):
        await made.ready()
        yield made


@asynccontextmanager
async def stdio_rig(*command: str, **values: Any) -> AsyncIterator[Rig]:
    async with rig(stdio(*command), **values) as made:
        await made.ready()
        yield made
