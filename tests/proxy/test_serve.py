"""A whole proxy in this process: real server behind it, real sockets before it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.proxy import signing
from tests.proxy.conditions import PATIENCE, until
from tests.proxy.documents import TIME_SERVER, document, everyone, server
from tests.proxy.signing import bearer, claims, sign
from tests.proxy.wire import Answer, Wire, ask

from ostiary_proxy import config
from ostiary_proxy.serve import Proxy

PATH = "/tools/time/mcp"


def local_document(generation: int = 1, *tools: str, **more: Any) -> config.ProxyConfig:
    values: dict[str, Any] = {
        "path": PATH,
        "backend": TIME_SERVER,
        "policies": (everyone(*tools),),
        **more,
    }
    return document(
        generation,
        role="local",
        issuers=(signing.issuer(kind="local"),),
        servers=(server(**values),),
        drainSeconds=20,
    )


def local_token() -> bytes:
    body = claims(iss=signing.LOCAL_ISSUER, aud=["ostiary.dev/local"])
    return bearer(sign(body))


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    with (tmp_path / "audit").open("wb") as stream:
        async with Proxy(
            role="local", audit_stream=stream, admin_port=0, accept_seconds=0.0
        ) as made:
            yield made


class Client:
    """A legacy client of the endpoint, on one kept connection."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._headers: dict[str, str | bytes] = {
            "Authorization": local_token(),
            "Accept": "application/json, text/event-stream",
            "Content_Type": "application/json",
        }

    async def post(self, method: str, *, number: int | None = 1, **params: Any) -> Answer:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        return await self._wire.ask("POST", PATH, orjson.dumps(message), **self._headers)

    async def begin(self) -> Answer:
        """A server that still starts is asked again, as its Retry-After wants it."""
        async with asyncio.timeout(PATIENCE):
            while (answer := await self._begin()).status == 503:  # noqa: ASYNC110 -- its process tells nobody
                await asyncio.sleep(int(answer.headers["retry-after"]))
        assert answer.status == 200, answer.body
        self._headers["Mcp_Session_Id"] = answer.headers["mcp-session-id"]
        self._headers["MCP_Protocol_Version"] = "2025-06-18"
        await self.post("notifications/initialized", number=None)
        return answer

    async def _begin(self) -> Answer:
        return await self.post(
            "initialize",
            protocolVersion="2025-06-18",
            capabilities={},
            clientInfo={"name": "test", "version": "1"},
        )

    async def now(self) -> Answer:
        arguments = {"timezone": "Europe/Paris"}
        return await self.post("tools/call", name="get_current_time", arguments=arguments)


async def test_a_real_server_is_called_through_the_proxy(proxy: Proxy) -> None:
    proxy.apply(local_document())
    async with Wire(proxy.port) as wire:
        client = Client(wire)

        first = await client.begin()
        answer = await client.now()

    assert first.json["result"]["serverInfo"]["name"] == "mcp-time"
    assert "Europe/Paris" in answer.json["result"]["content"][0]["text"]
    await until(lambda: proxy.reports()[0].state == "Ready")
    assert {tool.name for tool in proxy.reports()[0].tools} == {"get_current_time", "convert_time"}


async def test_a_new_config_is_in_force_at_the_next_request_and_keeps_the_session(
    proxy: Proxy,
) -> None:
    proxy.apply(local_document())
    async with Wire(proxy.port) as wire:
        client = Client(wire)
        await client.begin()
        assert (await client.now()).json["result"]

        proxy.apply(local_document(2, "convert_time"))
        refused = await client.now()
        listed = await client.post("tools/list")
        proxy.apply(local_document(3))
        again = await client.now()

    assert refused.json["error"]["code"] == -32602
    assert [tool["name"] for tool in listed.json["result"]["tools"]] == ["convert_time"]
    assert again.json["result"]


async def test_a_config_that_makes_no_sense_leaves_the_one_before_in_force(proxy: Proxy) -> None:
    proxy.apply(local_document())

    with pytest.raises(ValueError, match=r"servers\[0\]\.path: must begin with a slash"):
        proxy.apply(local_document(2, path="time"))

    assert proxy.runtime.snapshot is not None
    assert proxy.runtime.snapshot.generation == 1


