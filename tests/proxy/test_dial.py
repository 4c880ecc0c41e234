"""Connections to servers that are not beside the proxy: whom they reach, and whom they trust."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from tests.proxy.certificates import DAY, Authority, terminated
from tests.proxy.conditions import PATIENCE
from tests.proxy.test_upstream import Server

from ostiary_proxy import config, dial
from ostiary_proxy.dial import Dial, Place
from ostiary_proxy.pool import Pool
from ostiary_proxy.upstream import Connection, UnreachableError
from ostiary_proxy.upstream_files import UpstreamFiles

NAME = "mcp.saas.example"
ASK = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Trap:
    """Counts who connects to this machine, and stands in for places that are not on it."""

    port: int = 0
    connects: int = 0
    dialled: list[str] = field(default_factory=list)

    async def connect(self, place: Place) -> socket.socket:
        self.dialled.append(place.address)
        ours, theirs = socket.socketpair()
        theirs.close()
        ours.setblocking(False)
        return ours


@asynccontextmanager
async def trap() -> AsyncIterator[Trap]:
    made = Trap()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connects += 1
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


class Names:
    """A DNS server that answers each question with the next of its answers."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[Place]:
        self.asked.append(host)
        return [
            Place(
                socket.AF_INET6 if ":" in it else socket.AF_INET,
                (it, port, 0, 0) if ":" in it else (it, port),
            )
            for it in self.answers.pop(0)
        ]


async def pool_to(
    host: str, port: int, names: Names | None = None, trapped: Trap | None = None, **more: object
) -> Pool:
    values: dict[str, object] = {"source": "remote", "tls": False, **more}
    outside = config.Outside.model_validate(values)
    files = UpstreamFiles(outside, on_change=lambda: None)
    await files.look()
    pool = Pool()
    pool.dial = Dial(
        config.HttpBackend(host=host, port=port, outside=outside),
        outside,
        files,
        resolve=names.resolve if names else dial.resolve,
        connect=trapped.connect if trapped else dial.connect,
    )
    return pool


async def refusal(pool: Pool) -> UnreachableError:
    with pytest.raises(UnreachableError) as caught:
        await pool.request(ASK, safe=True, seconds=PATIENCE)
    return caught.value


async def test_an_answer_that_changes_between_check_and_connect_changes_nothing() -> None:
    """Security row 14: a rebinding name is first public, then loopback."""
    names = Names(["93.184.215.14"], ["127.0.0.1"], ["127.0.0.1"])
    async with trap() as trapped:
        pool = await pool_to(NAME, trapped.port, names, trapped)
        (await pool.dial(connection)).close()
        asked_once = list(names.asked)
        second = await refusal(pool)

        assert asked_once == [f"{NAME}."]
        assert trapped.dialled == ["93.184.215.14"]
        assert trapped.connects == 0
        assert second.reason == "AddressBlocked"
        assert second.message.startswith(f"{NAME} is 127.0.0.1, a loopback address:")


def connection() -> Connection:
    return Connection(asyncio.get_running_loop())


@pytest.mark.parametrize(
    "answers",
    [["93.184.215.14", "10.0.0.7"], ["::ffff:127.0.0.1"], ["fe80::1%lo"], ["64:ff9b::7f00:1"]],
    ids=["one among good ones", "mapped", "scoped", "translated"],
)
async def test_one_bad_address_refuses_the_name_and_nothing_is_connected(
    answers: list[str],
) -> None:
    async with trap() as trapped:
        pool = await pool_to(NAME, trapped.port, Names(answers), trapped)
        found = await refusal(pool)

        assert found.reason == "AddressBlocked"
        assert trapped.dialled == []
        assert trapped.connects == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "::1"])
async def test_no_spelling_of_this_machine_is_connected_to(host: str) -> None:
    async with trap() as trapped:
        pool = await pool_to(host, trapped.port)
        found = await refusal(pool)

        assert found.reason in ("AddressBlocked", "NameNotFound")
        assert trapped.connects == 0


async def test_a_cluster_network_in_the_internets_space_is_closed() -> None:
    async with trap() as trapped:
        closed = ("93.184.0.0/16",)
        pool = await pool_to(NAME, 443, Names(["93.184.215.14"]), trapped, closed=closed)

        assert "an address of this cluster" in (await refusal(pool)).message
        assert trapped.dialled == []


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    names = Names(["::1", "127.0.0.1"])
    pool = await pool_to("localhost", port, names, loopback=True)

    answered = await pool.request(ASK, safe=True, seconds=PATIENCE)

    assert answered.head.status == 200
    assert names.asked == ["localhost"]
    answered.close()
    listening.close()


