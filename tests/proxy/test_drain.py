"""The way out: announced, a moment of grace, every call finished, once."""

import asyncio
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.proxy.conditions import until
from tests.proxy.documents import document

from ostiary_proxy.assemble import Assembler
from ostiary_proxy.audit import Audit
from ostiary_proxy.drain import Drain, DrainSocket
from ostiary_proxy.metrics import Metrics
from ostiary_proxy.runtime import Runtime


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with (tmp_path / "audit").open("wb") as stream:
        audit = Audit(stream)
        yield Runtime(audit=audit, metrics=Metrics(), role="sidecar")
        audit.close()


class Calls:
    """The data path as the drain sees it, and what the drain did to it, in order."""

    def __init__(self, runtime: Runtime, *, accept_seconds: float = 0.0, calls: int = 0) -> None:
        self.open = calls
        self.steps: list[str] = []
        self.drain = Drain(
            runtime=runtime,
            in_flight=lambda: self.open,
            finish=self._finish,
            stop_accepting=lambda: self.steps.append("stop"),
            accept_seconds=accept_seconds,
        )
        runtime.subscribe(lambda: self.steps.append("announced" if runtime.draining else "changed"))

    async def _finish(self) -> None:
        self.steps.append("finish")


async def test_it_announces_then_stops_accepting_then_finishes(runtime: Runtime) -> None:
    calls = Calls(runtime)

    await calls.drain.run()

    assert calls.steps == ["announced", "stop", "finish"]
    assert runtime.draining


async def test_it_goes_on_accepting_for_a_moment(runtime: Runtime) -> None:
    calls = Calls(runtime, accept_seconds=3600)

    async with asyncio.TaskGroup() as group:
        draining = group.create_task(calls.drain.run())
        await until(lambda: runtime.draining)

        assert calls.steps == ["announced"]
        draining.cancel()


async def test_it_waits_for_the_calls_in_flight(runtime: Runtime) -> None:
    """Obligation 66."""
    calls = Calls(runtime, calls=2)

    async with asyncio.TaskGroup() as group:
        draining = group.create_task(calls.drain.run())
        await until(lambda: "finish" in calls.steps)
        assert not draining.done()
        calls.open = 0

    assert calls.steps == ["announced", "stop", "finish"]


async def test_it_waits_no_longer_than_the_config_says(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    assembler = Assembler(keys_dir=None, now=lambda: 0.0, on_unknown_kid=lambda: None)
    runtime.swap(assembler.build(document(drainSeconds=1), ""))
    calls = Calls(runtime, calls=3)

    await calls.drain.run()

    assert "drain=cut in_flight=3" in caplog.text
    assert "stop" in calls.steps


async def test_it_runs_once_however_often_it_is_asked_for(runtime: Runtime) -> None:
    calls = Calls(runtime, calls=1)

    async with asyncio.TaskGroup() as group:
        both = [group.create_task(calls.drain.run()) for _ in range(2)]
        await until(lambda: "finish" in calls.steps)
        assert not any(task.done() for task in both)
        calls.open = 0
    await calls.drain.run()

    assert calls.steps == ["announced", "stop", "finish"]


@asynccontextmanager
async def serving(calls: Calls, path: Path) -> AsyncIterator[None]:
    async with DrainSocket(path, calls.drain):
        yield


async def hook(path: Path) -> bytes:
    """What `shim drain` does: connect and read to the end."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    said = await reader.read()
    writer.close()
    return said


async def test_a_connection_to_the_socket_drains_and_hears_of_the_end(
    runtime: Runtime, tmp_path: Path
) -> None:
    calls = Calls(runtime, calls=1)
    path = tmp_path / "drain.sock"

    async with serving(calls, path), asyncio.TaskGroup() as group:
        said = group.create_task(hook(path))
        await until(lambda: "finish" in calls.steps)
        assert not said.done()
        calls.open = 0

    assert said.result() == b"drained\n"


async def test_a_hook_that_leaves_early_does_not_stop_the_drain(
    runtime: Runtime, tmp_path: Path
) -> None:
    calls = Calls(runtime, calls=1)
    path = tmp_path / "drain.sock"

    async with serving(calls, path):
        _, writer = await asyncio.open_unix_connection(str(path))
        await until(lambda: "finish" in calls.steps)
        writer.transport.abort()
        calls.open = 0

        assert await hook(path) == b"drained\n"


async def test_the_socket_is_the_groups_alone_and_replaces_one_of_an_earlier_life(
    runtime: Runtime, tmp_path: Path
) -> None:
    path = tmp_path / "drain.sock"
    path.write_bytes(b"left over")

    async with serving(Calls(runtime), path):
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not path.exists()
