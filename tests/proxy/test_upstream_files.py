"""Header values and CA bundles: read from files, followed, and never shown."""

import asyncio
import logging
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.proxy.certificates import Authority
from tests.proxy.conditions import PATIENCE, until

from ostiary_proxy import config
from ostiary_proxy.upstream import UnreachableError
from ostiary_proxy.upstream_files import UpstreamFiles

CANARY = "canary-5c1f"


def write(file: Path, value: bytes) -> None:
    """As the kubelet does: the new bytes are there all at once."""
    draft = file.with_name(f".{file.name}")
    draft.write_bytes(value)
    os.replace(draft, file)


def files(
    folder: Path, *names: str, tls: bool = False, ca: bool = False, on_change: Callable[[], None]
) -> UpstreamFiles:
    outside = config.Outside(
        source="remote",
        tls=tls,
        headers=tuple(config.HeaderFile(name=it, file=str(folder / it)) for it in names),
        caFile=str(folder / "ca.crt") if ca else "",
    )
    return UpstreamFiles(outside, on_change=on_change)


async def trouble_of(made: UpstreamFiles) -> str:
    with pytest.raises(UnreachableError) as caught:
        await made.ready()
    assert caught.value.reason == "CredentialsUnreadable"
    return caught.value.message


async def test_values_become_header_lines_without_their_line_end(tmp_path: Path) -> None:
    write(tmp_path / "authorization", b"Bearer abc\n")
    write(tmp_path / "x-team", b"  tools\r\n")
    made = files(tmp_path, "authorization", "x-team", on_change=lambda: None)

    await made.look()
    await made.ready()

    assert made.lines == b"authorization: Bearer abc\r\nx-team: tools\r\n"
    assert made.context is None


async def test_a_new_value_is_taken_while_it_runs(tmp_path: Path) -> None:
    write(tmp_path / "x-api-key", b"one")
    changes: list[int] = []
    made = files(tmp_path, "x-api-key", on_change=lambda: changes.append(1))
    async with asyncio.TaskGroup() as group:
        group.create_task(made.run())
        async with asyncio.timeout(PATIENCE):
            await made.ready()
        before = made.lines
        write(tmp_path / "x-api-key", b"two")
        await until(lambda: made.lines != before)
        made.stop()

    assert (before, made.lines) == (b"x-api-key: one\r\n", b"x-api-key: two\r\n")
    assert changes == [1]


UNUSABLE = {
    "empty": b"\n",
    "a line break": f"{CANARY}\r\nhost: evil".encode(),
    "a control character": f"{CANARY}\x00".encode(),
    "no ASCII": f"{CANARY}é".encode(),
    "too long": CANARY.encode() * 1000,
}


@pytest.mark.parametrize("value", UNUSABLE.values(), ids=UNUSABLE)
async def test_a_value_that_is_no_header_stops_requests_and_is_not_quoted(
    tmp_path: Path, value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Security row 20."""
    write(tmp_path / "x-api-key", value)
    made = files(tmp_path, "x-api-key", on_change=lambda: None)
    with caplog.at_level(logging.DEBUG):
        await made.look()

    said = await trouble_of(made)
    assert said.startswith("The value of header x-api-key cannot be sent: it ")
    assert made.lines == b""
    assert CANARY not in said + caplog.text


async def test_a_file_that_is_missing_is_named_by_its_header(tmp_path: Path) -> None:
    made = files(tmp_path, "x-api-key", on_change=lambda: None)

    await made.look()

    assert "x-api-key cannot be read (No such file" in await trouble_of(made)


async def test_a_value_that_comes_good_is_used(tmp_path: Path) -> None:
    made = files(tmp_path, "x-api-key", on_change=lambda: None)
    await made.look()
    write(tmp_path / "x-api-key", b"abc")

    await made.look()
    await made.ready()

    assert made.lines == b"x-api-key: abc\r\n"


async def test_verification_is_always_on(tmp_path: Path) -> None:
    write(tmp_path / "ca.crt", Authority().pem)
    given = files(tmp_path, tls=True, ca=True, on_change=lambda: None)
    systems = files(tmp_path, tls=True, on_change=lambda: None)
    await given.look()
    await systems.look()

    for context in (given.context, systems.context):
        assert context is not None
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert given.context is not None
    assert given.context.cert_store_stats()["x509_ca"] == 1


@pytest.mark.parametrize(
    "bundle", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
async def test_a_bundle_without_a_certificate_stops_requests(tmp_path: Path, bundle: bytes) -> None:
    write(tmp_path / "ca.crt", bundle)
    made = files(tmp_path, tls=True, ca=True, on_change=lambda: None)

    await made.look()

    assert "holds no certificates in PEM" in await trouble_of(made)


async def test_a_new_bundle_replaces_the_trust(tmp_path: Path) -> None:
    write(tmp_path / "ca.crt", Authority().pem)
    made = files(tmp_path, tls=True, ca=True, on_change=lambda: None)
    await made.look()
    before = made.context

    write(tmp_path / "ca.crt", Authority("the next CA").pem)
    await made.look()

    assert made.context is not before