async def test_a_name_without_an_address_is_said() -> None:
    pool = await pool_to("no-such-name.invalid", 443, Names([]))

    assert (await refusal(pool)).reason == "NameNotFound"


async def test_a_port_where_nobody_listens_is_said() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = await refusal(await pool_to("127.0.0.1", port, loopback=True))

    assert found.reason == "ConnectionRefused"
    assert found.message == f"127.0.0.1:{port} cannot be reached (nothing listens there)."


@asynccontextmanager
async def secure(
    tmp_path: Path, name: str, *, trusted: bool = True, lives: timedelta = DAY
) -> AsyncIterator[Pool]:
    """A pool to a TLS server that bears a certificate for `name`, dialled as `NAME`."""
    authority = Authority()
    bundle = tmp_path / "ca.crt"
    bundle.write_bytes((authority if trusted else Authority("another CA")).pem)
    server = Server()
    plain = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    context = authority.server(tmp_path, name, lives=lives)
    async with terminated(context, plain.sockets[0].getsockname()[1]) as port:
        names = Names(["127.0.0.1"])
        pool = await pool_to(NAME, port, names, loopback=True, tls=True, caFile=str(bundle))
        yield pool
        pool.close()
    plain.close()


async def test_a_server_that_the_bundle_vouches_for_is_trusted(tmp_path: Path) -> None:
    async with secure(tmp_path, NAME) as pool:
        answered = await pool.request(ASK, safe=True, seconds=PATIENCE)

        assert answered.head.status == 200
        assert await answered.chunk(PATIENCE) == b"ok"
        answered.close()


UNTRUSTED = {
    "wrong CA": ({"trusted": False}, NAME, "is signed by none of spec.upstream.caBundle"),
    "wrong name": ({}, "other.example", f"is not for {NAME}"),
    "expired": ({"lives": -DAY}, NAME, "has expired"),
}


@pytest.mark.parametrize(("how", "name", "words"), UNTRUSTED.values(), ids=UNTRUSTED)
async def test_a_server_that_is_not_trusted_is_sent_nothing(
    tmp_path: Path, how: dict[str, object], name: str, words: str
) -> None:
    async with secure(tmp_path, name, **how) as pool:  # type: ignore[arg-type]
        found = await refusal(pool)

    assert found.reason == "CertificateRefused"
    assert words in found.message


async def test_the_systems_cas_do_not_trust_a_stranger(tmp_path: Path) -> None:
    plain = await asyncio.start_server(Server().serve, "127.0.0.1", 0)
    context = Authority().server(tmp_path, "localhost")
    async with terminated(context, plain.sockets[0].getsockname()[1]) as port:
        names = Names(["127.0.0.1"])
        pool = await pool_to("localhost", port, names, loopback=True, tls=True)
        found = await refusal(pool)
    plain.close()

    assert found.reason == "CertificateRefused"
    assert "none of the system's CAs" in found.message


async def test_a_server_without_tls_is_not_spoken_to_in_the_clear() -> None:
    heard = b""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += await reader.read(65536)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    listening = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    pool = await pool_to("localhost", port, Names(["127.0.0.1"]), loopback=True, tls=True)
    found = await refusal(pool)
    listening.close()

    assert found.reason == "TLSFailed"
    assert b"POST" not in heard


async def test_files_that_cannot_be_used_keep_every_connection_from_being_made(
    tmp_path: Path,
) -> None:
    async with trap() as trapped:
        header = {"name": "x-api-key", "file": str(tmp_path / "missing")}
        pool = await pool_to("127.0.0.1", trapped.port, loopback=True, headers=(header,))
        found = await refusal(pool)

        assert found.reason == "CredentialsUnreadable"
        assert trapped.connects == 0


async def test_a_service_of_the_cluster_is_resolved_with_the_pods_own_search_list() -> None:
    async with trap() as trapped:
        names = Names(["10.96.4.1"], ["169.254.169.254"])
        pool = await pool_to("notes.tools.svc", 8080, names, trapped, source="service")
        (await pool.dial(connection)).close()
        found = await refusal(pool)

        assert names.asked == ["notes.tools.svc"] * 2
        assert trapped.dialled == ["10.96.4.1"]
        assert found.reason == "AddressBlocked"