async def test_readiness_tells_what_the_proxy_waits_for(proxy: Proxy) -> None:
    nothing = await ask(proxy.admin_port, "GET", "/readyz")
    closed = config.HttpBackend(port=_free_port())
    proxy.apply(local_document(backend=closed))
    waiting = await ask(proxy.admin_port, "GET", "/readyz")
    proxy.apply(local_document(2))
    starting = await ask(proxy.admin_port, "GET", "/readyz")
    await until(proxy.backends.ready)
    ready = await ask(proxy.admin_port, "GET", "/readyz")
    await proxy.drain.run()
    leaving = await ask(proxy.admin_port, "GET", "/readyz")

    assert nothing.body == b"not ready: config\n"
    assert waiting.body == starting.body == b"not ready: backend\n"
    assert ready.body == b"ready\n"
    assert leaving.status == 503
    assert b"draining" in leaving.body


async def test_the_metrics_tell_the_state_of_the_proxy(proxy: Proxy) -> None:
    proxy.apply(local_document(7))
    async with Wire(proxy.port) as wire:
        await Client(wire).begin()

    text = (await ask(proxy.admin_port, "GET", "/metrics")).body.decode()

    assert "ostiary_config_generation 7.0" in text
    assert "ostiary_audit_dropped_total 0.0" in text
    assert 'method="initialize",outcome="allowed",server="tools/time"' in text


async def test_while_it_drains_a_kept_connection_is_told_to_close(tmp_path: Path) -> None:
    with (tmp_path / "audit").open("wb") as stream:
        async with (
            Proxy(role="local", audit_stream=stream, accept_seconds=3600) as proxy,
            Wire(proxy.port) as wire,
            asyncio.TaskGroup() as group,
        ):
            proxy.apply(local_document())
            client = Client(wire)
            before = await client.begin()
            draining = group.create_task(proxy.drain.run())
            await until(lambda: proxy.runtime.draining)

            during = await client.now()

            assert "connection" not in before.headers
            assert during.json["result"]
            assert during.headers["connection"] == "close"
            assert await wire.ended()
            draining.cancel()


async def test_after_the_drain_the_port_is_closed(proxy: Proxy) -> None:
    proxy.apply(local_document())
    async with Wire(proxy.port) as idle:
        await Client(idle).begin()

        await proxy.drain.run()

        assert await idle.ended()
    with pytest.raises(ConnectionRefusedError):
        await ask(proxy.port, "GET", "/")


async def test_a_taken_port_is_an_error_that_leaves_nothing_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, (tmp_path / "a").open("wb") as stream:
        busy = Proxy(role="local", audit_stream=stream, port=taken.getsockname()[1])

        with pytest.raises(OSError, match="in use"):
            await busy.__aenter__()


async def test_each_refusal_and_each_call_is_one_line_of_the_audit(
    proxy: Proxy, tmp_path: Path
) -> None:
    proxy.apply(local_document(1, "convert_time"))
    async with Wire(proxy.port) as wire:
        client = Client(wire)
        await client.begin()
        refused = await client.now()
        nobody = await wire.ask("POST", PATH, b"{}", Content_Type="application/json")

    def events() -> list[dict[str, Any]]:
        lines = map(orjson.loads, (tmp_path / "audit").read_bytes().splitlines())
        # On a busy machine a server's first answer may take so long that it is told of before.
        return [line for line in lines if line["event"] != "decision"]

    await until(lambda: len(events()) >= 5)
    start, *rest = events()
    assert start["event"] == "chain.start"
    assert [event["outcome"] for event in rest].count("allowed") == 2
    assert [event["outcome"] for event in rest].count("denied") == 2
    ids = [event["id"] for event in rest]
    for answer in (refused, nobody):
        assert ids.count(answer.json["error"]["data"]["ostiary.dev/refusal"]) == 1


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
