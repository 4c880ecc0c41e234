"""The processes of a run: the servers by themselves, and all of them again behind one proxy.

The proxy is `ostiary up` with manifests written for it, as a person would have it, and anybody may
call: the suite brings no token.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from conformance.plan import BUILD, PORT, ROOT, SOCKET, Backend

NAMESPACE: Final = "default"
START_SECONDS: Final = 60
STOP_SECONDS: Final = 20
IDLE_SECONDS: Final = 10
"""Of a stdio server's process: the suite ends few of the sessions that it began."""
MOST_PROCESSES: Final = 128
"""The suite is one caller, which has three quarters of them."""


class StartError(Exception):
    """Something that is to be tested does not run; says what, and where to look."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Place:
    """What stands for what in a server's words."""

    port: int
    socket: str = ""

    def fill(self, word: str) -> str:
        return word.replace(PORT, str(self.port)).replace(SOCKET, self.socket)

    def command(self, backend: Backend) -> list[str]:
        return [self.fill(word) for word in backend.command]

    def environment(self, backend: Backend) -> dict[str, str]:
        return {name: self.fill(value) for name, value in backend.env}


@contextmanager
def directly(backend: Backend) -> Iterator[str]:
    """The address of a process of its own."""
    place = Place(free_port())
    more = place.environment(backend)
    with _process(backend.name, place.command(backend), more, subprocess.DEVNULL) as server:
        _until(backend.name, server, lambda: listening(place.port))
        yield f"http://127.0.0.1:{place.port}/mcp"


@contextmanager
def warm() -> Iterator[str]:
    """The socket of the process from which Python's stdio servers are forked."""
    with TemporaryDirectory(prefix="ostiary-") as folder:
        path = Path(folder) / "warm"
        words = [sys.executable, "-m", "conformance.everything.warm", str(path)]
        with _process("warm", words, {}, subprocess.DEVNULL) as process:
            _until("warm", process, path.is_socket)
            yield str(path)


@contextmanager
def through_proxy(backends: tuple[Backend, ...], socket: str) -> Iterator[dict[str, str]]:
    """The addresses behind one `ostiary up`, by the server's name."""
    folder = BUILD / "manifests"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, document in enumerate(manifests(backends, socket)):
        (folder / f"{number}.json").write_text(json.dumps(document, indent=2))
    words = [sys.executable, "-m", "ostiary_cli", "up", str(folder)]
    words += ["--port", "0", "--output", "json"]
    with _process("proxy", words, {}, subprocess.PIPE) as proxy:
        assert proxy.stdout is not None
        line = proxy.stdout.readline()
        if not line:
            raise StartError(f"`ostiary up` ended; {BUILD / 'logs' / 'proxy.txt'} tells why")
        # A group comes after its member, whose name it has.
        yield {it["name"]: it["url"] for it in json.loads(line)["endpoints"]}


def manifests(backends: tuple[Backend, ...], socket: str) -> list[dict[str, Any]]:
    servers = [_server(backend, Place(free_port(), socket)) for backend in backends]
    grouped = [backend.name for backend in backends if backend.grouped]
    return [
        _policy("anybody", {"selector": {}}),
        *servers,
        *(_group(name) for name in grouped),
        *(_policy(name, {"targetRefs": [{"kind": "MCPGroup", "name": name}]}) for name in grouped),
    ]


def _server(backend: Backend, place: Place) -> dict[str, Any]:
    variables = place.environment(backend).items()
    stdio = {"maxProcesses": MOST_PROCESSES, "idleSeconds": IDLE_SECONDS}
    settings = {"port": place.port} if backend.transport == "streamableHTTP" else stdio
    return {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": backend.name, "namespace": NAMESPACE},
        "spec": {
            "image": "registry.example/conformance:1",
            "command": place.command(backend),
            "env": [{"name": name, "value": value} for name, value in variables],
            "transport": {backend.transport: settings},
        },
    }


def _group(name: str) -> dict[str, Any]:
    """Of the one server with its name."""
    return {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": "MCPGroup",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"members": [{"server": {"name": name}}], "naming": {"mode": "Never"}},
    }


def _policy(name: str, what: dict[str, Any]) -> dict[str, Any]:
    allow = {"tools": ["*"], "resources": ["**"], "prompts": ["*"]}
    return {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": "MCPAccessPolicy",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            **what,
            "rules": [{"name": "anybody", "from": [{"anonymous": {}}], "allow": allow}],
        },
    }


@contextmanager
def _process(
    name: str, words: list[str], more: dict[str, str], out: int
) -> Iterator["subprocess.Popen[bytes]"]:
    logs = BUILD / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (
        (logs / f"{name}.txt").open("wb") as log,
        subprocess.Popen(
            words,
            cwd=ROOT,
            env={**os.environ, **more},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _until(name: str, process: "subprocess.Popen[bytes]", true: Callable[[], bool]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if true():
            return
        time.sleep(0.05)
    raise StartError(f"{name} does not start; {BUILD / 'logs' / f'{name}.txt'} tells why")


def listening(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0
