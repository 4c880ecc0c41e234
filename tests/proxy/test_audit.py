"""The audit trail: one line each, chained, clean (security.md row 29), and never in the way."""

import asyncio
import os
import string
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy import documents, signing
from tests.proxy.rig import until

from ostiary_proxy import config
from ostiary_proxy.audit import BUFFER_BYTES, Audit, clean_text, new_id
from ostiary_proxy.serve import Proxy


@contextmanager
def trail(path: Path, **options: Any) -> Iterator[Audit]:
    with path.open("wb") as stream:
        audit = Audit(stream, **options)
        yield audit
        audit.close()


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1]


def assert_chained(lines: list[bytes]) -> None:
    before = "0" * 64
    for number, line in enumerate(lines):
        event = orjson.loads(line)
        assert event["seq"] == number
        assert event["prev"] == before
        before = sha256(line).hexdigest()


def test_the_first_line_says_whose_chain_it_is(tmp_path: Path) -> None:
    with trail(tmp_path / "a", pod="time-1", pod_uid="u1", version="0.1.0", now=lambda: 1.5):
        pass

    [line] = lines_of(tmp_path / "a")
    event = orjson.loads(line)
    assert event["event"] == "chain.start"
    assert (event["pod"], event["podUid"], event["version"]) == ("time-1", "u1", "0.1.0")
    assert event["time"] == "1970-01-01T00:00:01.500000Z"


def test_every_line_holds_the_hash_of_the_one_before_and_the_head_is_the_last(
    tmp_path: Path,
) -> None:
    with trail(tmp_path / "a") as audit:
        for number in range(2000):
            audit.event(outcome="allowed", name=f"tool-{number}", code=200)

    lines = lines_of(tmp_path / "a")
    assert len(lines) == 2001
    assert_chained(lines)
    assert audit.head == (2000, sha256(lines[-1]).hexdigest())


