"""A remote and a service behind a whole proxy, as clients and the owner see them."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.proxy.certificates import Authority, terminated
from tests.proxy.conditions import until
from tests.proxy.peers.everything import Peer
from tests.proxy.peers.scripted import Reply, Scripted, error, event
from tests.proxy.rig import Rig, rig, served
from tests.proxy.test_upstream_files import CANARY, write

from ostiary_proxy import config
from ostiary_proxy.asgi import Application
from ostiary_proxy.observe import Seen


def remote(port: int, *headers: config.HeaderFile, **more: Any) -> config.HttpBackend:
    values: dict[str, Any] = {"source": "remote", "tls": False, "loopback": True, **more}
    return config.HttpBackend(port=port, outside=config.Outside(headers=headers, **values))


@asynccontextmanager
async def remote_rig(
    app: Application, *headers: config.HeaderFile, protocol: Any = config.AUTO
) -> AsyncIterator[Rig]:
    async with served(app) as port:
        backend = remote(port, *headers).model_copy(update={"protocol": protocol})
        async with rig(backend) as made:
            yield made


def key_file(folder: Path, value: bytes = CANARY.encode()) -> config.HeaderFile:
    write(folder / "authorization", b"Bearer " + value + b"\n")
    return config.HeaderFile(name="authorization", file=str(folder / "authorization"))


async def test_a_remote_is_asked_nothing_before_somebody_calls() -> None:
    peer = Scripted()
    async with remote_rig(peer) as made:
        made.apply(limits=config.Limits(concurrency=7))  # nor does a newer config
        await asyncio.sleep(0)

        assert made.report.state == "Starting"
        assert made.report.reason == ""
        assert made.proxy.backends.ready()
        async with made.raw() as raw:
            called = await raw.legacy("tools/call", name="echo")
        await until(lambda: made.report.state == "Ready")

    assert called.status_code == 200
    assert [one.body["method"] for one in peer.seen] == ["server/discover", "tools/call"]


async def test_what_a_remote_is_comes_from_its_answers() -> None:
    peer = Scripted(eras=("legacy",), session="s1")
    async with remote_rig(peer) as made, made.client("legacy") as client:
        await client.list_tools()
        await until(lambda: made.report.toolCount == 2)

        report = made.report
        assert (report.serverName, report.serverVersion) == ("scripted", "1")
        assert report.protocol == "2025-11-25"
        assert len(peer.asked("initialize")) == 1


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_real_client_and_a_real_server_speak_through_it(mode: str) -> None:
    peer = Peer()
    async with peer.http() as app, remote_rig(app) as made, made.client(mode) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        answer = await client.call_tool("echo", {"text": "hello"})
        await until(lambda: made.report.toolCount == len(names))

    assert "echo" in names
    assert "hello" in str(answer.content)


NO = {
    "an error in JSON-RPC": lambda: Reply(400, error(1, -32601)),
    "an error with 200": lambda: Reply(200, error(1, -32601)),
    "a page": lambda: Reply(404, b"not found", "text/plain"),
    "a verb": lambda: Reply(405),
    "a stream": lambda: Reply(200, [event(error(1, -32601))], "text/event-stream"),
}


@pytest.mark.parametrize("says_no", NO.values(), ids=NO.keys())
async def test_the_first_legacy_client_of_a_modern_remote_is_served_too(
    says_no: Callable[[], Reply],
) -> None:
    """Its own handshake tells; it is asked for nothing that the remote has not been asked."""
    peer = Scripted(eras=("modern",), answers={"initialize": lambda _: says_no()})
    async with remote_rig(peer) as made, made.raw() as raw:
        first, second = await raw.initialize(), await raw.initialize()
        headers = {"mcp-session-id": first.headers["mcp-session-id"]}
        called = await raw.legacy("tools/call", name="echo", headers=headers)

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["result"]["protocolVersion"] == "2025-11-25"
    assert len(peer.asked("initialize")) == 1
    assert called.json()["result"]["method"] == "tools/call"


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_what_says_nothing_of_eras_is_not_taken_for_a_no(status: int) -> None:
    """Obligation 16."""
    peer = Scripted(eras=("modern",), answers={"initialize": lambda _: Reply(status, b"{}")})
    async with remote_rig(peer) as made, made.raw() as raw:
        first = await raw.initialize()
        assert known(made).legacy

    assert first.status_code >= 400


async def test_a_remote_of_both_eras_keeps_its_own_handshake() -> None:
    for session in ("s1", ""):
        peer = Scripted(session=session)
        async with remote_rig(peer) as made, made.raw() as raw:
            first = await raw.initialize()
            assert first.json()["result"]["serverInfo"]["name"] == "scripted"
            assert ("mcp-session-id" in first.headers) is bool(session)


async def test_a_modern_client_reaches_a_legacy_remote_with_the_owners_credential(
    tmp_path: Path,
) -> None:
    """Obligation 52, security row 1."""
    peer = Scripted(eras=("legacy",), session="s1")
    async with remote_rig(peer, key_file(tmp_path)) as made, made.raw() as raw:
        called = await raw.modern("tools/call", name="echo")

    assert called.json()["result"]["method"] == "tools/call"
    assert len(peer.asked("initialize")) == 1
    for one in peer.seen:
        assert one.headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize("pinned", ["2025-06-18", "2026-07-28"])
async def test_a_pinned_remote_is_spoken_to_in_that_era(pinned: str) -> None:
    peer = Scripted()
    async with remote_rig(peer, protocol=pinned) as made, made.raw() as raw:
        assert (await raw.modern("tools/call", name="echo")).status_code == 200
        assert (await raw.initialize()).status_code == 200

    spoken = "server/discover" if pinned == "2026-07-28" else "initialize"
    unspoken = "initialize" if pinned == "2026-07-28" else "server/discover"
    assert peer.asked(spoken)
    assert not peer.asked(unspoken)


def known(made: Rig) -> Seen:
    seen = next(iter(made.proxy.backends._by_path.values())).seen
    assert seen is not None
    return seen


async def test_the_owners_credential_goes_out_and_the_callers_never_does(tmp_path: Path) -> None:
    """Security row 1."""
    peer = Scripted()
    async with remote_rig(peer, key_file(tmp_path)) as made, made.raw() as raw:
        await raw.legacy("tools/call", name="echo", headers={"cookie": "caller", "baggage": "b=1"})

    for one in peer.seen:
        assert one.headers["authorization"] == f"Bearer {CANARY}"
        assert not {"cookie", "baggage"} & set(one.headers)


async def test_a_rotated_credential_is_used_without_a_restart(tmp_path: Path) -> None:
    peer = Scripted(eras=("legacy",), session="s1")
    header = key_file(tmp_path, b"one")
    async with remote_rig(peer, header) as made, made.client("legacy") as client:
        await client.list_tools()
        key_file(tmp_path, b"two")

        async def used() -> bool:
            await client.list_tools()
            return peer.seen[-1].headers["authorization"] == "Bearer two"

        async with asyncio.timeout(20):
            while not await used():
                pass

    assert len(peer.asked("initialize")) == 1


async def test_the_credential_is_nowhere_but_in_the_requests(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Security row 20: neither in logs, nor the report, the audit, the config, an answer."""
    peer = Scripted(answers={"tools/call": lambda _: Reply(401, b"{}")})
    with caplog.at_level(logging.DEBUG):
        async with remote_rig(peer, key_file(tmp_path)) as made, made.raw() as raw:
            answers = [
                await raw.legacy("tools/list"),
                await raw.legacy("tools/call", name="echo"),
                await raw.initialize(),
            ]
            said = made.report.model_dump_json()
            config_said = made.proxy.runtime.snapshot.config.model_dump_json()  # type: ignore[union-attr]

    assert CANARY in peer.seen[0].headers["authorization"]
    everything = [said, config_said, caplog.text, str(made.trail)]
    everything += [answer.text + str(answer.headers) for answer in answers]
    assert all(CANARY not in text for text in everything)


