"""Groups of a folder: who is a member, and what is said of who is none."""

from pathlib import Path

from tests.cli.folders import group, policy, server, write

from ostiary_cli.local import Place, Plan, key_of, plan
from ostiary_cli.local_groups import without
from ostiary_cli.manifests import read_folder
from ostiary_proxy.config import GroupBackend, Server

RUN = "command: [x]"
TO_AGENTS = (
    "exposeTo: {namespaces: {from: Selector, selector: "
    "{matchLabels: {kubernetes.io/metadata.name: agents}}}}"
)
TO_TEAM = "exposeTo: {namespaces: {from: Selector, selector: {matchLabels: {team: a}}}}"
BASES = ("http://127.0.0.1:8931", "http://localhost:8931")
TEAM = "apiVersion: v1\nkind: Namespace\nmetadata: {name: agents, labels: {team: a}}\n"


def planned(folder: Path, **files: str) -> Plan:
    found = read_folder(write(folder, **files))
    assert not found.problems, found.problems
    return plan(found, Place(folder, 8931, "/bin"))


def by_key(made: Plan) -> dict[str, Server]:
    return {key_of(it): it for it in made.servers}


def aliases(made: Plan, key: str = "agents/everyday-group") -> list[str]:
    backend = by_key(made)[key].backend
    assert isinstance(backend, GroupBackend)
    return [it.alias for it in backend.members]


def test_a_group_is_an_endpoint_with_members_of_this_process(tmp_path: Path) -> None:
    made = planned(
        tmp_path,
        a=server("time", RUN, TO_AGENTS, namespace="tools") + "---\n" + policy(namespace="tools"),
        b=group(
            "server: {name: time, namespace: tools}, alias: clock",
            namespace="agents",
            more="naming: {separator: __}",
        ),
    )

    whole, one = by_key(made)["agents/everyday-group"], by_key(made)["tools/time"]
    assert not made.notes
    assert isinstance(whole.backend, GroupBackend)
    (member,) = whole.backend.members
    assert (member.alias, member.host, member.path) == ("clock", "", one.path)
    assert member.policies == one.policies
    assert whole.backend.naming.separator == "__"
    assert whole.path == "/agents/everyday-group/mcp"
    assert whole.url == f"{BASES[0]}{whole.path}"
    ways = tuple(
        f"{base}/agents/everyday-group/{end}"
        for end in ("mcp", "servers/clock/mcp")
        for base in BASES
    )
    assert whole.audiences == ways
    (link,) = one.groups
    assert (link.alias, link.uid, link.audiences) == ("clock", whole.uid, ways)
    assert "/" not in whole.uid


def test_a_selector_finds_servers_of_namespaces_by_their_manifests(tmp_path: Path) -> None:
    named = "metadata: {name: time, namespace: tools"
    made = planned(
        tmp_path,
        a=server("time", RUN, TO_TEAM, namespace="tools").replace(
            named, f"{named}, labels: {{tier: internal}}"
        ),
        b=server("notes", RUN, TO_TEAM, namespace="tools"),
        c=group(
            "selector: {matchLabels: {tier: internal}}, namespaces: {from: Selector, selector: "
            "{matchLabels: {team: t}}}",
            namespace="agents",
        ),
        d=TEAM + "---\n" + TEAM.replace("agents", "tools").replace("team: a", "team: t"),
    )

    assert aliases(made) == ["time"]


def test_a_second_alias_for_a_server_is_told(tmp_path: Path) -> None:
    named = "server: {name: time, namespace: tools}"
    made = planned(
        tmp_path,
        a=server("time", RUN, TO_TEAM, namespace="tools"),
        c=group(named, f"{named}, alias: clock", namespace="agents"),
        d=TEAM,
    )

    assert aliases(made) == ["time"]
    (second,) = made.notes
    assert second.startswith("c.yaml:7: tools/time is called time in MCPGroup agents/everyday")


def test_a_selector_that_finds_nothing_is_told(tmp_path: Path) -> None:
    entries = (
        "server: {name: time, namespace: tools}",
        "selector: {matchLabels: {tier: internal}}, namespaces: {from: All}",
    )
    made = planned(
        tmp_path,
        a=server("time", RUN, TO_TEAM, namespace="tools"),
        c=group(*entries, namespace="agents"),
        d=TEAM,
    )

    assert aliases(made) == ["time"]
    (idle,) = made.notes
    assert idle.startswith("c.yaml:7: no MCPServer in this folder has these labels")


