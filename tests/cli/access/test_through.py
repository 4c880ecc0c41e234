"""`ostiary can-i --via`: which of the pieces on the way through a group is missing."""

import json
from pathlib import Path

import pytest
from tests.cli.access.asking import LATER, ask, token
from tests.cli.folders import group, policy, server, write

RUN = "command: [x]"
TO_AGENTS = (
    "exposeTo: {namespaces: {from: Selector, selector: "
    "{matchLabels: {kubernetes.io/metadata.name: agents}}}}"
)
PLANNER = "system:serviceaccount:tools:planner"
ANYBODY = "serviceAccounts: {names: [planner]}"
CEILING = (
    policy("over", account="planner", namespace="agents", tools="['get_*']")
    .replace("selector: {}", "targetRefs: [{kind: MCPGroup, name: everyday}]")
    .replace("[planner]", "[planner], namespaces: {from: All}")
)


def asked(folder: Path, *words: str, who: str = PLANNER, **files: str) -> tuple[int, str]:
    everything = {
        "time": server("time", RUN, TO_AGENTS, namespace="tools"),
        "rule": policy(account="planner", namespace="tools"),
        "group": group("server: {name: time, namespace: tools}, alias: clock", namespace="agents"),
        **files,
    }
    where = ("-f", str(write(folder, **everything)), "--via", "agents/everyday")
    code, out, err = ask("call", *(words or ("get_time",)), "--as", who, *where)
    return code, out or err


def test_yes_names_the_group_and_the_members_rule(tmp_path: Path) -> None:
    code, said = asked(tmp_path)

    assert code == 0
    way = "get_time of tools/time through MCPGroup agents/everyday, by tools/all rule"
    assert way in said
    assert "connecting from namespace tools" in said


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("clock_get_time", "get_time"),
        ("clock_clock_x", "clock_x"),
        ("clock_", "clock_"),
        ("clock", "clock"),
        ("words_get_time", "words_get_time"),
        (f"clock_{'x' * 60}", f"clock_{'x' * 60}"),
    ],
)
def test_a_name_may_be_the_groups(tmp_path: Path, name: str, own: str) -> None:
    code, said = asked(tmp_path, name, "--output", "json")

    assert code == 0
    assert (json.loads(said)["name"], json.loads(said)["server"]) == (own, "tools/time")
    assert (
        json.loads(asked(tmp_path, name, "--server", "time", "--output", "json")[1])["name"] == name
    )


def test_a_uri_may_be_the_groups(tmp_path: Path) -> None:
    everything = {
        "time": server("time", RUN, TO_AGENTS, namespace="tools"),
        "rule": policy(account="planner", namespace="tools").replace(
            "allow: {", "allow: {resources: ['file:**'], "
        ),
        "group": group("server: {name: time, namespace: tools}, alias: clock", namespace="agents"),
    }
    where = ("-f", str(write(tmp_path, **everything)), "--via", "agents/everyday")
    code, out, err = ask("read", "clock+file:///notes.txt", "--as", PLANNER, *where)

    assert code == 0, err
    assert "file:///notes.txt of tools/time" in out


def test_yes_under_a_ceiling_names_the_groups_rule_and_wall(tmp_path: Path) -> None:
    code, said = asked(tmp_path, over=CEILING)

    assert code == 0
    assert "by agents/over rule" in said
    assert "connecting from every namespace" in said


def test_what_is_left_to_the_arguments_is_said_of_both(tmp_path: Path) -> None:
    rule = policy(account="planner", namespace="tools").replace(
        "    allow:", "    when: args.a == 1\n    allow:"
    )
    over = CEILING.replace("    allow:", "    when: args.b == 2\n    allow:")

    assert "  if args.a == 1\n" in asked(tmp_path, rule=rule)[1]
    assert "  if (args.b == 2) && (args.a == 1)\n" in asked(tmp_path, rule=rule, over=over)[1]
    code, _ = asked(tmp_path, "get_time", "--args", '{"a": 1, "b": 3}', rule=rule, over=over)
    assert code == 1


