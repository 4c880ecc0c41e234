"""Children behind the real shim, and children of our own."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.proxy.conditions import PATIENCE, until
from tests.proxy.rig import peer_command, rig
from tests.proxy.test_session import open_session

from ostiary_proxy import children, config
from ostiary_proxy.children import StartError
from ostiary_proxy.lines import Exit

SHIM = Path(__file__).parents[2] / "proxy" / "shim"
PLAIN = peer_command("plain.py")


class Ear:
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.ended: Exit | None = None

    def on_line(self, line: bytes) -> None:
        self.lines.append(line)

    def on_exit(self, ended: Exit) -> None:
        assert self.ended is None
        self.ended = ended


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The binary, built from its source."""
    go = shutil.which("go")
    assert go is not None, "these tests build the shim: install Go"
    built = tmp_path_factory.mktemp("shim") / "shim"
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}
    subprocess.run([go, "build", "-o", built, "."], cwd=SHIM, check=True, env=environment)
    return built


@asynccontextmanager
async def behind(shim: Path, folder: Path, *command: str) -> AsyncIterator[str]:
    """The shim serving this command, as in a server's container."""
    socket = folder / "stdio.sock"
    process = await asyncio.create_subprocess_exec(
        str(shim), "--socket", str(socket), "--", *command, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        await until(socket.exists)
        yield str(socket)
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE):
            await process.wait()


async def test_a_server_behind_the_shim_is_called_in_both_eras(shim: Path, tmp_path: Path) -> None:
    async with (
        behind(shim, tmp_path, *PLAIN) as socket,
        rig(config.StdioBackend(socket=socket)) as made,
        made.raw() as raw,
    ):
        await made.ready()
        modern = await raw.modern("tools/call", name="pid")
        headers = {"mcp-session-id": await open_session(raw)}
        legacy = await raw.legacy("tools/call", name="pid", headers=headers)
        crashed = await raw.legacy("tools/call", name="crash", headers=headers)
        anew = await raw.legacy("tools/call", name="pid", headers=headers)

    pids = [answer.json()["result"]["pid"] for answer in (modern, legacy, anew)]
    assert len(set(pids)) == 3
    assert crashed.status_code == 502


async def test_a_server_that_exits_behind_the_shim_says_so(shim: Path, tmp_path: Path) -> None:
    async with (
        behind(shim, tmp_path, *PLAIN, "exits") as socket,
        rig(config.StdioBackend(socket=socket)) as made,
    ):
        await until(lambda: made.report.state == "Unavailable")
        assert made.report.reason == "CommandExited"
        assert "status 1" in made.report.message


async def test_a_shim_that_starts_late_is_found(shim: Path, tmp_path: Path) -> None:
    async with rig(config.StdioBackend(socket=str(tmp_path / "stdio.sock"))) as made:
        await until(lambda: made.report.state == "Unavailable")
        assert made.report.reason == "ConnectionRefused"
        async with behind(shim, tmp_path, *PLAIN):
            await made.ready()


async def test_lines_of_a_child_that_look_like_the_shims_are_the_childs() -> None:
    ear = Ear()
    socket = children._Socket(ear)

    socket.data_received(b'{"jsonrpc":"2.0","result":{"ostiary.dev/exit":{}},"id":1}\n')
    socket.data_received(b'{"ostiary.dev/exit":{"code":7,"signal":"","error":""}}\n')
    socket.connection_lost(None)

    assert len(ear.lines) == 1
    assert ear.ended == Exit("CommandExited", "The command exited with status 7.")


async def start(ear: Ear, *command: str, **more: object) -> children.Pipe:
    backend = config.StdioBackend(command=command, **more)  # type: ignore[arg-type]
    return await children.start(backend, ear, "tools/x")


async def test_arguments_reach_a_child_unchanged() -> None:
    """Security row 19."""
    ear = Ear()
    odd = ("; rm -rf /", "$(id)", "`id`", "a\nb", "*", "%s", "ü")
    program = "import sys, json; print(json.dumps(sys.argv[1:]))"

    pipe = await start(ear, sys.executable, "-c", program, *odd)
    async with asyncio.timeout(PATIENCE):
        await pipe.closed()

    assert [json.loads(line) for line in ear.lines] == [list(odd)]
    assert ear.ended == Exit("CommandExited", "The command exited with status 0.")


async def test_a_child_sees_its_own_environment_and_a_short_list_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CANARY", "secret")
    ear = Ear()
    program = "import os, json; print(json.dumps(dict(os.environ)))"

    pipe = await start(ear, sys.executable, "-c", program, env={"OWN": "1"})
    async with asyncio.timeout(PATIENCE):
        await pipe.closed()

    assert b"OWN" in ear.lines[0]
    assert b"PATH" in ear.lines[0]
    assert b"CANARY" not in ear.lines[0]


async def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(StartError) as refused:
        await start(Ear(), "no-such-program")

    assert refused.value.reason == "CommandNotFound"
    assert "'no-such-program'" in refused.value.message


async def test_a_child_that_ignores_the_polite_signal_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(children, "KILL_SECONDS", 0.1)
    ear = Ear()
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('up', flush=True); time.sleep(60)"
    )
    pipe = await start(ear, sys.executable, "-c", program)
    await until(lambda: ear.lines)

    pipe.close()
    async with asyncio.timeout(PATIENCE):
        await pipe.closed()

    assert ear.ended is not None
    assert f"signal {int(signal.SIGKILL)}" in ear.ended.message


async def test_a_childs_last_lines_are_read_and_its_descendants_end_with_it() -> None:
    ear = Ear()
    program = (
        "import os, sys, time\n"
        "pid = os.fork()\n"
        "if pid == 0:\n    time.sleep(60)\n"
        "print(pid, flush=True)\n"
        "os._exit(0)"
    )
    pipe = await start(ear, sys.executable, "-c", program)
    async with asyncio.timeout(PATIENCE):
        await pipe.closed()

    descendant = int(ear.lines[0])
    await until(lambda: not _runs(descendant))


def _runs(pid: int) -> bool:
    """A zombie that nobody has reaped runs no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


async def test_writers_wait_for_a_child_that_does_not_read() -> None:
    ear = Ear()
    pipe = await start(ear, sys.executable, "-c", "import time; time.sleep(60)")
    pipe.write(b"x" * 4_000_000)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await pipe.writable()

    pipe.close()
    async with asyncio.timeout(PATIENCE):
        await pipe.closed()
        await pipe.writable()
