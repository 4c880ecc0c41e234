"""`ostiary up` as people and scripts run it: real servers, real clients, nothing left behind."""

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.folders import policy, server, write
from tests.cli.running import (
    PATIENCE,
    QUICKSTART,
    Up,
    alive,
    call,
    descendants,
    free_port,
    ostiary,
    program_of,
    quickstart,
    running,
    tools_of,
    until,
)

from ostiary_cli.__main__ import main

DEVELOPER = "system:serviceaccount:default:developer"
PLANNER = "system:serviceaccount:agents:planner"
STRANGER = "system:serviceaccount:shop:stranger"
LINUX = sys.platform == "linux"
TIME = 'command: ["mcp-server-time"]'


async def eventually(found: Callable[[], Awaitable[object]], wanted: object) -> None:
    last: object = None
    async with asyncio.timeout(PATIENCE):
        while last != wanted:
            last = await found()
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The quickstart, for tests that change nothing."""
    folder = quickstart(tmp_path_factory.mktemp("quickstart"))
    with running(folder, "--as", DEVELOPER, "--as", PLANNER, "--as", STRANGER) as up:
        yield up


def test_the_line_for_scripts_is_the_whole_contract(shared: Up) -> None:
    assert len(shared.said) == 1
    assert set(shared.ready) == {"endpoints", "tokens"}
    assert [(it["kind"], it["namespace"], it["name"]) for it in shared.ready["endpoints"]] == [
        ("MCPServer", "default", "notes"),
        ("MCPServer", "default", "time"),
    ]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/default/time/mcp", shared.url("time"))
    assert [it["principal"] for it in shared.ready["tokens"]] == [DEVELOPER, PLANNER, STRANGER]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_real_client_calls_a_stdio_server(shared: Up, mode: str) -> None:
    answer = await call(
        shared.url("time"), shared.token(), "get_current_time", {"timezone": "Asia/Tokyo"}, mode
    )

    assert json.loads(answer)["timezone"] == "Asia/Tokyo"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_real_client_calls_an_http_server(shared: Up, mode: str) -> None:
    url, token = shared.url("notes"), shared.token()

    await call(url, token, "write_note", {"title": mode, "text": "kept"}, mode)

    assert mode in await call(url, token, "search_notes", {"word": "kept"}, mode)


async def test_a_policy_decides_what_another_principal_sees_and_calls(shared: Up) -> None:
    url, token = shared.url("notes"), shared.token(PLANNER)

    assert await tools_of(url, token) == ["list_notes", "search_notes"]
    assert (await call(url, token, "delete_note", {"title": "x"})).startswith("refused: ")


def test_the_commands_speak_to_it(shared: Up) -> None:
    url, token = shared.url("time"), shared.token()

    listed = ostiary("tools", url, OSTIARY_TOKEN=token)
    called = ostiary("call", url, "get_current_time", "timezone=UTC", "--token", token)

    assert "get_current_time timezone=" in listed.stdout
    assert json.loads(called.stdout)["timezone"] == "UTC"
    assert (listed.returncode, called.returncode) == (0, 0)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("tools", "{url}"), 3, "401: {url} wants a token: give --token"),
        (("tools", "{url}", "--token", "abc"), 3, "401: the token is not taken"),
        (("tools", "{url}", "--token", "{stranger}"), 3, "MCPAccessPolicy"),
        (("tools", "{url}x", "--token", "{token}"), 3, "404: there is no endpoint at {url}x."),
        (("call", "{url}", "no_such_tool", "--token", "{token}"), 3, "no_such_tool"),
        (("call", "{url}", "get_current_time", "--token", "{token}"), 1, ""),
        (("call", "{url}", "get_current_time", "x", "--token", "{token}"), 2, "key=value"),
        (("tools", "http://127.0.0.1:1/"), 3, "cannot be reached"),
        (("tools", "no/such/name"), 2, "is neither a URL nor the name of a server"),
    ],
    ids=["no token", "bad", "stranger", "path", "tool", "fails", "word", "nobody there", "no url"],
)
def test_a_refusal_is_a_sentence_and_a_code(
    shared: Up,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    names = {
        "url": shared.url("time"),
        "token": shared.token(),
        "stranger": shared.token(STRANGER),
    }

    monkeypatch.setenv("OSTIARY_TOKEN", "")

    returned = main([word.format(**names) for word in words])

    assert returned == code
    assert said.format(**names) in "".join(capfd.readouterr())


def test_who_may_not_call_is_told_the_policy_to_write(shared: Up) -> None:
    shared.told(f"{STRANGER} may not call default/time")
    shared.told("kind: MCPAccessPolicy")


async def test_an_edit_takes_effect_without_a_restart(tmp_path: Path) -> None:
    folder = quickstart(tmp_path)
    with running(folder) as up:
        url, token = up.url("time"), up.token()
        before = descendants(up.process.pid)
        assert await tools_of(url, token) == ["convert_time", "get_current_time"]

        text = (folder / "time.yaml").read_text()
        (folder / "time.yaml").write_text(text + '  tools: {deny: ["convert_*"]}\n')
        await eventually(lambda: tools_of(url, token), ["get_current_time"])
        write(folder, more=server("clock", TIME))
        up.told("new: ")
        clock = url.replace("/time/", "/clock/")
        (folder / "notes.yaml").unlink()
        up.told("gone: default/notes")

        assert "get_current_time" in await tools_of(clock, token)
        assert ostiary("tools", up.url("notes"), "--token", token).returncode == 3
        assert len(up.said) == 1
        assert before


async def test_a_policy_edit_moves_nobody_elses_process(tmp_path: Path) -> None:
    folder = quickstart(tmp_path)
    with running(folder) as up:
        before = descendants(up.process.pid)

        (folder / "access.yaml").write_text(policy(tools="['list_notes']"))
        await eventually(lambda: tools_of(up.url("notes"), up.token()), ["list_notes"])

        assert before & descendants(up.process.pid)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [\n", "time.yaml:2: not YAML"),
        (
            server("time", "comand: [x]"),
            "time.yaml:6: MCPServer default/time: spec.comand: no such field: "
            "did you mean command?",
        ),
        (
            server("time", TIME, "envFrom: [{secretRef: {name: gone}}]"),
            "time.yaml:7: MCPServer default/time cannot run here: spec.envFrom[0]: "
            "Secret default/gone is not in this folder",
        ),
    ],
    ids=["yaml", "field", "secret"],
)
async def test_a_broken_edit_keeps_the_last_good_state(
    tmp_path: Path, text: str, said: str
) -> None:
    write(tmp_path, time=server("time", TIME), access=policy())
    good = (tmp_path / "time.yaml").read_text()
    with running(tmp_path) as up:
        write(tmp_path, time=text, access=policy(account="somebody-else"))
        up.told(said)
        up.told("the last good state stays")

        assert "get_current_time" in await tools_of(up.url("time"), up.token())

        write(tmp_path, time=good)
        up.told("The folder is in force: change 2")
        assert ostiary("tools", up.url("time"), "--token", up.token()).returncode == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.skipif(not LINUX, reason="looks into /proc")
async def test_a_signal_leaves_nothing_behind(tmp_path: Path, number: int) -> None:
    folder = quickstart(tmp_path)
    with running(folder) as up:
        await call(up.url("time"), up.token(), "get_current_time", {"timezone": "UTC"}, "legacy")
        children = descendants(up.process.pid)
        assert children

        code = up.end(number)

        until(lambda: not any(map(alive, children)), f"{children} end")
        assert code == 0
        assert len(up.said) == 1
    with socket.socket() as probe:
        port = int(up.url("time").split(":")[2].split("/")[0])
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    left = {path.name for path in folder.iterdir()}
    assert left - {path.name for path in QUICKSTART.iterdir()} <= {".ostiary"}
    assert "__pycache__" not in left


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
def test_even_a_killed_one_leaves_neither_child_nor_grandchild(tmp_path: Path) -> None:
    """A server that a shell started, as many are, is no child of ours."""
    folder = quickstart(tmp_path)
    (folder / "nested.yaml").write_text(
        server("nested", 'command: [sh, -c, "sleep 1000 & mcp-server-time; true"]')
    )
    with running(folder) as up:
        children = descendants(up.process.pid)
        assert "sleep" in set(map(program_of, children))

        up.end(signal.SIGKILL)

        until(lambda: not any(map(alive, children)), f"{children} end")


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
def test_servers_that_ignore_every_request_to_end_are_ended(tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text(
        "import signal, subprocess\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen(['sleep', '1000'])\n"
        "from mcp.server.mcpserver import MCPServer\n"
        "MCPServer('deaf').run()\n"
        "signal.pause()\n"
    )
    write(tmp_path, a=server("deaf", "command: [python, deaf.py]"))
    with running(tmp_path) as up:
        children = descendants(up.process.pid)
        assert len(children) >= 2

        assert up.end() == 0

        until(lambda: not any(map(alive, children)), f"{children} end")


async def test_a_pasted_token_survives_a_restart(tmp_path: Path) -> None:
    write(tmp_path, time=server("time", TIME), access=policy())
    with running(tmp_path) as up:
        token = up.token()
    with running(tmp_path) as up:
        assert await tools_of(up.url("time"), token)


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    write(tmp_path, time=server("time", TIME))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        done = ostiary("up", str(tmp_path), "--port", str(port))

    assert done.returncode == 3
    assert f"Port {port} of 127.0.0.1 cannot be had" in done.stderr
    assert "choose a port with --port" in done.stderr
    assert done.stdout == ""


async def test_servers_that_cannot_run_are_named_and_hurt_no_other(tmp_path: Path) -> None:
    port = free_port()
    http = f"transport: {{streamableHTTP: {{port: {port}}}}}"
    write(
        tmp_path,
        a=server("absent", "command: [no-such-program-at-all]"),
        b=server("exits", "command: ['false']"),
        c=server("first", f"command: [python, -m, http.server, '{port}']", http),
        d=server("second", "command: [python, -m, http.server]", http),
        e=server("time", TIME),
        f=policy(),
    )

    with running(tmp_path) as up:
        named = [it["name"] for it in up.ready["endpoints"]]

        assert named == ["absent", "exits", "first", "time"]
        assert "npm install --global no-such-program-at-all" in up.told("absent cannot start")
        up.told("MCPServer default/absent: Unavailable (CommandNotFound)")
        up.told("MCPServer default/exits: Unavailable (CommandExited)")
        assert "already that of default/first" in up.told("default/second cannot run here")
        assert "get_current_time" in await tools_of(up.url("time"), up.token())
        gone = ostiary("tools", up.url("exits"), "--token", up.token())
        assert gone.returncode == 3


async def test_a_port_of_somebody_elses_is_never_taken_for_the_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        write(
            tmp_path,
            a=server("notes", "command: [x]", f"transport: {{streamableHTTP: {{port: {port}}}}}"),
            b=server("time", TIME),
        )

        with running(tmp_path) as up:
            assert [it["name"] for it in up.ready["endpoints"]] == ["time"]
            assert "another program on this machine listens" in up.told(f"port {port}")


async def test_secrets_and_config_maps_reach_the_server(tmp_path: Path) -> None:
    (tmp_path / "env_server.py").write_text(
        "import os\n"
        "from mcp.server.mcpserver import MCPServer\n"
        "server = MCPServer('env')\n"
        "@server.tool()\n"
        "def env(name: str) -> str:\n"
        "    return os.environ.get(name, '-')\n"
        "server.run()\n"
    )
    write(
        tmp_path,
        a=server(
            "env",
            "command: [python, env_server.py]",
            "envFrom: [{configMapRef: {name: settings}}]",
            "env: [{name: KEY, valueFrom: {secretKeyRef: {name: saas, key: token}}}]",
        ),
        b="apiVersion: v1\nkind: Secret\nmetadata: {name: saas}\nstringData: {token: canary-1}\n",
        c="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {LEVEL: debug}\n",
        d=policy(),
    )

    with running(tmp_path) as up:
        url, token = up.url("env"), up.token()

        assert await call(url, token, "env", {"name": "KEY"}) == "canary-1"
        assert await call(url, token, "env", {"name": "LEVEL"}) == "debug"
        assert await call(url, token, "env", {"name": "OSTIARY_TOKEN"}) == "-"
        assert up.end() == 0
    assert "canary-1" not in "\n".join(up.news + up.said + up.trail)


@pytest.mark.parametrize(
    ("files", "words", "said"),
    [
        ({}, (), "holds no manifest"),
        ({"a": server("time", "comand: [x]")}, (), "a.yaml:6: MCPServer default/time"),
        ({"a": server("time", TIME, "replicas: 0")}, (), "No server is left that can run here."),
        ({"a": server("time", TIME)}, ("--as", "alice"), "system:serviceaccount:<namespace>"),
        ({"a": server("time", TIME)}, ("--port", "99999"), "--port: write a number"),
        ({"a": server("time", TIME)}, ("--call", "time"), "--call: write SERVER TOOL"),
    ],
    ids=["empty", "field", "none left", "principal", "port", "call"],
)
def test_what_cannot_start_says_why(
    tmp_path: Path, files: dict[str, str], words: tuple[str, ...], said: str
) -> None:
    write(tmp_path, **files)

    done = ostiary("up", str(tmp_path), *(() if "--port" in words else ("--port", "0")), *words)

    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_people_get_a_table_a_token_commands_and_a_real_answer(tmp_path: Path) -> None:
    folder = quickstart(tmp_path)
    words = ("--call", "time", "get_current_time", "timezone=Europe/Paris")
    with running(folder, *words, json_output=False) as up:
        until(lambda: any("Europe/Paris" in line for line in up.said[-6:-1]), "an answer")
        text = "\n".join(up.said)

    assert re.search(r"ENDPOINT +STATE +TOOLS +SERVER", text)
    assert re.search(r"http://\S+/default/notes/mcp +Ready +4 +notes 1\.0", text)
    assert re.search(r"http://\S+/default/time/mcp +Ready +2 ", text)
    assert text.count("no network isolation") == 1
    assert re.search(r"export OSTIARY_TOKEN=ey\S+\.\S+\.\S+", text)
    assert "claude mcp add --transport http time http://" in text
    assert '"timezone": "Europe/Paris"' in text


async def test_drift_is_said_with_what_to_write_and_an_edit_approves_it(tmp_path: Path) -> None:
    """Security row 16, on a laptop."""
    pinned = "tools: {pin: {mode: Enforce%s}}"
    write(tmp_path, policy=policy(), time=server("time", TIME, pinned % ""))
    with running(tmp_path, "--as", DEVELOPER) as up:
        said = re.search(r"pin\.digest: (sha256:\w{64})", up.told("nothing is approved yet"))
        assert said is not None
        url, token = up.url("time"), up.token()
        assert await tools_of(url, token) == []

        write(tmp_path, time=server("time", TIME, pinned % f", digest: '{said.group(1)}'"))
        await eventually(lambda: tools_of(url, token), ["convert_time", "get_current_time"])
