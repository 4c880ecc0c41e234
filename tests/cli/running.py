"""`ostiary up` as a real process, and ways to ask it; Linux's /proc tells what it leaves behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples" / "quickstart"
PROGRAM = (sys.executable, "-m", "ostiary_cli")
PATIENCE = 60.0
"""Bound of every wait here; nothing is ever judged by how long it took."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def quickstart(folder: Path) -> Path:
    """The shipped example, on a port of its own."""
    shutil.copytree(
        QUICKSTART,
        folder,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns(".ostiary", "__pycache__"),
    )
    notes = folder / "notes.yaml"
    notes.write_text(notes.read_text().replace("8932", str(free_port())))
    return folder


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"never: {what}")


@dataclass
class Up:
    process: subprocess.Popen[str]
    folder: Path
    ready: dict[str, Any] = field(default_factory=dict)
    news: list[str] = field(default_factory=list)
    """Lines of stderr so far."""
    said: list[str] = field(default_factory=list)
    """Lines of stdout so far."""

    @property
    def trail(self) -> list[str]:
        """Its audit lines so far."""
        return (self.folder / ".ostiary" / "audit.jsonl").read_text().splitlines()

    def url(self, name: str) -> str:
        return next(it["url"] for it in self.ready["endpoints"] if it["name"] == name)

    def token(self, principal: str = "system:serviceaccount:default:developer") -> str:
        return next(it["token"] for it in self.ready["tokens"] if it["principal"] == principal)

    def told(self, words: str) -> str:
        return until(
            lambda: next((line for line in self.news if words in line), None),
            f"{words!r} in:\n" + "\n".join(self.news),
        )

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def running(folder: Path, *options: str, json_output: bool = True) -> Iterator[Up]:
    """Until its first line is there; ended by SIGKILL at the latest."""
    command = [*PROGRAM, "up", str(folder), "--port", "0", *options]
    if json_output:
        command += ["--output", "json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    up = Up(process, folder)
    readers = [
        threading.Thread(target=_read, args=(stream, lines), daemon=True)
        for stream, lines in ((process.stdout, up.said), (process.stderr, up.news))
    ]
    for reader in readers:
        reader.start()
    try:
        until(lambda: up.said or process.poll() is not None, "a first line")
        if json_output and up.said:
            up.ready = json.loads(up.said[0])
        yield up
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        for reader in readers:
            reader.join(PATIENCE)
        for stream in (process.stdout, process.stderr):
            assert stream
            stream.close()


def _read(stream: Any, lines: list[str]) -> None:
    for line in stream:
        lines.append(line.rstrip("\n"))


def ostiary(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command of ours, to its end."""
    return subprocess.run(
        [*PROGRAM, *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


def http_client(token: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE)


async def tools_of(url: str, token: str, mode: str = "auto") -> list[str]:
    async with (
        http_client(token) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        return sorted(tool.name for tool in (await client.list_tools()).tools)


async def call(
    url: str, token: str, name: str, arguments: dict[str, Any], mode: str = "auto"
) -> str:
    async with (
        http_client(token) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        try:
            result = await client.call_tool(name, arguments)
        except MCPError as err:
            return f"refused: {err.error.message}"
    return "\n".join(getattr(item, "text", "") for item in result.content)


def descendants(pid: int) -> set[int]:
    """Every living process below this one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    layer = {pid}
    while layer:
        layer = {child for child, parent in parents.items() if parent in layer} - found
        found |= layer
    return found


def program_of(pid: int) -> str:
    """Its name; empty for one that has just ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