async def test_a_remote_that_refuses_the_credential_is_said_and_mended(tmp_path: Path) -> None:
    refused = {"it": True}

    def answer(_: object) -> Reply:
        return Reply(401, b"{}") if refused["it"] else Reply(400, error(1, -32601))

    peer = Scripted(eras=("legacy",), answers={"server/discover": answer})
    async with remote_rig(peer, key_file(tmp_path)) as made, made.raw() as raw:
        told = await raw.legacy("tools/call", name="echo")
        report = made.report
        refused["it"] = False
        mended = await raw.legacy("tools/call", name="echo")
        await made.ready()

    assert told.status_code == 502
    assert told.json()["error"]["message"].endswith("it wants credentials.")
    assert report.reason == "CredentialsRefused"
    assert "other credentials than spec.upstream.headers (HTTP 401)" in report.message
    assert mended.status_code == 200


async def test_a_credential_that_expires_later_shows_in_the_report(tmp_path: Path) -> None:
    peer = Scripted()
    async with remote_rig(peer, key_file(tmp_path)) as made, made.raw() as raw:
        await raw.legacy("tools/call", name="echo")
        await made.ready()
        peer.answers = dict.fromkeys(("tools/call", "server/discover"), lambda _: Reply(403, b"{}"))
        told = await raw.legacy("tools/call", name="echo")
        await until(lambda: made.report.reason == "CredentialsRefused")
        peer.answers = {}
        await raw.legacy("tools/call", name="echo")
        await made.ready()

    assert told.status_code == 502


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """Security row 14."""
    elsewhere = Scripted()
    async with served(elsewhere) as other:
        where = {"location": f"http://127.0.0.1:{other}/mcp"}
        peer = Scripted(eras=("legacy",), session="s1")
        async with remote_rig(peer) as made, made.raw() as raw:
            await raw.legacy("tools/list")
            answers = ("server/discover", "tools/call", "initialize")
            peer.answers = dict.fromkeys(answers, lambda _: Reply(status, b"", headers=where))
            told = await raw.legacy("tools/call", name="echo")
            await until(lambda: made.report.reason == "Redirected")
            words = made.report.message

    assert told.status_code == 502
    assert str(other) not in told.text + words
    assert elsewhere.seen == []


