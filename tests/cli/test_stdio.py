"""`ostiary stdio` as a real process: a real SDK client starts it, a real `ostiary up` answers.

protocol.md obligation 63; both eras of stdio clients.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from tests.cli.folders import policy, server, write
from tests.cli.running import PATIENCE, PROGRAM, Up, free_port, ostiary, running, until

from ostiary_cli.stdio import Input
from ostiary_proxy.lines import LONGEST_LINE

PEER = Path(__file__).parents[1] / "proxy" / "peers" / "everything.py"
ERAS = ("legacy", "auto")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    write(
        folder,
        server=server("all", f"command: ['{sys.executable}', '{PEER}']"),
        policy=policy(tools="['*'], resources: ['*']"),
    )
    with running(folder) as up:
        yield up


@asynccontextmanager
async def client(up: Up, mode: str, log: Path, **options: Any) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=PROGRAM[0],
        args=[*PROGRAM[1:], "stdio", up.url("all")],
        env={"OSTIARY_TOKEN": up.token()},
    )
    with log.open("w") as errors:
        async with Client(
            stdio_client(parameters, errlog=errors), mode=mode, **options
        ) as connected:
            yield connected


def text_of(result: Any) -> str:
    return str(result.content[0].text)


@pytest.mark.parametrize("mode", ERAS)
async def test_a_local_client_uses_an_endpoint_as_if_it_were_its_own_process(
    up: Up, mode: str, tmp_path: Path
) -> None:
    progress: list[float] = []

    async def seen(done: float, total: float | None, message: str | None) -> None:
        progress.append(done)

    async with client(up, mode, tmp_path / "err") as one:
        tools = {tool.name for tool in (await one.list_tools()).tools}
        said = text_of(await one.call_tool("echo", {"text": "grüße\n\u2028"}))
        counted = text_of(await one.call_tool("count", {"to": 3}, progress_callback=seen))
        memo = (await one.read_resource("memo:one")).contents[0]
        failed = await one.call_tool("fail", {})

    assert {"echo", "count", "ask"} <= tools
    assert said == "grüße\n\u2028"
    assert (counted, progress) == ("counted to 3", [1, 2, 3])
    assert memo.text == "remember"  # type: ignore[union-attr]
    assert failed.is_error
    assert (tmp_path / "err").read_text() == ""


async def test_what_the_server_asks_reaches_the_local_client(up: Up, tmp_path: Path) -> None:
    """Legacy: a request of the server's own; the modern era has only results that ask."""

    async def answer(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"colour": "blue"})

    async with client(up, "legacy", tmp_path / "err", elicitation_callback=answer) as one:
        assert text_of(await one.call_tool("ask", {})) == "blue"


@pytest.mark.parametrize("mode", ERAS)
async def test_two_calls_run_side_by_side(up: Up, mode: str, tmp_path: Path) -> None:
    async with client(up, mode, tmp_path / "err") as one, asyncio.TaskGroup() as group:
        waiting = group.create_task(one.call_tool("wait", {"name": mode}))
        said = text_of(await one.call_tool("echo", {"text": "meanwhile"}))
        waiting.cancel()

    assert said == "meanwhile"


