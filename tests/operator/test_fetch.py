"""The guarded fetch: security row 14 for the URLs of issuers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.operator.identity_provider import Provider, provider
from tests.proxy.certificates import Authority

from ostiary_operator import fetch
from ostiary_operator.fetch import LARGEST, Fetcher, FetchFailed

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def fetcher(found: Provider, **more: Any) -> Fetcher:
    return Fetcher(**{"loopback": True, "ca": found.ca, **more})


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[tuple[Provider, Fetcher]]:
    async with provider() as found:
        found.documents["/x"] = answer
        yield found, fetcher(found)


async def refused(fetcher: Fetcher, url: str) -> FetchFailed:
    with pytest.raises(FetchFailed) as caught:
        await fetcher.json(url)
    return caught.value


async def test_a_document_is_fetched_from_who_bears_the_right_certificate() -> None:
    async with provider() as found:
        document = await fetcher(found).json(f"{found.url}/certs")

    assert document["keys"][0]["kid"] == "a"


async def test_a_chunked_answer_is_read_whole() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        stream.enable_chunked_encoding()
        await stream.prepare(request)
        for part in (b'{"a', b'": [1', b"]}"):
            await stream.write(part)
        return stream

    async with answering(answer) as (found, it):
        assert await it.json(f"{found.origin}/x") == {"a": [1]}


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/x",
        "ftp://localhost/x",
        "file:///etc/passwd",
        "//localhost/x",
        "https:///x",
        "https://user:word@localhost/x",
        "https://localhost:port/x",
        "https://local host/x",
        "https://localhost/\r\nX: y",
        "https://[::1/x",
        "https://localhost/" + "x" * 3000,
    ],
)
async def test_only_a_plain_https_url_is_asked(url: str) -> None:
    assert "metadata names a URL" in str(await refused(Fetcher(loopback=True), url))


PLACES = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "169.254.169.254",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "168.63.129.16",
    "100.64.0.1",
    "10.96.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "[fc00::1]",
    "224.0.0.1",
    "255.255.255.255",
    "localhost",
)


@pytest.mark.parametrize("host", PLACES)
async def test_an_address_that_is_not_on_the_internet_is_never_connected_to(host: str) -> None:
    """However it is written; the address is judged after the name is looked up."""
    why = await refused(Fetcher(), f"https://{host}:9/x")

    assert " is a" in str(why)
    assert why.status == 0


@pytest.mark.parametrize("host", ["10.96.0.1", "192.168.1.1", "[fc00::1]"])
async def test_a_private_address_is_for_the_host_that_the_settings_excuse(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.05)
    bare = host.strip("[]")

    excused = await refused(Fetcher(private_host=bare), f"https://{host}:9/x")
    other = await refused(Fetcher(private_host="id.example"), f"https://{host}:9/x")

    assert "private: true" not in str(excused)
    assert "private: true" in str(other)


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "168.63.129.16", "0.0.0.0"])
async def test_being_private_excuses_nothing_else(host: str) -> None:
    assert " is a" in str(await refused(Fetcher(private_host=host), f"https://{host}:9/x"))


async def test_the_clusters_own_addresses_are_closed() -> None:
    why = await refused(Fetcher(closed=("8.8.8.0/24",)), "https://8.8.8.8:9/x")

    assert "an address of this cluster" in str(why)


async def test_a_redirect_is_not_followed() -> None:
    async def away(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"location": "/elsewhere"})

    async with answering(away) as (found, it):
        why = await refused(it, f"{found.origin}/x")

    assert why.status == 302
    assert "/elsewhere" not in found.asked


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b'"x"', b"", b"\xff", b"[" * 100_000, b'{"a": "' + b"x" * LARGEST + b'"}'],
    ids=["html", "list", "text", "nothing", "binary", "deep", "large"],
)
async def test_what_is_no_json_object_of_a_decent_size_is_refused(body: bytes) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    async with answering(answer) as (found, it):
        why = await refused(it, f"{found.origin}/x")

    assert len(str(why)) < 100
    assert "xx" not in str(why)


async def test_an_answer_that_goes_on_is_cut() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        for _ in range(64):
            await stream.write(b" " * 65_536)
        return stream

    async with answering(endless) as (found, it):
        assert str(LARGEST) in str(await refused(it, f"{found.origin}/x"))


async def test_who_does_not_answer_is_waited_for_no_longer_than_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.2)
    never = asyncio.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    async with answering(silent) as (found, it):
        assert "did not answer" in str(await refused(it, f"{found.origin}/x"))


async def test_a_certificate_of_another_ca_or_name_is_not_trusted() -> None:
    async with provider() as found:
        stranger = fetcher(found, ca=Authority().pem.decode())
        system = fetcher(found, ca="")
        for it in (stranger, system):
            assert "not trusted" in str(await refused(it, f"{found.url}/certs"))
    async with provider("other.example") as found:
        assert "not trusted" in str(await refused(fetcher(found), f"{found.url}/certs"))
    assert found.asked == []


async def test_who_speaks_no_tls_or_no_http_is_told_so() -> None:
    async def chatter(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(chatter, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        why = await refused(Fetcher(loopback=True), f"https://localhost:{port}/x")
    assert "cannot be reached" in str(why)


async def test_nothing_listens_there() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()

    why = await refused(Fetcher(loopback=True), f"https://127.0.0.1:{port}/x")

    assert "cannot be reached" in str(why)
