"""Commands from the command line to the exit code; a live proxy gives the same answers."""

import json
from pathlib import Path

import pytest
from tests.cli.access.asking import SERVER, ask, folder
from tests.cli.running import QUICKSTART, call, ostiary, quickstart, running, tools_of

DEVELOPER = "system:serviceaccount:default:developer"
PLANNER = "system:serviceaccount:agents:planner"
STRANGER = "system:serviceaccount:shop:stranger"
NOTES = ("list_notes", "search_notes", "write_note", "delete_note")
TITLE = {"title": "x", "text": "y", "word": "z"}
CONDITION = """apiVersion: ostiary.dev/v1alpha1
kind: MCPAccessPolicy
metadata: {name: one-note}
spec:
  targetRefs: [{kind: MCPServer, name: notes}]
  rules:
  - name: shop
    from: [{serviceAccounts: {names: [stranger], namespaces: {from: All}}}]
    allow: {tools: [write_note, list_notes]}
    when: tool.name == 'list_notes' || args.title == 'x'
  deny: [{tools: [delete_note], from: [{serviceAccounts: {names: [developer]}}]}]
"""


async def test_can_i_answers_as_a_running_proxy_does(tmp_path: Path) -> None:
    path = quickstart(tmp_path)
    (path / "more.yaml").write_text(CONDITION)
    principals = (DEVELOPER, PLANNER, STRANGER)
    with running(path, *(word for it in principals for word in ("--as", it))) as up:
        url = up.url("notes")
        for principal in principals:
            listed = await tools_of(url, up.token(principal))
            for tool in NOTES:
                for title in ("x", "other"):
                    args = TITLE | {"title": title}
                    answer = await call(url, up.token(principal), tool, args)
                    ran = not answer.startswith(("refused: ", "This tool is for this caller, but"))
                    words = (tool, "--as", principal, "--server", "notes", "-f", str(path))

                    assert ask("call", *words, "--args", json.dumps(args))[0] == int(not ran)
                    assert ask("call", *words)[0] == int(tool not in listed)


def test_the_program_answers_in_a_pipeline(tmp_path: Path) -> None:
    new = quickstart(tmp_path)
    text = (new / "policies.yaml").read_text() if (new / "policies.yaml").exists() else ""
    for it in new.glob("*.yaml"):
        if '"list_notes"' in it.read_text():
            text = it.read_text().replace('["list_notes", "search_notes"]', '["*_notes"]')
            it.write_text(text)

    same = ostiary("diff", str(QUICKSTART), str(QUICKSTART))
    done = ostiary("diff", str(QUICKSTART), str(new), "--output", "json")

    assert (same.returncode, done.returncode) == (0, 1)
    [change] = json.loads(done.stdout)["changes"]
    assert change["names"] == ["*_notes"]
    assert done.stderr == ""


def test_which_server_is_asked_where_there_are_two(tmp_path: Path) -> None:
    path = folder(tmp_path, more=SERVER.replace("name: time,", "name: other,"))
    words = ("call", "get_time", "--as", PLANNER, "-n", "tools", "-f", str(path))

    code, out, err = ask(*words)
    assert (code, out) == (2, "")
    assert "Write --server; there are other, time." in err
    assert ask(*words, "--server", "time")[0] == 0
    assert ask(*words, "--server", "other")[0] == 1


@pytest.mark.parametrize("command", ["who-can", "can-i", "review", "allow"])
def test_without_a_cluster_and_without_a_folder(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    lines = {
        "who-can": ("who-can", "call", "x", "-n", "t"),
        "can-i": ("call", "x", "--as", "user:a", "-n", "t"),
        "review": ("review", "-A"),
        "allow": ("allow", "time", "--to", "user:a", "-n", "t"),
    }

    code, out, err = ask(*lines[command])

    assert "kubectl is not on the PATH" in err
    assert code == {"can-i": 2, "allow": 0}.get(command, 3)
    assert ("kind: MCPAccessPolicy" in out) is (command == "allow")
