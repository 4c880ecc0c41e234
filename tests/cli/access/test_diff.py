"""`ostiary diff`: no change is said only where there is none, and what changes is named."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.access.asking import NAMESPACE, POLICY, SERVER, ask, folder, token
from tests.cli.access.written import world, written_policies
from tests.proxy.test_policy import KINDS, NOBODY, PLANNER, READER, STRANGER, filters, rules_of

from ostiary_cli.access.diff import diff
from ostiary_cli.access.witnesses import covers
from ostiary_operator.render.globs import covered
from ostiary_proxy import config
from ostiary_proxy.policy import Allow, Caller, Target, decide

plain_filters = filters.filter(lambda it: it.allow != ())
EVERYBODY = (
    *(PLANNER, STRANGER, NOBODY, READER, Caller.user("bob"), Caller.token("tools", "ci")),
    Caller.service_account("tools", "planet"),
)
TARGETS = (
    *(
        Target(kind, name, args)
        for kind in KINDS
        for name in ("get_time", "get_zone", "set_time", "delete_all", "x", "get_new")
        for args in ({}, {"n": 1}, {"n": 2})
    ),
    Target("unknown", "x/y", {}),
)
anybody = config.Rule(
    name="anybody",
    subjects=(config.Subject(kind="serviceAccount", names=("p*",), namespaces=None),),
    allow=config.Allow(tools=("*",), prompts=("get_*",)),
)
generous = st.just([config.Policy(namespace="tools", name="generous", rules=(anybody,))])


@given(written_policies, written_policies, plain_filters, plain_filters)
def test_what_anybody_gains_or_loses_is_said_by_name_or_left_open(
    before: list[config.Policy],
    after: list[config.Policy],
    tools: config.ToolFilter,
    other: config.ToolFilter,
) -> None:
    _check(before, after, tools, other)


@given(generous, written_policies, written_policies, plain_filters, plain_filters, st.booleans())
def test_so_it_is_where_there_is_much_to_take_away(
    much: list[config.Policy],
    before: list[config.Policy],
    after: list[config.Policy],
    tools: config.ToolFilter,
    other: config.ToolFilter,
    same: bool,
) -> None:
    _check([*much, *before], [*much, *after], tools, tools if same else other)


@given(generous, written_policies, st.data(), plain_filters)
def test_so_it_is_where_one_policy_goes(
    much: list[config.Policy],
    before: list[config.Policy],
    data: st.DataObject,
    tools: config.ToolFilter,
) -> None:
    after = [it for it in before if data.draw(st.booleans())]

    _check([*much, *before], [*much, *after], tools, tools)


def _check(
    before: list[config.Policy],
    after: list[config.Policy],
    tools: config.ToolFilter,
    other: config.ToolFilter,
) -> None:
    old, new = world(before, tools), world(after, other)
    rules = [rules_of(*before, tools=tools), rules_of(*after, tools=other)]

    found = diff(old, new)

    open_ = any(it.startswith("tools/time") for it in found.undecided)
    for caller in EVERYBODY:
        for target in TARGETS:
            was, is_now = (isinstance(decide(target, caller, it), Allow) for it in rules)
            if was != is_now:
                said = {"changes", "gains" if is_now else "loses"}
                assert not found.is_none
                assert open_ or any(
                    it.direction in said
                    and it.kind == target.kind
                    and (target.kind == "unknown" or covered(target.name, it.names))
                    and covers(it.who, caller, old.namespaces)
                    for it in found.changes
                ), (caller.principal, target)


@given(written_policies, plain_filters)
def test_a_folder_and_itself_do_not_differ(
    policies: list[config.Policy], tools: config.ToolFilter
) -> None:
    renamed = [it.model_copy(update={"name": f"q{it.name}"}) for it in reversed(policies)]

    assert diff(world(policies, tools), world(policies, tools)).is_none
    if not any(it.ceiling for it in policies):
        assert diff(world(policies, tools), world(renamed, tools)).is_none


PLANNERS = "system:serviceaccount:agents:plan*"
TEAM = "system:serviceaccount:{team=agents}:plan*"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('tools: ["get_*"]}\n  - name: people', 'tools: ["*"]}\n  - name: people', f"+ {TEAM}"),
        ('tools: ["list"]', 'tools: ["list", "get_a"]', "with groups=readers gains tools get_a"),
        ('tools: ["list"]', 'tools: ["list*"]', "with groups=readers gains tools list*"),
        ('deny:\n  - tools: ["get_secret"]\n', "deny:\n", f"+ {TEAM} gains tools get_secret"),
        ("when: args.zone == 'UTC'", "when: args.zone == 'X'", "(args.zone == 'UTC' -> args.zone"),
        ("    when: args.zone == 'UTC'\n", "", "+ user:bob gains tools convert (args.zone == 'UT"),
        ('["bob"]', '["b*"]', "+ user:b* gains tools convert (if args.zone == 'UTC')"),
        ('["planted"]', '["planet"]', "+ system:serviceaccount:{team=agents}:planted gains tools"),
        ("team: agents}}}", "team: shop}}}", "{team=shop}:plan* gains tools get_*"),
        ("team: agents}}}", "team: shop}}}", "tools/time network + from namespaces with team=shop"),
        ("name: time}]", "name: time2}]", "+ user:alice gains resources time://*"),
        ("spec:\n", "spec:\n  mode: Observe\n", "- user:alice loses resources time://*"),
        ("[readers]", "[readers, staff]", "with groups=staff gains tools list"),
        ('[{users: {names: ["alice"]}}]', "[{anonymous: {}}]", "+ anonymous gains resources"),
    ],
)
def test_each_change_of_a_policy_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in POLICY
    before = folder(tmp_path / "old")
    after = folder(tmp_path / "new", policy=POLICY.replace(old, new))

    code, out, err = ask("diff", str(before), str(after))

    assert said in out, out + err
    assert code == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: planners", "name: renamed"),
        ('names: ["plan*"]', 'names: ["plan*", "planner"]'),
        ('tools: ["list"]', 'tools: ["list", "list"]'),
        ("  rules:\n", "  rules:\n  # a comment\n"),
        ("deny:\n", 'deny:\n  - tools: ["get_secret"]\n'),
    ],
)
def test_what_changes_nothing_is_no_change(tmp_path: Path, old: str, new: str) -> None:
    before = folder(tmp_path / "old")
    after = folder(tmp_path / "new", policy=POLICY.replace(old, new))

    assert ask("diff", str(before), str(after)) == (0, "Nobody gains or loses anything.\n", "") or (
        ask("diff", str(before), str(after))[:2] == (0, "Nobody gains or loses anything.\n")
    )


END = "2020-01-01T00:00:00Z"


def test_tokens_servers_and_labels_are_access_too(tmp_path: Path) -> None:
    old = folder(tmp_path / "old")
    gone = folder(tmp_path / "gone", tokens=token("ended", "2", "tools/time", end=END))
    empty = folder(tmp_path / "empty", server=SERVER.replace("name: time,", "name: other,"))
    unlabelled = folder(tmp_path / "unlabelled", namespace=NAMESPACE.replace("team: agents", ""))
    filtered = folder(
        tmp_path / "filtered", server=SERVER.replace("[c]}", "[c], tools: {deny: [get_time]}}")
    )

    lost = ask("diff", str(old), str(gone))[1]
    assert "- MCPAccessToken tools/ci (token:tools:ci) loses tools get_*" in lost
    assert "- MCPAccessToken tools/alices (user:alice) loses resources time://*" in lost
    assert "user:alice loses resources time://*" in ask("diff", str(old), str(empty))[1]
    assert ":agents:plan* loses tools get_*" in ask("diff", str(old), str(unlabelled))[1]
    assert "loses tools get_time" in ask("diff", str(old), str(filtered))[1]


def test_policies_without_their_servers_are_compared_all_the_same(tmp_path: Path) -> None:
    by_label = POLICY.replace(
        "targetRefs: [{kind: MCPServer, name: time}]", "selector: {matchLabels: {tier: x}}"
    )
    for name, policy in (("named", POLICY), ("labelled", by_label)):
        old, new = tmp_path / f"{name}-old", tmp_path / f"{name}-new"
        folder(old, policy=policy)
        folder(new, policy=policy.replace('["bob"]', '["bill"]'))
        for each in (old, new):
            (each / "server.yaml").unlink()

        code, out, _ = ask("diff", str(old), str(new))

        assert code == 1
        assert "+ user:bill gains tools convert" in out
        assert "- user:bob loses tools convert" in out


def test_what_cannot_be_decided_is_a_change(tmp_path: Path) -> None:
    ceiling = """apiVersion: ostiary.dev/v1alpha1