class Talk:
    """A client that writes what it is told to, and reads every byte."""

    def __init__(self, up: Up | None, *words: str, token: str = "") -> None:
        environment = {**os.environ, "OSTIARY_TOKEN": token or (up.token() if up else "")}
        self.process = subprocess.Popen(
            [*PROGRAM, "stdio", *(words or (up.url("all") if up else "",))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )

    def send(self, *messages: Any) -> None:
        assert self.process.stdin
        for message in messages:
            line = message if isinstance(message, bytes) else json.dumps(message).encode()
            self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def receive(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def end(self) -> tuple[list[Any], str]:
        """What it still said, and its standard error."""
        out, errors = self.process.communicate(timeout=PATIENCE)
        return [json.loads(line) for line in out.splitlines()], errors.decode()


def initialize(version: str = "2025-06-18") -> dict[str, Any]:
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t"}}
    return request("initialize", 0, **{**params, "clientInfo": {"name": "t", "version": "1"}})


def request(method: str, ident: Any, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}


INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def deletions(up: Up) -> int:
    return sum('"method":"DELETE"' in line for line in up.trail)


def test_the_end_of_its_input_ends_the_session_and_the_process(up: Up) -> None:
    before = deletions(up)
    talk = Talk(up)
    talk.send(
        initialize(), INITIALIZED, request("tools/call", "a", name="echo", arguments={"text": "x"})
    )

    said, errors = talk.end()

    assert [it["id"] for it in said] == [0, "a"]
    assert said[1]["result"]["content"][0]["text"] == "x"
    assert (talk.process.returncode, errors) == (0, "")
    until(lambda: deletions(up) == before + 1, "the session was given back")


def test_a_signal_ends_it_as_well(up: Up) -> None:
    before = deletions(up)
    talk = Talk(up)
    talk.send(initialize(), INITIALIZED)
    talk.receive()

    talk.process.send_signal(signal.SIGTERM)

    assert talk.process.wait(PATIENCE) == 0
    until(lambda: deletions(up) == before + 1, "the session was given back")
    talk.end()


def test_lines_that_are_no_messages_get_an_error_and_hurt_nothing(up: Up) -> None:
    talk = Talk(up)
    talk.send(b"hello", b"42", b"[]", initialize())

    said, _ = talk.end()

    assert [it.get("error", {}).get("code") for it in said if it.get("id") is None] == [
        -32700,
        -32600,
        -32600,
    ]
    assert [it["id"] for it in said if "result" in it] == [0]
    assert talk.process.returncode == 0


def test_ids_and_unknown_fields_come_back_as_they_were(up: Up) -> None:
    talk = Talk(up)
    talk.send(initialize(), INITIALIZED)
    talk.send(*(request("ping", ident) for ident in (1, "1", "ü")))

    said, _ = talk.end()

    assert {(type(it["id"]), it["id"]) for it in said[1:]} == {(int, 1), (str, "1"), (str, "ü")}


def test_a_modern_call_that_is_cancelled_is_a_closed_stream(up: Up) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    talk = Talk(up)
    talk.send(request("tools/call", 7, name="wait", arguments={"name": "x"}, _meta=meta))
    talk.send(request("tools/call", 8, name="echo", arguments={"text": "y"}, _meta=meta))
    assert talk.receive()["id"] == 8

    cancel = {"requestId": 7, "reason": "no need"}
    talk.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancel})
    talk.send(request("tools/call", 9, name="echo", arguments={"text": "z"}, _meta=meta))
    assert talk.receive()["id"] == 9

    until(lambda: any('"cut":"gone"' in line for line in up.trail), "the call was cut")
    said, errors = talk.end()
    assert (said, errors) == ([], "")


def test_a_token_that_is_not_taken_is_said_and_answered(up: Up) -> None:
    talk = Talk(up, token="nonsense")
    talk.send(initialize())

    said, errors = talk.end()

    assert [it["id"] for it in said] == [0]
    assert "error" in said[0]
    assert "401: the token is not taken at" in errors
    assert errors.count("401") == 1
    assert talk.process.returncode == 1


def test_an_endpoint_that_is_not_there_is_said_and_answered() -> None:
    port = free_port()
    talk = Talk(None, "time", "--port", str(port))
    talk.send(initialize())

    said, errors = talk.end()

    assert said[0]["error"]["code"] == -32603
    assert f"http://127.0.0.1:{port}/default/time/mcp cannot be reached" in errors
    assert talk.process.returncode == 1


def test_a_server_of_ostiary_up_is_found_by_its_name(up: Up) -> None:
    port = up.url("all").split(":")[2].split("/")[0]
    for name in ("all", "default/all"):
        talk = Talk(up, name, "--port", port)
        talk.send(initialize())
        assert talk.end()[0][0]["result"]["serverInfo"]["name"] == "everything"
    wrong = Talk(up, "nobody", "--port", port)
    wrong.send(initialize())
    assert "404: there is no endpoint at" in wrong.end()[1]


def test_a_line_beyond_the_bound_ends_it_with_a_sentence() -> None:
    done = subprocess.run(
        [*PROGRAM, "stdio", f"http://127.0.0.1:{free_port()}/mcp"],
        input=b"x" * (LONGEST_LINE + 1),
        capture_output=True,
        timeout=PATIENCE,
    )

    assert (done.returncode, done.stdout) == (1, b"")
    assert f"longer than {LONGEST_LINE} bytes" in done.stderr.decode()


def test_what_is_no_endpoint_is_refused_before_anything_is_read() -> None:
    done = ostiary("stdio", "No Such Thing")

    assert (done.returncode, done.stdout) == (2, "")
    assert "neither a URL nor the name of a server" in done.stderr


async def test_input_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"one\n\n  \ntwo\nrest without an end")
    with (tmp_path / "in").open("rb") as file:
        lines = [line async for line in Input(file.fileno())]

    assert lines == [b"one", b"two"]


async def test_an_sdk_client_that_is_refused_is_told_so(up: Up, tmp_path: Path) -> None:
    """It neither hangs nor takes our sentence for a message."""
    parameters = StdioServerParameters(
        command=PROGRAM[0], args=[*PROGRAM[1:], "stdio", up.url("all"), "--token", "wrong"]
    )
    with (tmp_path / "err").open("w") as errors, pytest.raises(ExceptionGroup) as caught:
        async with Client(stdio_client(parameters, errlog=errors), mode="auto") as one:
            await one.list_tools()

    assert caught.group_contains(MCPError)
