"""The sidecar's TLS port: a real process, a Secret volume, clients that verify."""

import asyncio
import json
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.proxy.certificates import DAY, Authority
from tests.proxy.conditions import until, until_asked
from tests.proxy.documents import raw, server, session_key
from tests.proxy.rig import PLANNER, stdio
from tests.proxy.signing import bearer, claims, sign
from tests.proxy.test_sidecar import MASTER, Pod
from tests.proxy.volumes import project

NAME = "time.tools.svc"
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


class Secured(Pod):
    """A pod whose config asks for TLS."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tls_dir = folder / "tls"
        project(self.tls_dir, {})
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.tls_port = int(probe.getsockname()[1])

    def write(self, generation: int, **more: Any) -> None:
        values = {
            "keys": (session_key(0, MASTER),),
            "backend": stdio(),
            "hosts": (NAME,),
            **more,
        }
        content = raw(generation, servers=(server(**values),), drainSeconds=20, tls=True)
        project(self.config_dir, {"config.json": content})

    def show(self, pair: tuple[bytes, bytes]) -> None:
        project(self.tls_dir, dict(zip(("tls.crt", "tls.key"), pair, strict=True)))

    async def begin(self) -> None:
        project(self.keys_dir, {"0": MASTER})
        self.write(1)
        await self.start(OSTIARY_TLS_DIR=str(self.tls_dir), OSTIARY_TLS_PORT=str(self.tls_port))

    async def tls(self) -> Any:
        return (await self.status()).json["tls"]

    async def error(self) -> str:
        return str((await self.tls())["error"])

    def client(self, authority: Authority) -> httpx2.AsyncClient:
        """Comes to the port by the Service's name, and trusts one authority."""
        context = ssl.create_default_context(cadata=authority.pem.decode())
        token = bearer(sign(claims(PLANNER)))
        return httpx2.AsyncClient(verify=context, headers={"authorization": token}, timeout=30)

    async def serial(self, authority: Authority, name: str | None = NAME) -> int:
        """Of the certificate that a new connection is shown."""
        context = ssl.create_default_context(cadata=authority.pem.decode())
        context.check_hostname = False
        _, writer = await asyncio.open_connection(
            "127.0.0.1", self.tls_port, ssl=context, server_hostname=name or ""
        )
        shown = writer.get_extra_info("ssl_object").getpeercert()
        writer.close()
        return int(shown["serialNumber"], 16)


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Secured]:
    made = Secured(tmp_path)
    yield made
    await made.close()


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Service's name leads to this machine."""
    genuine = socket.getaddrinfo

    def lookup(host: Any, *arguments: Any, **options: Any) -> Any:
        here = host in (NAME, NAME.encode())
        return genuine("127.0.0.1" if here else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


async def test_it_is_not_ready_before_there_is_a_certificate(pod: Secured) -> None:
    await pod.begin()
    await until_asked(lambda: waits(pod, b"certificate"))
    await until_asked(lambda: says(pod, "tls.crt cannot be read"))
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", pod.tls_port)

    pod.show(Authority().pair(NAME, "time.tools"))
    await pod.becomes(200)
    seen = await pod.tls()
    assert seen["serving"]
    assert (seen["names"], seen["error"]) == ([NAME, "time.tools"], "")
    assert seen["notAfter"].endswith("Z")


async def waits(pod: Secured, word: bytes) -> bool:
    return word in await pod.becomes(503)


async def says(pod: Secured, words: str) -> bool:
    return words in await pod.error()


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
@pytest.mark.usefixtures("resolved")
async def test_clients_of_both_eras_call_over_it(pod: Secured, mode: str) -> None:
    authority = Authority()
    pod.show(authority.pair(NAME))
    await pod.begin()
    await pod.becomes(200)
    url = f"https://{NAME}:{pod.tls_port}/mcp"
    async with (
        pod.client(authority) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        names = {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("echo", {"text": "good morning"})

    assert "echo" in names
    assert not result.is_error

    def outcomes() -> list[str]:
        audited = [
            json.loads(line) for line in pod.out.read_bytes().rpartition(b"\n")[0].splitlines()
        ]
        return [it["outcome"] for it in audited if it.get("name") == "echo"]

    # A thread writes it, after the answer has gone.
    await until(lambda: outcomes() == ["allowed"])


@pytest.mark.usefixtures("resolved")
async def test_a_new_pair_is_served_without_a_restart_and_open_connections_stay(
    pod: Secured,
) -> None:
    old, new = Authority("old CA"), Authority("new CA")
    pod.show(old.pair(NAME))
    await pod.begin()
    await pod.becomes(200)
    url = f"https://{NAME}:{pod.tls_port}/mcp"
    async with pod.client(old) as kept, pod.client(new) as fresh:
        assert (await kept.post(url, content=PING)).status_code != 0
        with pytest.raises(httpx2.ConnectError):
            await fresh.post(url, content=PING)
        before = await pod.serial(old)

        pod.show(new.pair(NAME))
        await until_asked(lambda: serves(fresh, url))
        assert (await kept.post(url, content=PING)).status_code != 0
        assert await pod.serial(new) != before
        assert await pod.serial(new, None) == await pod.serial(new), "also to who asks for no name"


async def serves(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        return bool((await client.post(url, content=PING)).status_code)
    except httpx2.ConnectError:
        return False


CERTIFICATE, KEY = Authority().pair(NAME)
UNUSABLE = {
    "another key": ((CERTIFICATE, Authority().pair(NAME)[1]), "tls.key is not the key of tls.crt"),
    "no certificate": ((b"hello", KEY), "tls.crt holds no certificate in PEM"),
    "no key": ((CERTIFICATE, b"hello"), "tls.key holds no private key in PEM"),
    "turned round": ((KEY, CERTIFICATE), "tls.crt holds no certificate in PEM"),
    "broken key": ((CERTIFICATE, KEY[:100]), "tls.key"),
    "endless": ((CERTIFICATE * 1000, KEY), "tls.crt is longer than"),
}


@pytest.mark.parametrize("case", UNUSABLE)
async def test_what_cannot_be_used_is_said_and_the_older_pair_serves_on(
    pod: Secured, case: str
) -> None:
    pair, words = UNUSABLE[case]
    authority = Authority()
    pod.show(authority.pair(NAME))
    await pod.begin()
    await pod.becomes(200)
    before = await pod.serial(authority)

    pod.show(pair)
    await until_asked(lambda: says(pod, words))
    assert (await pod.tls())["serving"]
    assert await pod.serial(authority) == before
    said = "".join(pod.said) + json.dumps(await pod.tls())
    assert KEY.decode().splitlines()[1] not in said


async def test_an_expired_certificate_is_shown_with_its_date(pod: Secured) -> None:
    pod.show(Authority().pair(NAME, lives=-DAY))
    await pod.begin()
    await pod.becomes(200)
    assert (await pod.tls())["notAfter"] < "2100"


async def test_limits_hold_there_too(pod: Secured) -> None:
    authority = Authority()
    pod.show(authority.pair(NAME))
    await pod.begin()
    await pod.becomes(200)
    context = ssl.create_default_context(cadata=authority.pem.decode())
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", pod.tls_port, ssl=context, server_hostname=NAME
    )
    writer.write(b"POST /mcp HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 30)
    assert answer.startswith(b"HTTP/1.1 431 ")
    writer.close()
    # and what speaks no TLS is sent away
    reader, writer = await asyncio.open_connection("127.0.0.1", pod.tls_port)
    writer.write(b"GET /mcp HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"HTTP" not in await asyncio.wait_for(reader.read(), 30)
    writer.close()


async def test_a_drain_closes_it(pod: Secured) -> None:
    pod.show(Authority().pair(NAME))
    await pod.begin()
    await pod.becomes(200)
    pod.process.send_signal(signal.SIGTERM)
    assert await pod.ends() == 0
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", pod.tls_port)
