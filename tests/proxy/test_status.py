"""The report: complete, bounded, and with an etag that only meaning moves."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.proxy.conditions import until
from tests.proxy.documents import document

from ostiary_proxy.assemble import Assembler
from ostiary_proxy.audit import Audit
from ostiary_proxy.config import ServerReport, StatusReport, ToolReport
from ostiary_proxy.metrics import Metrics
from ostiary_proxy.runtime import Runtime
from ostiary_proxy.status import MOST_TOOLS, Status


def report(**more: Any) -> ServerReport:
    values: dict[str, Any] = {"namespace": "tools", "name": "time", "state": "Ready", **more}
    return ServerReport(**values)


@dataclass
class Parts:
    """What a report is made of, as it changes."""

    runtime: Runtime
    build: Assembler
    servers: list[ServerReport] = field(default_factory=list)
    status: Status = field(init=False)

    def __post_init__(self) -> None:
        self.status = Status(runtime=self.runtime, reports=lambda: tuple(self.servers))
        self.runtime.subscribe(self.status.wake)

    def apply(self, generation: int) -> None:
        self.runtime.swap(self.build.build(document(generation), f"sha256:{generation}"))


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    with (tmp_path / "audit").open("wb") as stream:
        audit = Audit(stream)
        runtime = Runtime(
            audit=audit, metrics=Metrics(), role="sidecar", pod="time-1", pod_uid="u-1"
        )
        build = Assembler(
            keys_dir=tmp_path, now=lambda: 1_800_000_000.0, on_unknown_kid=runtime.changed
        )
        yield Parts(runtime, build)
        audit.close()


async def test_before_any_config_the_report_says_so(parts: Parts) -> None:
    parts.runtime.config_error = "config.json: is not JSON"

    found = parts.status.report()

    assert (found.generation, found.digest) == (0, "")
    assert found.configError == "config.json: is not JSON"
    assert (found.pod, found.podUid) == ("time-1", "u-1")


async def test_the_report_names_what_is_in_force(parts: Parts) -> None:
    parts.servers = [report(toolCount=1, tools=(ToolReport(name="get_time", digest="sha256:1"),))]
    parts.apply(7)

    found = parts.status.report()

    assert (found.generation, found.digest, found.configError) == (7, "sha256:7", "")
    assert found.servers == tuple(parts.servers)
    assert StatusReport.model_validate_json(found.model_dump_json()) == found


async def test_counters_do_not_move_the_etag_and_meaning_does(parts: Parts) -> None:
    parts.apply(1)
    parts.servers = [report(processes=1)]
    before = parts.status.report()

    parts.servers = [report(processes=9)]
    head = parts.runtime.audit.head
    parts.runtime.audit.event(outcome="allowed")
    await until(lambda: parts.runtime.audit.head != head)
    counted = parts.status.report()
    parts.servers = [report(processes=9, state="Unavailable")]
    meant = parts.status.report()
    parts.runtime.draining = True
    draining = parts.status.report()

    assert counted.etag == before.etag
    assert counted.auditSeq > before.auditSeq
    assert len({before.etag, meant.etag, draining.etag}) == 3


async def test_a_poll_with_another_etag_is_answered_at_once(parts: Parts) -> None:
    async with asyncio.timeout(5):
        found = await parts.status.wait("", 1000)

    assert found.etag


async def test_a_poll_with_the_etag_in_force_wakes_at_the_change(parts: Parts) -> None:
    parts.apply(1)
    etag = parts.status.report().etag

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        first = group.create_task(parts.status.wait(etag, 1000))
        second = group.create_task(parts.status.wait(etag, 1000))
        await asyncio.sleep(0)
        parts.runtime.changed()  # nothing that a report holds has changed: nobody wakes for good
        await asyncio.sleep(0)
        assert not first.done()
        parts.apply(2)

    assert first.result().generation == second.result().generation == 2


async def test_a_poll_without_a_change_ends_in_time_with_the_same_etag(parts: Parts) -> None:
    etag = parts.status.report().etag

    assert (await parts.status.wait(etag, 0.01)).etag == etag


async def test_the_report_is_bounded_however_many_tools_there_are(parts: Parts) -> None:
    tools = tuple(ToolReport(name=f"tool-{n}", digest="sha256:" + "0" * 64) for n in range(5000))
    parts.servers = [report(tools=tools, toolCount=5000), report(name="b", tools=tools)]
    parts.runtime.config_error = "x" * 100_000

    found = parts.status.report()

    assert [len(server.tools) for server in found.servers] == [MOST_TOOLS, 0]
    assert found.servers[0].toolCount == 5000
    assert len(found.model_dump_json()) < 1024 * 1024
