"""`ostiary allow`: a manifest that the API takes, and that lets in whom it names."""

from pathlib import Path

import pytest
import yaml
from tests.cli.access.asking import POLICY, ask, folder

from ostiary_cli.access.allow import Wish, policy_for
from ostiary_cli.endpoint import CallFailed
from ostiary_operator.api import MCPAccessPolicy, parse_policy

PLANNER = "system:serviceaccount:agents:planner"


@pytest.mark.parametrize(
    ("subject", "entry"),
    [
        (
            PLANNER,
            {
                "serviceAccounts": {
                    "names": ["planner"],
                    "namespaces": {
                        "from": "Selector",
                        "selector": {"matchLabels": {"kubernetes.io/metadata.name": "agents"}},
                    },
                }
            },
        ),
        ("system:serviceaccount:tools:a-*", {"serviceAccounts": {"names": ["a-*"]}}),
        (
            "system:serviceaccount:*:ci",
            {"serviceAccounts": {"names": ["ci"], "namespaces": {"from": "All"}}},
        ),
        ("token:tools:ci-*", {"tokens": {"names": ["ci-*"]}}),
        ("user:corp:alice@x.y", {"users": {"names": ["corp:alice@x.y"]}}),
        ("anonymous", {"anonymous": {}}),
    ],
)
def test_a_subject_is_an_entry(subject: str, entry: object) -> None:
    found = policy_for(Wish("tools", "time", (subject,), ("get_*",)))

    assert isinstance(parse_policy(found), MCPAccessPolicy)
    [rule] = found["spec"]["rules"]
    assert rule["from"] == [entry]
    assert rule["allow"] == {"tools": ["get_*"]}
    assert found["spec"]["targetRefs"] == [{"kind": "MCPServer", "name": "time"}]


@pytest.mark.parametrize(
    "subject", [PLANNER, "user:carol", "token:tools:new", "anonymous", "system:serviceaccount:*:x*"]
)
def test_committed_it_lets_them_in(tmp_path: Path, subject: str) -> None:
    path = folder(tmp_path)
    where = ("-n", "tools", "-f", str(path))
    words = ("time", "--to", subject, "--tools", "set_*", "--prompts", "*")

    code, out, err = ask("allow", *words, *where)
    (path / "more.yaml").write_text(out)

    assert (code, err.count("\n")) == (0, 1), err  # the token that ended
    [found] = yaml.safe_load_all(out)
    assert found["spec"]["rules"][0]["allow"] == {"tools": ["set_*"], "prompts": ["*"]}
    _, listed, _ = ask("who-can", "call", "set_time", *where)
    name = found["metadata"]["name"]
    assert f"tools/{name}" in listed


def test_what_refuses_them_all_the_same_is_told(tmp_path: Path) -> None:
    where = ("-n", "tools", "-f", str(folder(tmp_path)))
    planted = "system:serviceaccount:agents:planted"

    _, out, err = ask("allow", "time", "--to", planted, *where)

    assert "kind: MCPAccessPolicy" in out
    assert f"{planted} will still be refused tool *: tools/read deny[1]." in err


def test_one_of_that_name_would_be_replaced(tmp_path: Path) -> None:
    path = folder(tmp_path, policy=POLICY.replace("name: read,", "name: time-bob,"))

    _, _, err = ask("allow", "time", "--to", "user:bob", "-n", "tools", "-f", str(path))

    assert "MCPAccessPolicy tools/time-bob is there already" in err


@pytest.mark.parametrize(
    "wish",
    [
        Wish("tools", "time", ("bob",)),
        Wish("tools", "time: x", ("user:bob",)),
        Wish("to ols", "time", ("user:bob",)),
        Wish("tools", "time", ("system:serviceaccount:a}:b",)),
        Wish("tools", "time", ("system:serviceaccount:a:B,",)),
        Wish("tools", "time", ("user:bob",), ("",)),
    ],
)
def test_what_cannot_be_meant_is_refused(wish: Wish) -> None:
    with pytest.raises(CallFailed) as caught:
        policy_for(wish)

    assert caught.value.code == 2


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    words = ("--to", "user:bob", "-n", "tools", "-f", str(folder(tmp_path)))

    code, out, err = ask("allow", "nix", *words)

    assert (code, out) == (2, "")
    assert "no MCPServer tools/nix" in err
