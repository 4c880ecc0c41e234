"""A server names itself, its tools and its troubles, and its proxy reports them: in the operator's
status, Events, log and metrics each stays one short line, and makes no series.

A hostile server could even answer in its proxy's place (they share a network namespace), so nothing
of a report is trusted to be cut already.
"""

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from tests.operator.build import rule, server_manifest
from tests.operator.cluster_state import report
from tests.operator.reconcilers import POD, TIME, Bench, answering, furnished
from tests.proxy.conditions import until

from ostiary_operator.logs import JsonFormatter
from ostiary_proxy.config import ServerReport, SuspectReport, TlsReport, ToolReport

NAMES = {
    "newline": 'a\nb\r\n{"level":"error"}',
    "bidi": "\u202egnp.exe\u2066",
    "ansi": "\x1b[2J\x1b[31mred\x07",
    "separators": "a\u2028b\u2029c\x85d",
    "long": "n" * 10_240,
}
PIN = {"mode": "Enforce", "tools": [{"name": "a", "digest": f"sha256:{'0' * 64}"}]}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with furnished(tmp_path) as found:
        yield found


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel("INFO")
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def hostile(name: str, *, ready: bool) -> ServerReport:
    digest = f"sha256:{'1' * 64}"
    return ServerReport(
        namespace="tools",
        name="time",
        state="Ready" if ready else "Unavailable",
        reason="" if ready else "NotMCP",
        message=name,
        protocol="2025-11-25",
        serverName=name,
        serverVersion=name,
        toolCount=1,
        toolsDigest=digest,
        tools=(ToolReport(name=name, digest=digest),),
        suspects=(SuspectReport(name=name, findings=(name,)),),
    )


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
async def test_what_a_server_says_stays_one_short_line(
    bench: Bench, log: io.StringIO, name: str
) -> None:
    await answering(bench, rule())
    bench.edit(TIME, server_manifest()["spec"] | {"tools": {"pin": PIN}})
    await bench.look()
    for ready in (True, False):
        said = report(hostile(name, ready=ready), generation=bench.generation, podUid=POD)
        tls = TlsReport(error=name, names=(name,))
        said = said.model_copy(update={"etag": f"e{ready}", "configError": name, "tls": tls})
        bench.proxy.say(said)
        await until(lambda now=said: bench.reports.of(POD) == now)
        await bench.look()

        status = bench.status(TIME)
        # The names of tools are data that a pin is compared with: exact, and cut.
        tools = status.pop("tools", {"items": ()})
        assert all(len(it["name"]) <= 256 for it in tools["items"])
        for text in texts(status):
            assert text.isprintable()
            assert len(text) <= 4096
    events = [it.body for it in bench.api.requests if it.path.endswith("/events")]
    assert events
    for event in events:
        assert event["message"].isprintable(), event
        assert len(event["message"]) <= 1024
    lines = log.getvalue().split("\n")[:-1]
    assert all(json.loads(line) for line in lines)
    assert all(line.isascii() and len(line) < 40_000 for line in lines)
    figures = generate_latest(bench.metrics.registry).decode()
    assert not any(part in figures for part in ("gnp", "red", "nnnn", "a\u2028b"))
