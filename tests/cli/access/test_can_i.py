"""`ostiary can-i`: the proxy's own answer, and what is missing."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.access.asking import ask, folder
from tests.cli.access.written import world, written_policies
from tests.proxy.test_policy import arguments, callers, filters, names, rules_of

from ostiary_cli.access.asked import Asker
from ostiary_cli.access.can_i import can_i
from ostiary_proxy import config
from ostiary_proxy.policy import Allow, Caller, Deny, Kind, Target, decide


@given(
    written_policies,
    filters,
    callers,
    names,
    st.sampled_from(["tool", "prompt"]),
    st.one_of(st.none(), arguments),
)
def test_the_answer_is_the_proxys_for_any_policy_and_caller(
    policies: list[config.Policy],
    tools: config.ToolFilter,
    caller: Caller,
    name: str,
    kind: Kind,
    args: dict[str, object] | None,
) -> None:
    plain = tools if tools.allow != () else tools.model_copy(update={"allow": None})
    standing = world(policies, plain)
    target = Target(kind, name, args)
    who = Asker(caller)
    if caller.kind == "token":
        return  # a token must be there: see the table below

    answer = can_i(standing, standing.servers["tools/time"], who, target)

    match decide(target, caller, rules_of(*policies, tools=plain)):
        case Allow(policy, rule):
            assert answer.allowed
            assert (answer.policy, answer.rule) == (policy, rule)
        case Deny(reason, policy, rule):
            assert not answer.allowed
            assert (answer.reason, answer.policy, answer.rule) == (reason, policy, rule)


PLANNER = "system:serviceaccount:agents:planner"


@pytest.mark.parametrize(
    ("words", "expected", "said"),
    [
        (("call", "get_time", "--as", PLANNER), 0, "by tools/read planners"),
        (("call", "get_time", "--as", PLANNER), 0, "connecting from namespaces with team=agents"),
        (("call", "set_time", "--as", PLANNER), 1, "NotAllowed"),
        (("call", "set_time", "--as", PLANNER), 1, "do not allow set_time: tools/read planners"),
        (("call", "get_secret", "--as", PLANNER), 1, "Denied by tools/read deny[0]"),
        (("call", "get_time", "--as", "system:serviceaccount:shop:planner"), 1, "NotAdmitted"),
        (("call", "get_time", "--as", "anonymous"), 1, "No rule of a policy of this server"),
        (("read", "time://now", "--as", "user:alice"), 0, "by tools/read people"),
        (("get", "now", "--as", "user:alice"), 1, "NotAllowed"),
        (("call", "convert", "--as", "user:bob"), 0, "if args.zone == 'UTC'"),
        (("call", "convert", "--as", "user:bob", "--args", '{"zone": "UTC"}'), 0, "yes"),
        (("call", "convert", "--as", "user:bob", "--args", '{"zone": "X"}'), 1, "args.zone == "),
        (
            (
                "call",
                "list",
                "--as",
                "user:x",
                "--groups",
                "readers",
                "--claims",
                "iss=https://i.x",
            ),
            0,
            "by tools/read readers",
        ),
        (
            ("call", "list", "--as", "user:x", "--claims", "iss=https://i.x", "groups=readers"),
            0,
            "by tools/read readers",
        ),
        (("call", "list", "--as", "user:x", "--claims", "iss=https://i.x"), 1, "NotAdmitted"),
        (("call", "get_time", "--as", "token:tools:ci"), 0, "by tools/read machines"),
        (("call", "get_time", "--as", "token:tools:ended"), 1, "TokenRefused"),
        (("call", "get_time", "--as", "token:tools:none"), 1, "TokenUnknown"),
        (("call", "get_time", "--as", "token:tools:away"), 1, "names MCPServer shop/other alone"),
        (("call", "get_time", "--as", "token:tools:stranger"), 1, "No rule of a policy of this"),
        (("read", "time://now", "--as", "token:tools:alices"), 0, "by tools/read people"),
    ],
)
def test_each_answer_says_why(
    tmp_path: Path, words: tuple[str, ...], expected: int, said: str
) -> None:
    code, out, _ = ask(*words, "-n", "tools", "-f", str(folder(tmp_path)))

    assert said in out
    assert code == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("call", "x", "--as", "alice"), "--as alice: write system:serviceaccount:"),
        (("call", "x", "--as", "user:"), "--as user:: write"),
        (("call", "x", "--as", PLANNER, "--args", "[1]"), "--args must be an object"),
        (("call", "x", "--as", PLANNER, "--args", "{"), "--args is not JSON"),
        (("call", "x", "--as", PLANNER, "--groups", "a"), "are a user's"),
        (("call", "x", "--as", "user:a", "--groups", "b"), "name the issuer"),
        (("call", "x", "--as", "user:a", "--claims", "b"), "write claim=value"),
        (("call", "x", "--as", "user:a", "--server", "nix"), "There is no MCPServer tools/nix"),
    ],
)
def test_what_cannot_be_asked_is_told_and_is_no_no(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    code, out, err = ask(*words, "-n", "tools", "-f", str(folder(tmp_path)))

    assert said in err
    assert (code, out) == (2, "")


def test_the_shape_of_json(tmp_path: Path) -> None:
    where = ("-n", "tools", "-f", str(folder(tmp_path)), "--output", "json")

    code, found = _json("call", "convert", "--as", "user:bob", *where)

    assert code == 0
    assert found == {
        "verb": "call",
        "name": "convert",
        "as": "user:bob",
        "server": "tools/time",
        "allowed": True,
        "reason": "Allowed",
        "policy": "tools/read",
        "rule": "bobs",
        "message": "",
        "if": ["args.zone == 'UTC'"],
        "network": ["namespace tools"],
    }


def _json(*words: str) -> tuple[int, Any]:
    code, out, _ = ask(*words)
    return code, json.loads(out)
