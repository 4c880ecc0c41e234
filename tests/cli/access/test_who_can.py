"""`ostiary who-can`: whoever may is listed, and whoever is listed may."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.access.asking import POLICY, ask, folder
from tests.cli.access.written import world, written_policies
from tests.proxy.test_policy import callers, filters, names

from ostiary_cli.access.asked import Asker
from ostiary_cli.access.can_i import can_i
from ostiary_cli.access.who_can import who_can
from ostiary_cli.access.witnesses import covers
from ostiary_proxy import config
from ostiary_proxy.policy import Caller, Kind, Target


@given(
    written_policies,
    filters.filter(lambda it: it.allow != ()),
    callers,
    names,
    st.sampled_from(["tool", "prompt"]),
)
def test_the_list_and_the_answer_to_one_caller_agree(
    policies: list[config.Policy],
    tools: config.ToolFilter,
    caller: Caller,
    name: str,
    kind: Kind,
) -> None:
    standing = world(policies, tools)
    server = standing.servers["tools/time"]
    target = Target(kind, name)
    if caller.kind == "token":
        return  # a token must be there: see the table below

    found = who_can(standing, server, target)
    allowed = can_i(standing, server, Asker(caller), target).allowed

    mine = [it for it in found.rows if covers(it.caller, caller, standing.namespaces)]
    sure = [
        it
        for it in mine
        if not it.when
        and not it.over
        and not any(covers(who, caller, standing.namespaces) for who, _ in it.exceptions)
    ]
    assert found.complete
    assert not allowed or mine
    assert allowed or not sure


PLANNERS = "system:serviceaccount:agents:plan*"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("call", "get_time"), PLANNERS),
        (("call", "get_time"), "tools/read   planners"),
        (("call", "get_time"), "namespaces with team=agents"),
        (("call", "get_time"), f"{PLANNERS} by tools/read planners, but not system:"),
        (("call", "get_time"), "agents:planted (tools/read deny[1])"),
        (("call", "get_time"), "token:tools:ci comes by MCPAccessToken tools/ci"),
        (("call", "get_time"), "A ServiceAccount's token is verified offline"),
        (("call", "get_secret"), "tools/time: nobody may call get_secret"),
        (("call", "convert"), "if args.zone == 'UTC'"),
        (("call", "list"), "oidc:https://i.x with groups=readers"),
        (("read", "time://now"), "user:alice comes by MCPAccessToken tools/alices"),
        (("get", "now"), "nobody may get now"),
        (("call", "get_*"), PLANNERS),
    ],
)
def test_each_subject_has_its_rule_its_condition_and_its_wall(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    code, out, _ = ask("who-can", *words, "-n", "tools", "-f", str(folder(tmp_path)))

    assert said in out
    assert code == 0


def test_a_ceiling_cuts_the_list_and_adds_its_condition(tmp_path: Path) -> None:
    ceiling = """apiVersion: ostiary.dev/v1alpha1
kind: MCPAccessPolicy
metadata: {name: top, namespace: admin}
spec:
  scope: Cluster
  namespaces: {from: All}
  rules:
  - name: r
    from: [{serviceAccounts: {names: ["planner*"], namespaces: {from: All}}}]
    allow: {tools: ["*"]}
    when: caller.name != 'planner-x'
"""
    path = folder(tmp_path, more=ceiling)

    _, out, _ = ask("who-can", "call", "get_time", "-n", "tools", "-f", str(path))

    assert "system:serviceaccount:agents:planner*" in out
    assert PLANNERS not in out
    assert "if caller.name != 'planner-x'" in out
    assert "token:" not in out


def test_an_issuer_that_is_not_trusted_is_told(tmp_path: Path) -> None:
    settings = """apiVersion: v1
kind: ConfigMap
metadata: {name: ostiary-settings, namespace: o}
data: {settings.yaml: "issuers: [{name: i, url: 'https://other.x'}]"}
"""
    path = folder(tmp_path, more=settings)

    _, out, _ = ask("who-can", "call", "list", "-n", "tools", "-f", str(path))

    assert "do not name the issuer https://i.x: nobody has a token of it" in out


def test_every_server_of_the_namespace_is_asked(tmp_path: Path) -> None:
    path = folder(tmp_path, policy=POLICY.replace("name: time}]", "name: none}]"))

    code, out, err = ask("who-can", "call", "x", "-n", "tools", "-f", str(path))
    assert (code, "tools/time: nobody may call x" in out) == (0, True), err
    code, _, err = ask("who-can", "call", "x", "-n", "none", "-f", str(path))
    assert (code, "There is no MCPServer in none" in err) == (2, True)


def test_the_shape_of_json(tmp_path: Path) -> None:
    where = ("-n", "tools", "-f", str(folder(tmp_path)), "--output", "json")

    code, out, _ = ask("who-can", "call", "convert", *where)

    assert code == 0
    assert json.loads(out) == {
        "verb": "call",
        "name": "convert",
        "servers": [
            {
                "server": "tools/time",
                "subjects": [
                    {
                        "subject": "user:bob",
                        "policy": "tools/read",
                        "rule": "bobs",
                        "if": ["args.zone == 'UTC'"],
                        "network": ["namespace tools"],
                        "except": [],
                        "tokens": [],
                    }
                ],
                "complete": True,
                "notes": [],
            }
        ],
    }
