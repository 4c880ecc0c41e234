"""One JSON document by https from a host that the cluster admin named, or that such a host named.

Security row 14: https alone; the name is looked up once, every address judged, and the socket goes
to the very address that was judged; no redirects, no proxies, no credentials; 256 KiB and 5 seconds
for the whole of it.  What went wrong is said in a few fixed words: never a part of the answer.
"""

import asyncio
import http.client
import io
import json
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

from ostiary_proxy.guard import Guard, guard

SECONDS: Final = 5.0
LARGEST: Final = 256 * 1024
LARGEST_HEAD: Final = 32 * 1024
LONGEST_URL: Final = 2048
MOST_ADDRESSES: Final = 4
"""Of a name with more, the first are tried."""
_PRIVATE: Final = "a private address"
_CLUSTER: Final = "an address of this cluster"

Place = tuple[int, Any]
"""Family and address, as a socket wants them."""


class FetchFailed(Exception):
    """The message is for the cluster admin."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        """Of an answer that was none of what we want; 0: there was no answer."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """What a fetch may reach."""

    private_host: str = ""
    """The one host that may have a private address."""
    closed: tuple[str, ...] = ()
    """The cluster's own networks that lie in the internet's space."""
    loopback: bool = False
    """On a laptop an issuer may be a program beside this one."""
    ca: str = ""
    """PEM; empty: the system's."""

    async def json(self, url: str) -> dict[str, Any]:
        """Raises FetchFailed."""
        host, port, path = _parts(url)
        try:
            async with asyncio.timeout(SECONDS):
                raw = await self._exchange(host, port, path)
        except TimeoutError as err:
            raise FetchFailed(f"{host} did not answer within {SECONDS:.0f} s") from err
        except ssl.SSLCertVerificationError as err:
            raise FetchFailed(f"the certificate of {host} is not trusted") from err
        except (OSError, ssl.SSLError) as err:
            raise FetchFailed(f"{host} cannot be reached") from err
        return _document(host, raw)

    async def _exchange(self, host: str, port: int, path: str) -> bytes:
        sock = await _connected(await self._places(host, port))
        try:
            context = await asyncio.to_thread(self._context)
            reader, writer = await asyncio.open_connection(
                sock=sock, ssl=context, server_hostname=host
            )
        except BaseException:  # a cancelled fetch too
            sock.close()
            raise
        try:
            writer.write(_request(host, port, path))
            await writer.drain()
            return await _read(host, reader)
        finally:
            writer.transport.abort()

    async def _places(self, host: str, port: int) -> Sequence[Place]:
        """Where it is, once all of it is found good."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as err:
            raise FetchFailed(f"{host} has no address") from err
        judge = self._judge(host)
        for *_, address in found:
            kind = judge(str(address[0]).partition("%")[0])
            if kind is not None:
                raise FetchFailed(f"{host} is {kind}: {_advice(kind)}")
        return [(family, address) for family, *_, address in found][:MOST_ADDRESSES]

    def _judge(self, host: str) -> Callable[[str], str | None]:
        judge: Guard = guard(self.closed, loopback=self.loopback)

        def refusal(address: str) -> str | None:
            kind = judge.refusal(address)
            excused = kind in (_PRIVATE, _CLUSTER) and host == self.private_host
            return None if excused else kind

        return refusal

    def _context(self) -> ssl.SSLContext:
        """Blocking: the system's CAs are a file."""
        context = ssl.create_default_context(cadata=self.ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


async def _connected(places: Sequence[Place]) -> socket.socket:
    loop = asyncio.get_running_loop()
    last: OSError = OSError("no address")
    for family, address in places:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
        except OSError as err:
            sock.close()
            last = err
        except BaseException:  # a cancelled fetch too
            sock.close()
            raise
        else:
            return sock
    raise last


def _advice(kind: str) -> str:
    if kind in (_PRIVATE, _CLUSTER):
        return "write `private: true` for an issuer that is inside"
    return "no issuer is there"


def _parts(url: str) -> tuple[str, int, str]:
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise FetchFailed("the issuer's metadata names a URL that is none")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as err:
        raise FetchFailed("the issuer's metadata names a URL that is none") from err
    if parts.scheme != "https" or not host or parts.username is not None:
        raise FetchFailed("the issuer's metadata names a URL that is not https")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return host, port or 443, path


def _request(host: str, port: int, path: str) -> bytes:
    shown = f"[{host}]" if ":" in host else host
    named = shown if port == 443 else f"{shown}:{port}"
    return (
        f"GET {path} HTTP/1.1\r\nHost: {named}\r\nAccept: application/json\r\n"
        "User-Agent: ostiary\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


async def _read(host: str, reader: asyncio.StreamReader) -> bytes:
    """Until the end, which `Connection: close` asked for."""
    raw = bytearray()
    while chunk := await reader.read(65_536):
        raw += chunk
        if len(raw) > LARGEST + LARGEST_HEAD:
            raise FetchFailed(f"{host} answers with more than {LARGEST} bytes")
    return bytes(raw)


class _Read:
    """What was read, as `http.client` wants a socket."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._raw)


def _document(host: str, raw: bytes) -> dict[str, Any]:
    answer = http.client.HTTPResponse(cast(socket.socket, _Read(raw)), method="GET")
    try:
        answer.begin()
        body = answer.read(LARGEST + 1)
    except (http.client.HTTPException, ValueError, OSError) as err:
        raise FetchFailed(f"{host} does not answer in HTTP") from err
    if answer.status != 200:
        raise FetchFailed(f"{host} answers {answer.status}", status=answer.status)
    if len(body) > LARGEST:
        raise FetchFailed(f"{host} answers with more than {LARGEST} bytes", status=200)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise FetchFailed(f"{host} does not answer in JSON", status=200) from err
    if not isinstance(document, dict):
        raise FetchFailed(f"{host} does not answer with a JSON object", status=200)
    return document