async def test_a_remote_that_cannot_be_reached_is_said_to_its_owner_alone() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    peer = Scripted()
    async with rig(remote(port)) as made, made.raw() as raw:
        told = await raw.legacy("tools/call", name="echo")
        report = made.report
        async with served(peer, port):
            mended = await raw.legacy("tools/call", name="echo")
            await made.ready()

    assert told.status_code == 503
    assert str(port) not in told.text.replace(made.url, "")
    assert report.reason == "ConnectionRefused"
    assert str(port) in report.message
    assert mended.status_code == 200


async def test_an_address_that_is_closed_is_generic_to_the_caller() -> None:
    backend = remote(9, loopback=False)
    async with rig(backend) as made, made.raw() as raw:
        told = await raw.legacy("tools/call", name="echo")
        report = made.report

    assert told.status_code == 503
    assert "loopback" not in told.text
    assert report.reason == "AddressBlocked"
    assert "spec.service" in report.message


async def test_a_remote_over_tls_is_spoken_to_by_its_name(tmp_path: Path) -> None:
    authority = Authority()
    write(tmp_path / "ca.crt", authority.pem)
    peer = Scripted()
    async with (
        served(peer) as plain,
        terminated(authority.server(tmp_path, "localhost"), plain) as port,
        rig(
            remote(port, tls=True, caFile=str(tmp_path / "ca.crt")).model_copy(
                update={"host": "localhost"}
            )
        ) as made,
        made.raw() as raw,
    ):
        called = await raw.legacy("tools/call", name="echo")
        write(tmp_path / "ca.crt", Authority("another").pem)
        await until(lambda: made.report.reason == "CertificateRefused")

    assert called.status_code == 200
    assert peer.seen[0].headers["host"] == f"localhost:{port}"


async def test_a_service_is_looked_at_as_any_server_of_ones_own(tmp_path: Path) -> None:
    peer = Scripted(eras=("legacy",), session="s1")
    async with served(peer) as port:
        # A Service's address is never loopback: the laptop's stand-in says so.
        outside = config.Outside(
            source="service", tls=False, loopback=True, headers=(key_file(tmp_path),)
        )
        async with rig(config.HttpBackend(port=port, outside=outside)) as made:
            await made.ready()

            assert made.report.toolCount == 2
            assert peer.seen[0].headers["authorization"] == f"Bearer {CANARY}"