kind: MCPAccessPolicy
metadata: {name: top, namespace: admin}
spec: {scope: Cluster, namespaces: {from: All}, deny: [{tools: [x]}]}
"""
    settings = """apiVersion: v1
kind: ConfigMap
metadata: {name: ostiary-settings, namespace: o}
data: {settings.yaml: "issuers: [{name: i, url: 'https://i.x'}]"}
"""
    old = folder(tmp_path / "old")

    for name, text in (("ceiling", ceiling), ("settings", settings)):
        new = folder(tmp_path / name, more=text)
        code, out, _ = ask("diff", str(old), str(new))

        assert code == 1
        assert "undecided: " in out


def test_trouble_is_no_answer(tmp_path: Path) -> None:
    old = folder(tmp_path / "old")
    wrong = folder(tmp_path / "wrong", policy=POLICY.replace("tools:", "tool:"))
    deep = folder(tmp_path / "deep")
    folder(deep / "below")

    for words, said in (
        ((str(old), str(wrong)), "spec.rules[0].allow.tool"),
        ((str(old), str(tmp_path / "none")), "does not exist"),
        ((str(old), str(deep)), "holds manifests: add -R"),
        ((str(old), str(deep), "-R"), "is there twice"),
    ):
        code, out, err = ask("diff", *words)
        assert (code, out) == (2, "")
        assert said in err


def test_the_shape_of_json(tmp_path: Path) -> None:
    old = folder(tmp_path / "old")
    new = folder(tmp_path / "new", policy=POLICY.replace('["bob"]', '["bill"]'))

    code, out, _ = ask("diff", str(old), str(new), "--output", "json")

    assert code == 1
    assert json.loads(out) == {
        "changes": [
            {
                "server": "tools/time",
                "change": change,
                "subject": f"user:{name}",
                "kind": "tool",
                "names": ["convert"],
                "ifBefore": before,
                "ifAfter": after,
            }
            for change, name, before, after in (
                ("loses", "bob", ["args.zone == 'UTC'"], []),
                ("gains", "bill", [], ["args.zone == 'UTC'"]),
            )
        ],
        "network": [],
        "undecided": [],
    }
