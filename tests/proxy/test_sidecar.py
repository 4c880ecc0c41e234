"""The sidecar as a pod runs it: a process, two volumes, two ports, a socket and signals."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.proxy.conditions import PATIENCE, until_asked
from tests.proxy.documents import TIME_SERVER, raw, server, session_key
from tests.proxy.signing import bearer, operator_token, sign
from tests.proxy.volumes import project
from tests.proxy.wire import Answer, ask

from ostiary_proxy.config import KEYS_DIR, MCP_PORT
from ostiary_proxy.sidecar import Environment

MASTER = b"m" * 32


class Pod:
    """The folders, the process and what it says."""

    def __init__(self, folder: Path) -> None:
        self.config_dir, self.keys_dir = folder / "config", folder / "keys"
        self.run_dir, self.out = folder / "run", folder / "out"
        project(self.config_dir, {})
        project(self.keys_dir, {})
        self.run_dir.mkdir()
        self.process: asyncio.subprocess.Process
        self.mcp_port = self.admin_port = 0
        self.said: list[str] = []

    def write(self, generation: int, **more: Any) -> None:
        values = {"keys": (session_key(0, MASTER),), "backend": TIME_SERVER, **more}
        content = raw(generation, servers=(server(**values),), drainSeconds=20)
        project(self.config_dir, {"config.json": content})

    async def start(self, *program: str, **more: str) -> None:
        """`more`: environment."""
        environment = {
            **os.environ,
            "OSTIARY_CONFIG_DIR": str(self.config_dir),
            "OSTIARY_KEYS_DIR": str(self.keys_dir),
            "OSTIARY_RUN_DIR": str(self.run_dir),
            "OSTIARY_BIND": "127.0.0.1",
            "OSTIARY_MCP_PORT": "0",
            "OSTIARY_ADMIN_PORT": "0",
            "POD_NAME": "time-1",
            "POD_UID": "u-1",
            **more,
        }
        with self.out.open("wb") as out:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *(program or ("-m", "ostiary_proxy")),
                env=environment,
                stdout=out,
                stderr=asyncio.subprocess.PIPE,
            )
        line = await self.says("ports=open")
        fields = dict(field.split("=", 1) for field in line.split() if "=" in field)
        self.mcp_port, self.admin_port = int(fields["mcp"]), int(fields["admin"])

    async def says(self, word: str) -> str:
        """The next line on stderr that holds the word."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while line := (await self.process.stderr.readline()).decode():
                self.said.append(line)
                if word in line:
                    return line
        raise AssertionError(f"never said {word}: {self.said}")

    async def becomes(self, status: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await ask(self.admin_port, "GET", "/readyz")
                if answer.status == status:
                    return answer.body
                await asyncio.sleep(0.01)

    async def status(self, query: str = "") -> Answer:
        token = bearer(operator_token())
        return await ask(self.admin_port, "GET", f"/status{query}", Authorization=token)

    async def lacks_its_key(self) -> bool:
        return await self.becomes(503) == b"not ready: keys\n"

    async def enforces_the_second(self) -> bool:
        return bool((await self.status()).json["generation"] == 2)

    async def close(self) -> None:
        """Whether it was started or not, and has ended or not."""
        if hasattr(self, "process") and self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()

    async def ends(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Pod]:
    made = Pod(tmp_path)
    yield made
    await made.close()


async def test_it_becomes_ready_once_config_and_key_are_there(pod: Pod) -> None:
    await pod.start()
    assert await pod.becomes(503) == b"not ready: config\n"
    assert (await ask(pod.admin_port, "GET", "/healthz")).status == 200

    pod.write(1)
    await until_asked(pod.lacks_its_key)
    project(pod.keys_dir, {"0": MASTER})
    await pod.becomes(200)

    report = (await pod.status()).json
    assert (report["generation"], report["keys"]) == (1, [0])
    assert (report["pod"], report["podUid"]) == ("time-1", "u-1")


async def test_the_operator_sees_each_generation_enforced_by_long_poll(pod: Pod) -> None:
    project(pod.keys_dir, {"0": MASTER})
    pod.write(1)
    await pod.start()
    await pod.becomes(200)
    etag = ""

    for generation in range(2, 12):
        pod.write(generation)
        report: dict[str, Any] = {"generation": 0}
        while report["generation"] != generation:
            report = (await pod.status(f"?since={etag}&wait=25")).json
            etag = report["etag"]


async def test_a_policy_edit_refuses_the_next_request(pod: Pod) -> None:
    project(pod.keys_dir, {"0": MASTER})
    pod.write(1)
    await pod.start()
    await pod.becomes(200)
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    headers: dict[str, str | bytes] = {
        "Authorization": bearer(sign()),
        "Content_Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    before = await ask(pod.mcp_port, "POST", "/mcp", body, **headers)

    pod.write(2, policies=())
    await until_asked(pod.enforces_the_second)
    after = await ask(pod.mcp_port, "POST", "/mcp", body, **headers)

    assert before.status != 403
    assert after.status == 403
    assert "kind: MCPAccessPolicy" in after.json["error"]["message"]


async def test_a_broken_document_is_reported_and_changes_nothing(pod: Pod) -> None:
    project(pod.keys_dir, {"0": MASTER})
    pod.write(1)
    await pod.start()
    await pod.becomes(200)

    project(pod.config_dir, {"config.json": b'{"format": 1'})
    await pod.says("config=refused")

    report = (await pod.status()).json
    assert report["generation"] == 1
    assert report["configError"].startswith("config.json: is not JSON: EOF")
    assert (await ask(pod.admin_port, "GET", "/readyz")).status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_ends_it_without_an_error(pod: Pod, number: int) -> None:
    project(pod.keys_dir, {"0": MASTER})
    pod.write(1)
    await pod.start()
    await pod.becomes(200)

    pod.process.send_signal(number)
    await pod.says("drain=begun")
    assert await pod.becomes(503) == b"not ready: draining\n"

    assert await pod.ends() == 0
    assert not list(pod.run_dir.iterdir())


async def test_the_hook_drains_first_and_the_signal_then_ends_it_at_once(pod: Pod) -> None:
    project(pod.keys_dir, {"0": MASTER})
    pod.write(1)
    await pod.start()
    await pod.becomes(200)

    reader, writer = await asyncio.open_unix_connection(str(pod.run_dir / "drain.sock"))
    async with asyncio.timeout(PATIENCE):
        assert await reader.read() == b"drained\n"
    writer.close()
    assert pod.process.returncode is None
    pod.process.terminate()

    assert await pod.ends() == 0
    rest = (await pod.process.stderr.read()).decode() if pod.process.stderr else ""
    assert "".join([*pod.said, rest]).count("drain=begun") == 1


async def test_stdout_is_the_audit_and_nothing_else_and_its_chain_holds(pod: Pod) -> None:
    project(pod.keys_dir, {"0": MASTER})
    pod.write(1)
    await pod.start()
    await pod.becomes(200)
    for _ in range(20):
        await ask(pod.mcp_port, "POST", "/mcp", b"{}")
    head = ("", -1)
    async with asyncio.timeout(PATIENCE):
        while head[1] < 20:
            report = (await pod.status()).json
            head = (report["auditHead"], report["auditSeq"])

    pod.process.terminate()
    await pod.ends()

    before, digests = "0" * 64, {}
    for line in pod.out.read_bytes().splitlines():
        event = orjson.loads(line)
        assert event["prev"] == before
        before = sha256(line).hexdigest()
        digests[event["seq"]] = before
    assert digests[head[1]] == head[0]


async def test_a_taken_port_ends_it_with_an_error(pod: Pod, tmp_path: Path) -> None:
    await pod.start()
    environment = {
        **os.environ,
        "OSTIARY_RUN_DIR": str(tmp_path),
        "OSTIARY_BIND": "127.0.0.1",
        "OSTIARY_MCP_PORT": str(pod.mcp_port),
    }
    second = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ostiary_proxy",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        _, said = await second.communicate()

    assert second.returncode == 1
    assert said.decode().splitlines()[-1].startswith("ostiary-proxy: ")
    assert b"Traceback" not in said


def test_the_environment_has_the_contracts_defaults() -> None:
    environment = Environment.read({})

    assert str(environment.keys_dir) == KEYS_DIR
    assert environment.mcp_port == MCP_PORT
    assert environment.bind == ""
    assert environment.role == "sidecar"


def test_a_role_that_there_is_not_is_refused_by_its_name() -> None:
    assert Environment.read({"OSTIARY_ROLE": "gateway"}).role == "gateway"
    with pytest.raises(ValueError, match="OSTIARY_ROLE must be sidecar or gateway, not 'local'"):
        Environment.read({"OSTIARY_ROLE": "local"})
