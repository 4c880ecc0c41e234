"""What is printed for people and for scripts."""

import json
import sys
from pathlib import Path

import pytest

from ostiary_cli import output
from ostiary_cli.output import Token
from ostiary_proxy.config import Server, ServerReport, StdioBackend


def server(name: str) -> Server:
    url = f"http://127.0.0.1:1/default/{name}/mcp"
    return Server(
        namespace="default",
        name=name,
        uid=name,
        url=url,
        audiences=(url,),
        hosts=("127.0.0.1",),
        backend=StdioBackend(),
    )


def report(name: str, **fields: object) -> ServerReport:
    return ServerReport.model_validate({"namespace": "default", "name": name, **fields})


def test_the_line_for_scripts_is_one_line_of_exactly_these_fields() -> None:
    line = output.ready_line([server("time")], [Token("me", "ey")])

    assert "\n" not in line
    assert json.loads(line) == {
        "endpoints": [
            {
                "kind": "MCPServer",
                "namespace": "default",
                "name": "time",
                "url": "http://127.0.0.1:1/default/time/mcp",
            }
        ],
        "tokens": [{"principal": "me", "token": "ey"}],
    }


def test_the_table_says_what_state_each_server_is_in() -> None:
    reports = {
        "default/time": report(
            "time", state="Ready", toolCount=2, serverName="mcp-time", serverVersion="1"
        ),
        "default/dead": report("dead", state="Unavailable", reason="CommandExited"),
    }

    lines = output.table([server("time"), server("dead"), server("new")], reports).splitlines()

    assert lines[1].split() == [
        "http://127.0.0.1:1/default/time/mcp",
        "Ready",
        "2",
        "mcp-time",
        "1",
    ]
    assert "Unavailable (CommandExited)   -" in lines[2]
    assert lines[3].split()[1] == "Starting"


def test_what_is_printed_can_be_pasted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bin" / "ostiary"), "up"])

    text = "\n".join(output.how_to_use([server("time")], [Token("a", "ey1"), Token("b", "ey2")]))

    assert "export OSTIARY_TOKEN=ey1" in text
    assert "export OSTIARY_TOKEN_2=ey2" in text
    assert "  bin/ostiary tools http://127.0.0.1:1/default/time/mcp" in text
    assert output.call_command("http://x", ["say", "text=a b"]) == (
        "bin/ostiary call http://x say 'text=a b'"
    )


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ((), "No member"),
        (("Waiting", "Waiting"), "Starting"),
        (("Ready", "Ready"), "Ready"),
        (("Ready", "Unhealthy"), "Ready (without m1)"),
        (("Unhealthy", "Waiting"), "Unavailable (no member answers)"),
    ],
)
def test_a_groups_state_is_what_its_members_do(states: tuple[str, ...], said: str) -> None:
    members = [{"alias": f"m{number}", "state": state} for number, state in enumerate(states)]
    whole = report("everyday", kind="MCPGroup", state="Ready", members=members)
    assert output.state_of(whole) == said


def test_what_two_members_call_alike_is_said() -> None:
    member = {"alias": "a", "state": "Ready", "conflicts": ["count"]}
    whole = report("everyday", kind="MCPGroup", state="Ready", members=[member])
    assert output.sentence(whole) == (
        "MCPGroup default/everyday: Ready: a: left out, for another member has the name too: count"
    )
