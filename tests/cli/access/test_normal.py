"""A proof that nothing is allowed that was not: it holds, and it is found where it should be."""

from dataclasses import replace

import pytest
import yaml
from tests.cli.access.asking import POLICY
from tests.cli.access.written import a_policy, a_server

from ostiary_cli.access.normal import Atom, Form, Subject, allows_no_more, form_of
from ostiary_cli.access.standing import Standing
from ostiary_proxy import config


def form(text: str = POLICY, tools: config.ToolFilter | None = None) -> Form:
    policy, server = a_policy(yaml.safe_load(text)), a_server(tools)
    return form_of(Standing({"tools/time": server}, {"tools/read": policy}), server)


WHOLE = form()


@pytest.mark.parametrize(
    ("old", "new", "less", "more"),
    [
        ('tools: ["list"]', 'tools: ["list", "x"]', True, False),
        ('["alice"]', '["alice", "carol"]', True, False),
        ('["plan*"]', '["plan*", "planner"]', True, True),
        ("    when: args.zone == 'UTC'\n", "", True, False),
        ("[readers]", "[readers, staff]", True, False),
        ("claims: {groups: [readers]}", "claims: {groups: [readers], org: [a]}", False, True),
        ('deny:\n  - tools: ["get_secret"]\n', "deny:\n", True, False),
        ("team: agents}}}", "team: shop}}}", False, False),
        ("deny:\n", 'deny:\n  - tools: ["nobody_has_it"]\n', True, True),
        (
            "namespaces: {from: Selector, selector: {matchLabels: {team: agents}}}",
            "namespaces: {from: All}",
            True,
            False,
        ),
    ],
)
def test_what_is_proven(old: str, new: str, less: bool, more: bool) -> None:
    assert old in POLICY
    other = form(POLICY.replace(old, new, 1))

    assert allows_no_more(WHOLE, other) is less
    assert allows_no_more(other, WHOLE) is more


def test_the_servers_own_filter_counts() -> None:
    none = form(tools=config.ToolFilter(deny=("*",)))
    some = form(tools=config.ToolFilter(allow=("list",)))
    effects = form(tools=config.ToolFilter(effects={"ReadOnly": ("get_*",)}))

    assert allows_no_more(none, WHOLE)
    assert not allows_no_more(WHOLE, none)
    assert allows_no_more(some, WHOLE)
    assert not allows_no_more(WHOLE, some)
    assert allows_no_more(effects, WHOLE)
    assert allows_no_more(WHOLE, effects)


def test_a_ceiling_must_lie_above() -> None:
    atoms = frozenset({Atom(None, kind) for kind in ("tool", "resource")})
    some = replace(WHOLE, ceilings=frozenset({atoms}))
    none = replace(WHOLE, ceilings=frozenset({frozenset()}))

    assert allows_no_more(some, WHOLE)
    assert allows_no_more(WHOLE, some)
    assert allows_no_more(none, some)
    assert not allows_no_more(some, none)


def test_a_condition_on_effects_forbids_the_proof_where_they_differ() -> None:
    text = POLICY.replace("args.zone == 'UTC'", "size(tool.effects) == 0")
    tools = config.ToolFilter(effects={"Destructive": ("convert",)})

    assert not allows_no_more(form(text), form(text, tools))


def test_subjects_that_may_be_one() -> None:
    person, alice = Subject("oidc", issuer="https://i"), Subject("user", "alice")
    account = Subject("serviceAccount", "a*", "n")

    assert person.meets(alice)
    assert not alice.meets(account)
    assert not person.meets(replace(person, issuer="https://o"))
    assert not account.meets(replace(account, place="m"))
    assert account.meets(replace(account, place='{"matchLabels": {}}'))
    assert not account.meets(replace(account, name="b"))