def test_an_event_is_written_without_being_asked_again(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream, os.fdopen(reading, "rb") as lines:
        audit = Audit(stream)
        assert orjson.loads(lines.readline())["event"] == "chain.start"

        audit.event(outcome="denied")

        assert orjson.loads(lines.readline())["outcome"] == "denied"
        audit.close()


def test_a_refusals_id_can_be_told_before_its_event(tmp_path: Path) -> None:
    with trail(tmp_path / "a") as audit:
        name = audit.new_id()
        assert audit.event(id=name, outcome="denied") == name

    assert orjson.loads(lines_of(tmp_path / "a")[-1])["id"] == name


def test_a_full_pipe_never_blocks_and_what_was_lost_is_counted_in_the_chain() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream:
        audit = Audit(stream)
        text = "x" * 200
        sent = 1
        while not audit.dropped:
            audit.event(outcome="allowed", name=text, subject=text, server=text)
            sent += 1
        for _ in range(99):
            audit.event(outcome="allowed", name=text)
        sent += 99

        received: list[bytes] = []
        with os.fdopen(reading, "rb") as lines:
            reader = threading.Thread(target=lambda: received.extend(lines))
            reader.start()
            while audit._waiting:
                audit._some.set()
            audit.event(outcome="allowed", name="last")
            sent += 1
            audit.close()
            stream.close()
            reader.join(10)

    assert audit.dropped >= 1
    bare = [line.rstrip(b"\n") for line in received]
    assert_chained(bare)
    told = sum(orjson.loads(line).get("dropped", 0) for line in bare)
    assert told == audit.dropped
    assert len(bare) + audit.dropped == sent
    assert sum(map(len, bare)) < 2 * BUFFER_BYTES


def test_a_pipe_that_somebody_made_non_blocking_loses_nothing() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(writing, "wb", buffering=0) as stream:
        audit = Audit(stream)
        for number in range(3000):
            audit.event(outcome="allowed", name=f"{number:0200d}")
        received: list[bytes] = []
        with os.fdopen(reading, "rb") as lines:
            reader = threading.Thread(target=lambda: received.extend(lines))
            reader.start()
            audit.close(20)
            stream.close()
            reader.join(10)

    assert len(received) == 3001
    assert_chained([line.rstrip(b"\n") for line in received])


def test_a_reader_that_is_gone_stops_nothing_and_is_counted() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stream:
        audit = Audit(stream)
        audit._thread.join(10)

        audit.event(outcome="allowed")

    assert not audit._thread.is_alive()
    assert audit.dropped == 2


HOSTILE = [
    "a\nb",
    "a\rb",
    "\x1b[31mred",
    '"}',
    "\u202egnp",
    "a\u2028b",
    "\x00",
    "\ud800",
    "\x85",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_name_adds_a_line_or_turns_the_text(text: str, tmp_path: Path) -> None:
    with trail(tmp_path / "a") as audit:
        audit.event(outcome="denied", name=text, via=[text, "x"])

    lines = (tmp_path / "a").read_bytes().decode().splitlines()
    assert len(lines) == 2
    event = orjson.loads(lines[-1])
    assert event["name"].isprintable()
    assert event["via"][0].isprintable()


@pytest.mark.parametrize("code", [2**64, -(2**63) - 1, 10**4000], ids=["64", "63", "4000"])
def test_no_number_is_too_long_to_leave_its_event(code: int, tmp_path: Path) -> None:
    with trail(tmp_path / "a") as audit:
        audit.event(outcome="error", code=code, name="\ud800\n")

    lines = (tmp_path / "a").read_bytes().splitlines()
    assert len(lines) == 2
    assert abs(orjson.loads(lines[-1])["code"]) >= 2**63 - 1
    assert_chained(lines)


@given(st.text())
def test_any_text_is_cut_and_printable(text: str) -> None:
    cleaned = clean_text(text, 32)

    assert len(cleaned) <= 32
    assert cleaned.isprintable()


def test_ids_are_unique_and_sort_by_time() -> None:
    early = [new_id(1_700_000_000.000) for _ in range(1000)]
    late = [new_id(1_700_000_000.001) for _ in range(1000)]

    assert len({*early, *late}) == 2000
    assert max(early) < min(late)
    assert all(len(name) == 26 for name in early)
    assert set("".join(early)) <= set(string.digits + string.ascii_uppercase) - set("ILOU")
    assert new_id(1_469_918_176.385).startswith("01ARYZ6S41")


async def filled(audit: Audit) -> None:
    """Until the pipe and the buffer are full and stay so: nobody reads."""
    for number in range(200_000):
        audit.event(outcome="allowed", name=f"{number} " + "x" * 200)
        if not audit.dropped:
            continue
        # The writer may yet take what the pipe has room for, and one batch to wait with.
        lost = audit.dropped
        await asyncio.sleep(0.05)
        audit.event(outcome="allowed", name="x" * 200)
        if audit.dropped > lost:
            return
    raise AssertionError("it is never full")


async def ping(proxy: Proxy) -> httpx2.Response:
    token = signing.sign(signing.claims("system:serviceaccount:agents:planner"))
    headers = {
        "authorization": f"Bearer {token}",
        "accept": "application/json, text/event-stream",
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with httpx2.AsyncClient(headers=headers) as http:
        return await http.post(f"http://127.0.0.1:{proxy.port}/mcp", json=body)


async def test_what_cannot_be_recorded_is_served_or_refused_as_the_admin_wants() -> None:
    """The real pipe, full; read again, all goes on."""
    reading, writing = os.pipe()
    backend = config.StdioBackend(command=(sys.executable, "-c", "import time; time.sleep(60)"))
    with os.fdopen(writing, "wb") as stream, os.fdopen(reading, "rb") as lines:
        async with Proxy(role="local", audit_stream=stream, accept_seconds=0.0) as proxy:
            servers = (documents.server(backend=backend, policies=()),)

            def apply(number: int, on_full: str) -> None:
                wanted = config.AuditSettings(onFull=on_full)
                made = documents.document(number, role="local", servers=servers, audit=wanted)
                proxy.apply(made)

            apply(1, "Refuse")
            assert (await ping(proxy)).status_code == 403
            await filled(proxy.runtime.audit)
            refused = await ping(proxy)
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
            assert "audit" in refused.json()["error"]["message"]
            apply(2, "Drop")
            assert (await ping(proxy)).status_code == 403
            apply(3, "Refuse")
            reader = threading.Thread(target=lambda: [None for _ in lines], daemon=True)
            reader.start()
            await until(lambda: not proxy.runtime.audit.full)
            assert (await ping(proxy)).status_code == 403
        stream.close()
        reader.join(5)
