"""`ostiary who-can --via`: whoever both the member's rules and the group's allow."""

import json
from pathlib import Path

from tests.cli.access.asking import ask
from tests.cli.access.test_through import CEILING, RUN, TO_AGENTS
from tests.cli.folders import group, policy, server, write

MEMBER = "server: {name: time, namespace: tools}, alias: clock"
BOTH = policy(account="planner, writer", namespace="tools")


def asked(folder: Path, *words: str, **files: str) -> str:
    everything = {
        "time": server("time", RUN, TO_AGENTS, namespace="tools"),
        "rule": BOTH,
        "group": group(MEMBER, namespace="agents"),
        **files,
    }
    where = ("-f", str(write(folder, **everything)), "--via", "agents/everyday")
    code, out, err = ask("who-can", "call", *(words or ("get_time",)), *where)
    assert code == 0, err
    return out


def test_without_a_policy_on_the_group_its_members_rules_say_who(tmp_path: Path) -> None:
    said = asked(tmp_path)

    assert "tools/time: 2 may call get_time through MCPGroup agents/everyday" in said
    assert "system:serviceaccount:tools:planner" in said
    assert "system:serviceaccount:tools:writer" in said
    assert "namespace tools" in said


def test_the_groups_policies_narrow_it_and_are_the_wall(tmp_path: Path) -> None:
    said = asked(tmp_path, over=CEILING)

    assert "tools/time: 1 may call get_time" in said
    assert "system:serviceaccount:tools:planner" in said
    assert "writer" not in said
    assert "every namespace" in said
    assert "nobody may call set_time" in asked(tmp_path, "set_time", over=CEILING)


def test_the_tool_may_bear_the_groups_name(tmp_path: Path) -> None:
    said = asked(tmp_path, "clock_get_time")

    assert "tools/time: 2 may call get_time through MCPGroup agents/everyday" in said


def test_conditions_of_both_are_shown(tmp_path: Path) -> None:
    own = BOTH.replace("    allow:", "    when: args.a == 1\n    allow:")
    over = CEILING.replace("    allow:", "    when: args.b == 2\n    allow:")

    assert "if args.a == 1 and args.b == 2" in asked(tmp_path, rule=own, over=over)


def test_nobody_in_particular_is_not_among_them_without_the_groups_word(tmp_path: Path) -> None:
    rule = BOTH.replace("serviceAccounts: {names: [planner, writer]}", "anonymous: {}")
    over = CEILING.replace(
        "serviceAccounts: {names: [planner], namespaces: {from: All}}", "anonymous: {}"
    )

    assert "nobody may call get_time" in asked(tmp_path, rule=rule)
    assert "1 may call get_time" in asked(tmp_path, rule=rule, over=over)


def test_without_consent_it_is_nobody_and_it_is_said_why(tmp_path: Path) -> None:
    said = asked(tmp_path, time=server("time", RUN, namespace="tools"))

    assert "nobody may call get_time through MCPGroup agents/everyday" in said
    assert "Nobody through MCPGroup agents/everyday: NoConsent: " in said


def test_json_names_the_group(tmp_path: Path) -> None:
    found = json.loads(asked(tmp_path, "get_time", "--output", "json"))

    (one,) = found["servers"]
    assert (one["server"], one["via"], one["complete"]) == ("tools/time", "agents/everyday", True)
    assert [it["subject"] for it in one["subjects"]] == [
        "system:serviceaccount:tools:planner",
        "system:serviceaccount:tools:writer",
    ]
