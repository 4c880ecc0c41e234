"""A connection to a server that is not beside the proxy: resolve, check, connect to what was
checked.

The name is looked up once per connection, every address that it has is judged, and the socket goes
to the very address that was judged: an answer that changes in between changes nothing.  One bad
address among good ones refuses the name.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from ostiary_proxy.config import HttpBackend, Outside
from ostiary_proxy.guard import ServiceGuard, guard
from ostiary_proxy.upstream import Connection, UnreachableError
from ostiary_proxy.upstream_files import UpstreamFiles

DIAL_SECONDS: Final = 10.0
"""Name, connection and TLS together."""
MOST_ADDRESSES: Final = 4
"""Of a name with more, the first are tried."""
_EXPIRED: Final = 10
_WRONG_NAME: Final = frozenset({62, 64})
_UNKNOWN_CA: Final = frozenset({2, 18, 19, 20, 21, 27})
"""OpenSSL's X509_V_ERR_*."""


@dataclass(frozen=True, slots=True)
class Place:
    """One address, as `connect` wants it."""

    family: int
    sockaddr: Any

    @property
    def address(self) -> str:
        return str(self.sockaddr[0])


Resolve = Callable[[str, int], Awaitable[Sequence[Place]]]
Connect = Callable[[Place], Awaitable[socket.socket]]


async def resolve(host: str, port: int) -> Sequence[Place]:
    """By the system.  Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Place(family, sockaddr) for family, _, _, _, sockaddr in found]


async def connect(place: Place) -> socket.socket:
    """Raises OSError."""
    sock = socket.socket(place.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, place.sockaddr)
    except BaseException:  # a cancelled call too
        sock.close()
        raise
    return sock


class Dial:
    """Opens connections to one backend."""

    def __init__(
        self,
        backend: HttpBackend,
        outside: Outside,
        files: UpstreamFiles,
        *,
        resolve: Resolve = resolve,
        connect: Connect = connect,
    ) -> None:
        self._host, self._port, self._outside = backend.host, backend.port, outside
        self._files = files
        self._resolve, self._connect = resolve, connect
        self._refusal = guard(outside.closed, loopback=outside.loopback).refusal
        if outside.source == "service":
            self._refusal = ServiceGuard(loopback=outside.loopback).refusal

    async def __call__(self, make: Callable[[], Connection]) -> Connection:
        """Raises UnreachableError, with a sentence for the owner."""
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                await self._files.ready()
                return await self._first_of(await self._places(), make)
        except TimeoutError as err:
            why = f"No connection to {self._where} came about within {DIAL_SECONDS:.0f} s."
            raise UnreachableError("NoAnswer", why) from err

    @property
    def _where(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._port}"

    async def _places(self) -> Sequence[Place]:
        """Where it is, once all of it is found good."""
        try:
            places = await self._look_up()
        except (OSError, UnicodeError) as err:
            why = f"{self._host} has no address: check the name."
            raise UnreachableError("NameNotFound", why) from err
        refused = [
            (place.address, kind)
            for place in places
            if (kind := self._refusal(place.address.partition("%")[0])) is not None
        ]
        if refused:
            address, kind = min(refused)
            which = "" if self._host == address else f"{address}, "
            why = f"{self._host} is {which}{kind}: {self._advice()}"
            raise UnreachableError("AddressBlocked", why)
        return places[:MOST_ADDRESSES]

    def _advice(self) -> str:
        if self._outside.source == "service":
            return "that is no Service of a cluster."
        return (
            "a remote is on the internet and is not connected to anywhere else. "
            "Write a server of this cluster as spec.service."
        )

    async def _look_up(self) -> Sequence[Place]:
        literal = _literal(self._host, self._port)
        if literal is not None:
            return [literal]
        found = await self._resolve(self._name(), self._port)
        if not found:
            raise OSError("no address")
        return found

    def _name(self) -> str:
        """A remote's name is whole: the search list of a pod would look inside the cluster first.
        A laptop's own names (`localhost`) are not in DNS."""
        whole = self._outside.source == "remote" and not self._outside.loopback
        return f"{self._host}." if whole else self._host

    async def _first_of(
        self, places: Sequence[Place], make: Callable[[], Connection]
    ) -> Connection:
        share = DIAL_SECONDS / (len(places) + 1)
        for last, place in enumerate(places, 1 - len(places)):
            try:
                async with asyncio.timeout(None if last == 0 else share):
                    return await self._open(place, make)
            except ssl.SSLError as err:
                raise self._refused_tls(err) from err
            except OSError as err:  # TimeoutError of this address is one, and so is a refusal
                if last == 0:
                    why = f"{self._where} cannot be reached ({_cause(err)})."
                    raise UnreachableError("ConnectionRefused", why) from err
        raise AssertionError("there is at least one place")

    async def _open(self, place: Place, make: Callable[[], Connection]) -> Connection:
        sock = await self._connect(place)
        context = self._files.context if self._outside.tls else None
        name = (self._outside.serverName or self._host) if context is not None else None
        loop = asyncio.get_running_loop()
        try:
            _, made = await loop.create_connection(
                make, sock=sock, ssl=context, server_hostname=name
            )
        except BaseException:  # a cancelled call too
            sock.close()
            raise
        return made

    def _refused_tls(self, err: ssl.SSLError) -> UnreachableError:
        name = self._outside.serverName or self._host
        if not isinstance(err, ssl.SSLCertVerificationError):
            why = f"{self._where} speaks no TLS that this proxy takes (1.2 or newer)."
            return UnreachableError("TLSFailed", why)
        code, says = err.verify_code, "its certificate is not valid"
        if code == _EXPIRED:
            says = "its certificate has expired"
        elif code in _WRONG_NAME:
            says = f"its certificate is not for {name}"
        elif code in _UNKNOWN_CA:
            trusted = "spec.upstream.caBundle" if self._outside.caFile else "the system's CAs"
            says = f"its certificate is signed by none of {trusted}"
        return UnreachableError("CertificateRefused", f"{self._where} is not trusted: {says}.")


def _literal(host: str, port: int) -> Place | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return Place(socket.AF_INET, (host, port))
    return Place(socket.AF_INET6, (host, port, 0, 0))


def _cause(err: OSError) -> str:
    if isinstance(err, ConnectionRefusedError):
        return "nothing listens there"
    return "no answer" if isinstance(err, TimeoutError) else err.strerror or "the network failed"