def test_without_consent_a_server_is_no_member_and_it_is_said_what_to_write(
    tmp_path: Path,
) -> None:
    entries = ("server: {name: time, namespace: tools}", "selector: {}, namespaces: {from: All}")
    files = {
        "a": server("time", RUN, namespace="tools"),
        "b": server("notes", RUN, namespace="tools"),
        "c": group(*entries, namespace="agents"),
    }

    made = planned(tmp_path, **files)

    assert aliases(made) == []
    assert not any(it.groups for it in made.servers)
    named, selected, empty = made.notes
    assert named.startswith("c.yaml:6: tools/time is no member of MCPGroup agents/everyday: ")
    assert f"in spec of MCPServer tools/time (a.yaml:4): {TO_AGENTS}" in named
    assert selected.startswith("c.yaml:5: tools/notes is no member")
    assert empty.endswith("MCPGroup agents/everyday has no member.")
    written = server("time", RUN, named.rpartition("): ")[2], namespace="tools")
    assert aliases(planned(tmp_path, **{**files, "a": written})) == ["time"]


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    made = planned(
        tmp_path,
        a=server("time", RUN),
        b=group("server: {name: time}", "server: {name: tima}", "server: {name: x, namespace: y}"),
    )

    assert aliases(made, "default/everyday-group") == ["time"]
    assert [note.split(": ", 1)[1] for note in made.notes] == [
        f"{it} is no member of MCPGroup default/everyday: "
        "there is no such MCPServer in this folder."
        for it in ("default/tima", "y/x")
    ]


def test_of_two_with_one_alias_one_is_a_member_and_it_is_said(tmp_path: Path) -> None:
    made = planned(
        tmp_path,
        a=server("notes", RUN) + "---\n" + server("time", RUN),
        b=group("server: {name: notes}, alias: it", "server: {name: time}, alias: it"),
    )

    assert aliases(made, "default/everyday-group") == ["it"]
    (said,) = made.notes
    assert said.startswith("b.yaml:7: default/time is no member of MCPGroup default/everyday: ")
    assert "default/notes is called it there already" in said


def test_a_server_that_cannot_run_here_leaves_the_others(tmp_path: Path) -> None:
    made = planned(
        tmp_path,
        a=server("time", RUN) + "---\n" + server("bare", RUN, "replicas: 0"),
        b=group("server: {name: time}", "server: {name: bare}"),
    )

    assert [it.key for it in made.refusals] == ["default/bare"]
    assert aliases(made, "default/everyday-group") == ["time"]
    whole = by_key(made)["default/everyday-group"]
    left = without(whole, ["default/notes"]).backend
    assert isinstance(left, GroupBackend)
    assert left.members == ()
    one = by_key(made)["default/time"]
    assert without(one, []) is one


def test_a_groups_policy_stands_over_its_members_alone(tmp_path: Path) -> None:
    ceiling = policy("over", tools="['get_*']").replace(
        "selector: {}", "targetRefs: [{kind: MCPGroup, name: everyday}]"
    )
    made = planned(
        tmp_path,
        a=server("everyday", RUN) + "---\n" + policy(),
        b=group("server: {name: everyday}"),
        c=ceiling,
    )

    one, whole = by_key(made)["default/everyday"], by_key(made)["default/everyday-group"]
    assert [it.name for it in one.policies] == ["all"]
    assert [it.name for it in whole.policies] == ["over"]


def test_an_access_token_for_a_group_opens_its_members_through_it_alone(tmp_path: Path) -> None:
    token = """apiVersion: ostiary.dev/v1alpha1
kind: MCPAccessToken
metadata: {name: ci}
spec:
  sha256: "%s"
  expirationTime: "2026-12-31T00:00:00Z"
  restrictTo: [{kind: MCPGroup, namespace: default, name: everyday}]
""" % ("a" * 64)
    rule = policy().replace("serviceAccounts: {names: [developer]}", "tokens: {names: [ci]}")
    folder = write(
        tmp_path, a=server("time", RUN), b=group("server: {name: time}"), c=rule, d=token
    )
    found = read_folder(folder)
    assert not found.problems, found.problems

    made = plan(found, Place(folder, 8931, "/bin"), (), [it for it, _ in found.tokens.values()])

    one, whole = by_key(made)["default/time"], by_key(made)["default/everyday-group"]
    assert [(it.name, it.groups) for it in one.tokens] == [("ci", (whole.uid,))]
    assert [(it.name, it.groups) for it in whole.tokens] == [("ci", ())]
