"""Objects to models, or to what should be written instead."""

from datetime import date
from typing import Any

import pytest
from tests.operator.build import HTTP, STDIO, policy_manifest, rule, server_manifest

from ostiary_operator.api import Invalid, MCPAccessPolicy, Problem, parse_policy, parse_server


def problems(spec: Any) -> list[str]:
    parsed = parse_server(server_manifest(spec))
    assert isinstance(parsed, Invalid)
    return [str(problem) for problem in parsed.problems]


def test_the_four_line_minimum_is_enough() -> None:
    assert not isinstance(parse_server(server_manifest(STDIO)), Invalid)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (STDIO | {"comand": []}, "spec.comand: no such field: did you mean command?"),
        (
            HTTP | {"transport": {"streamableHTTP": {"prt": 1}}},
            "spec.transport.streamableHTTP.prt: no such field: did you mean port?",
        ),
        (
            STDIO | {"network": {"egress": {"zzz": 1}}},
            "spec.network.egress.zzz: no such field: the fields here are mode, to",
        ),
        (STDIO | {"replicas": "2"}, "spec.replicas: input should be a valid integer"),
        (
            STDIO | {"env": [{"name": "A", "value": 1}]},
            "spec.env[0].value: must be text: write it in quotes",
        ),
        (STDIO | {"image": 5}, 'spec.image: must be text: write "5" in quotes'),
        ({"command": ["a"]}, "spec: write exactly one of image, remote and service"),
        (
            STDIO | {"env": [{"name": "A"}, {"name": "A"}]},
            "spec.env: 'A' is there twice: give each its own",
        ),
        (STDIO | {"tools": {"allow": []}}, "spec.tools.allow: must have at least one item"),
        (None, "spec: write exactly one of image, remote and service"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_mistake_is_said_with_its_place_and_what_to_write(spec: Any, said: str) -> None:
    given = {} if spec is None else spec

    assert said in problems(given)


def test_what_was_written_is_repeated_in_one_short_line_and_a_value_of_env_is_not() -> None:
    hostile = "x\n\u202e\x1b[2J" + "y" * 10_000

    said = problems(
        STDIO
        | {
            hostile: 1,
            "env": [{"name": hostile, "value": 73519372}],
            "tools": {"allow": [hostile]},
        }
    )

    assert len(said) == 4
    for line in said:
        assert len(line) < 600
        assert line.isprintable()
        assert "73519372" not in line


def test_a_list_whose_items_are_refused_is_not_called_short_as_well() -> None:
    found = problems(STDIO | {"tools": {"allow": [""]}})

    assert len(found) == 1
    assert found[0].startswith("spec.tools.allow[0]")


def test_each_mistake_is_said_not_only_the_first() -> None:
    found = problems({"command": ["a"], "replicas": -1, "workingDirectory": "/", "image": 5})

    assert len(found) == 3


@pytest.mark.parametrize("spec", ["text", 5, [], None], ids=repr)
def test_a_spec_that_is_no_mapping_is_a_sentence(spec: Any) -> None:
    obj = server_manifest() | {"spec": spec}

    assert isinstance(parse_server(obj), Invalid)


def test_a_field_beside_spec_is_refused_and_status_is_not_read() -> None:
    parsed = parse_server(server_manifest() | {"specs": {}, "status": {"anything": object}})

    assert isinstance(parsed, Invalid)
    assert [problem.path for problem in parsed.problems] == ["specs"]


def test_a_date_that_yaml_made_of_a_text_is_text_again() -> None:
    parsed = parse_server(server_manifest(STDIO | {"env": [{"name": "A", "value": date.min}]}))

    assert not isinstance(parsed, Invalid)


def test_what_the_api_server_adds_to_metadata_does_not_matter() -> None:
    obj = server_manifest(
        None, managedFields=[{}], resourceVersion="7", creationTimestamp="2026-01-01T00:00:00Z"
    )

    assert not isinstance(parse_server(obj), Invalid)


def usable(obj: dict[str, Any]) -> MCPAccessPolicy | None:
    parsed = parse_policy(obj)
    assert isinstance(parsed, Invalid)
    return parsed.usable


def test_an_invalid_rule_grants_nothing_and_the_others_stand() -> None:
    good, bad = rule(name="good"), rule({"oidc": {}}, name="bad")

    left = usable(policy_manifest(good, bad, deny=[{"tools": ["x"]}]))

    assert left is not None
    assert [it.name for it in left.spec.rules or ()] == ["good"]
    assert [it.tools for it in left.spec.deny or ()] == [("x",)]


def test_an_invalid_deny_denies_everything() -> None:
    left = usable(policy_manifest(rule(), deny=[{"tols": ["x"]}]))

    assert left is not None
    (deny,) = left.spec.deny or ()
    assert (deny.tools, deny.resources, deny.prompts) == (("*",), ("*",), ("*",))


def test_a_deny_that_is_no_list_denies_everything() -> None:
    obj = policy_manifest(rule())
    obj["spec"]["deny"] = "everything"

    left = usable(obj)

    assert left is not None
    assert [it.tools for it in left.spec.deny or ()] == [("*",)]


@pytest.mark.parametrize("target", [{}, {"targetRefs": [], "selector": {}}], ids=str)
def test_nothing_is_usable_without_a_target(target: dict[str, Any]) -> None:
    obj = policy_manifest(rule(), target=None)
    obj["spec"] |= target

    assert usable(obj) is None


def test_nothing_is_usable_when_every_rule_is_invalid() -> None:
    assert usable(policy_manifest(rule({"oidc": {}}))) is None


def test_a_problem_without_a_path_is_its_message() -> None:
    assert str(Problem("", "say more")) == "say more"


TOP: dict[str, Any] = {
    "scope": "Cluster",
    "namespaces": {"from": "Same"},
    "target": None,
    "namespace": "admin",
}


def test_a_condition_that_is_not_understood_is_said_and_its_rule_grants_nothing() -> None:
    parsed = parse_policy(
        policy_manifest(rule(name="good"), rule(name="bad", when="args.x == nothing"))
    )

    assert isinstance(parsed, Invalid)
    assert "spec.rules[1].when: character 11: there is no nothing" in str(parsed)
    assert parsed.usable is not None
    assert [it.name for it in parsed.usable.spec.rules or ()] == ["good"]


def test_a_ceiling_whose_every_rule_is_invalid_is_closed_and_not_gone() -> None:
    parsed = parse_policy(policy_manifest(rule(when="broken("), **TOP))

    assert isinstance(parsed, Invalid)
    assert parsed.usable is not None
    assert parsed.usable.spec.namespaces is not None
    assert parsed.usable.spec.namespaces.from_ == "Same"
    (deny,) = parsed.usable.spec.deny or ()
    assert deny.tools == ("*",)


def test_a_ceiling_that_cannot_be_read_is_closed_over_everything() -> None:
    parsed = parse_policy(policy_manifest(rule(), **TOP | {"namespaces": {"from": "Somewhere"}}))

    assert isinstance(parsed, Invalid)
    assert parsed.usable is not None
    assert parsed.usable.spec.namespaces is not None
    assert parsed.usable.spec.namespaces.from_ == "All"
    assert parsed.usable.spec.deny is not None


def test_rules_that_name_members_stand_in_an_invalid_policy_on_groups_alone() -> None:
    """A rule that would be wider without the word falls; the denials stand in either case."""
    member = rule({"anonymous": {}}, name="a", allow={"tools": ["*"], "servers": ["clock"]})
    broken = rule({"anonymous": {}}, name="b", when="(")
    deny = [{"tools": ["x"]}]
    refs = [{"kind": "MCPGroup", "name": "everyday"}]
    on_groups = policy_manifest(member, broken, target=None, targetRefs=refs, deny=deny)
    on_servers = policy_manifest(member, rule(name="c"), deny=deny)

    of_groups, of_servers = parse_policy(on_groups), parse_policy(on_servers)

    assert isinstance(of_groups, Invalid)
    assert isinstance(of_servers, Invalid)
    for found, kept in ((of_groups, ["a"]), (of_servers, ["c"])):
        assert found.usable is not None
        assert [it.name for it in found.usable.spec.rules or ()] == kept
        assert found.usable.spec.deny
