"""The process of an HTTP server in the local role: one at a time, and gone with us."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ostiary_proxy.companion import Companion
from ostiary_proxy.config import HttpBackend
from ostiary_proxy.observe import LookError

PATIENCE = 60.0
LISTENING = """
import os, pathlib, signal, socket, sys, time
{more}
with pathlib.Path("pids").open("a") as file:
    file.write(f"{{os.getpid()}}\\n")
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    while True:
        server.accept()[0].close()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def backend(folder: Path, port: int, more: str = "") -> HttpBackend:
    (folder / "server.py").write_text(LISTENING.format(more=more))
    return HttpBackend(
        port=port,
        command=(sys.executable, "server.py", str(port)),
        workingDir=str(folder),
    )


@asynccontextmanager
async def running(companion: Companion) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        group.create_task(companion.run())
        yield
        companion.stop()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # a process tells nobody
            await asyncio.sleep(0.01)


def pids(folder: Path) -> list[int]:
    path = folder / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def told() -> asyncio.Event:
    return asyncio.Event()


async def within(wait: Awaitable[object]) -> None:
    async with asyncio.timeout(PATIENCE):
        await wait


async def test_it_runs_listens_and_ends_with_us(tmp_path: Path, told: asyncio.Event) -> None:
    companion = Companion(backend(tmp_path, free_port()), "t/s", on_change=told.set)
    with pytest.raises(LookError, match="being started"):
        companion.check()

    async with running(companion):
        await within(told.wait())
        companion.check()
        assert companion.processes == 1

    (pid,) = pids(tmp_path)
    assert not alive(pid)
    assert companion.processes == 0


async def test_one_that_died_is_started_again(tmp_path: Path, told: asyncio.Event) -> None:
    companion = Companion(backend(tmp_path, free_port()), "t/s", on_change=told.set)

    async with running(companion):
        await within(told.wait())
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        await until(lambda: not companion.processes)
        with pytest.raises(LookError, match="ended by signal 9"):
            companion.check()
        await until(lambda: companion.processes and len(pids(tmp_path)) == 2)


async def test_one_that_ignores_sigterm_is_ended_all_the_same(
    tmp_path: Path, told: asyncio.Event
) -> None:
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    companion = Companion(backend(tmp_path, free_port(), deaf), "t/s", on_change=told.set)

    async with running(companion):
        await within(told.wait())

    assert not alive(pids(tmp_path)[0])


async def test_a_stranger_on_the_port_is_never_taken_for_the_server(
    tmp_path: Path, told: asyncio.Event
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        companion = Companion(backend(tmp_path, port), "t/s", on_change=told.set, leave_seconds=0.1)

        async with running(companion):
            await within(told.wait())
            with pytest.raises(LookError, match=f"Another program listens on port {port}"):
                companion.check()

    assert pids(tmp_path) == []


async def test_a_command_that_is_not_there_is_said(told: asyncio.Event) -> None:
    missing = HttpBackend(port=free_port(), command=("no-such-program-at-all",))
    companion = Companion(missing, "t/s", on_change=told.set)

    async with running(companion):
        await within(told.wait())
        with pytest.raises(LookError) as failed:
            companion.check()

    assert failed.value.reason == "CommandNotFound"


async def test_a_command_that_ends_at_once_is_not_taken_for_one_that_starts(
    told: asyncio.Event,
) -> None:
    """It may have ended before its start was over."""
    brief = HttpBackend(port=free_port(), command=("sh", "-c", "exit 3"))
    companion = Companion(brief, "t/s", on_change=told.set)

    async with running(companion):
        await within(told.wait())
        with pytest.raises(LookError, match="exited with status 3") as failed:
            companion.check()

        assert companion.processes == 0
    assert failed.value.reason == "CommandExited"