@pytest.mark.parametrize(
    ("files", "words", "said"),
    [
        (
            {"time": server("time", RUN, namespace="tools")},
            ("get_time",),
            ("NoConsent", "spec.exposeTo.namespaces so that it admits agents"),
        ),
        (
            {
                "time": server("time", RUN, namespace="tools"),
                "group": group("selector: {}, namespaces: {from: All}", namespace="agents"),
            },
            ("get_time",),
            ("NoConsent", "spec.exposeTo of MCPServer tools/time does not admit the namespace"),
        ),
        (
            {"group": group("server: {name: notes, namespace: tools}", namespace="agents")},
            ("get_time", "-n", "tools", "--server", "time"),
            ("NotMember", "spec.members of MCPGroup agents/everyday neither names nor selects it"),
        ),
        (
            {"group": group("server: {name: notes, namespace: tools}", namespace="agents")},
            ("get_time", "--server", "notes"),
            ("NotFound", "There is no MCPServer tools/notes"),
        ),
        (
            {"over": CEILING},
            ("set_time",),
            ("NotAllowed", "A policy on MCPGroup agents/everyday is a ceiling, and has no rule"),
        ),
        (
            {"over": CEILING.replace("  rules:", "  deny: [{tools: [get_time]}]\n  rules:")},
            ("get_time",),
            ("Denied by agents/over deny[0]", "A policy on MCPGroup agents/everyday denies it"),
        ),
        (
            {"rule": policy(account="other", namespace="tools")},
            ("get_time",),
            ("is open to it, but no rule beside the member tools/time allows it",),
        ),
        (
            {
                "rule": policy(account="planner", namespace="tools").replace(
                    "  rules:", "  deny: [{tools: [get_time]}]\n  rules:"
                )
            },
            ("get_time",),
            ("A policy beside the member tools/time denies it literally",),
        ),
    ],
    ids=[
        "consent",
        "consent of what is selected",
        "not spoken of",
        "not there",
        "the ceiling",
        "the ceiling denies",
        "the member's rule",
        "the member denies",
    ],
)
def test_no_names_the_missing_piece(
    tmp_path: Path, files: dict[str, str], words: tuple[str, ...], said: tuple[str, ...]
) -> None:
    code, answer = asked(tmp_path, *words, **files)

    assert code == 1
    for part in (*said, "through MCPGroup agents/everyday"):
        assert part in answer


def test_nobody_in_particular_needs_an_entry_on_the_group_too(tmp_path: Path) -> None:
    rule = policy(account="planner", namespace="tools").replace(ANYBODY, "anonymous: {}")
    over = CEILING.replace(ANYBODY.replace("]", "], namespaces: {from: All}"), "anonymous: {}")

    code, said = asked(tmp_path, who="anonymous", rule=rule)

    assert code == 1
    assert "unless a policy on the group itself has an anonymous entry" in said
    assert asked(tmp_path, who="anonymous", rule=rule, over=over)[0] == 0


def test_an_access_token_must_be_for_the_group(tmp_path: Path) -> None:
    rule = policy(account="planner", namespace="tools").replace(ANYBODY, "tokens: {names: [ci]}")
    direct = token("ci", "1", "tools/time", end=LATER).removeprefix("---\n")
    through = direct.replace(
        '{kind: MCPServer, namespace: tools, name: "time"}',
        "{kind: MCPGroup, namespace: agents, name: everyday}",
    )
    who = "token:tools:ci"

    code, said = asked(tmp_path, who=who, rule=rule, token=direct)

    assert code == 1
    assert "TokenElsewhere" in said
    assert asked(tmp_path, who=who, rule=rule, token=through)[0] == 0
    code, said = asked(tmp_path, who=who, token=through)
    assert code == 1
    assert "No rule of a policy that says who comes in names MCPAccessToken tools/ci" in said


def test_a_member_is_asked_for_by_its_alias_and_an_unclear_one_is_no_answer(
    tmp_path: Path,
) -> None:
    both = group(
        "server: {name: time, namespace: tools}, alias: clock",
        "server: {name: notes, namespace: tools}",
        namespace="agents",
    )
    notes = server("notes", RUN, TO_AGENTS, namespace="tools")

    assert asked(tmp_path, "x", "--server", "clock", group=both, notes=notes)[0] == 0
    code, said = asked(tmp_path, "x", group=both, notes=notes)
    assert code == 2
    assert "Which member? Write -n and --server; there are tools/notes, tools/time" in said


def test_a_group_or_member_that_is_not_there_is_no_answer(tmp_path: Path) -> None:
    code, said = asked(tmp_path, "x", "--server", "nix")
    assert code == 2
    assert "There is no MCPServer */nix" in said

    code, _, err = ask("call", "x", "--as", PLANNER, "-f", str(tmp_path), "--via", "nightly")
    assert code == 2
    assert "--via nightly: there is no MCPGroup default/nightly; it has agents/everyday." in err


def test_json_names_the_group(tmp_path: Path) -> None:
    _, said = asked(tmp_path, "get_time", "--output", "json")

    found = json.loads(said)
    assert found["via"] == "agents/everyday"
    assert found["server"] == "tools/time"
    assert found["allowed"] is True
