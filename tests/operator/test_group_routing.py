"""Changes between servers and groups: each side is looked at when the other's word changes, and at
nothing that it does not change."""

from typing import Any

import pytest
from tests.operator.build import (
    STDIO,
    accounts,
    group_manifest,
    policy_manifest,
    rule,
    server_manifest,
    token_manifest,
)
from tests.operator.test_routing import CALLERS, SETTINGS, TIME, Routed, child, namespace

from ostiary_operator.controller import Key
from ostiary_operator.resources import (
    CONFIG_MAPS,
    GROUPS,
    NAMESPACES,
    PODS,
    POLICIES,
    SERVERS,
    TOKENS,
)

OPEN: dict[str, Any] = STDIO | {"exposeTo": {"namespaces": {"from": "All"}}}
EVERYDAY = Key(GROUPS, "agents", "everyday")
WIDE = Key(GROUPS, "shop", "wide")
NOTES = Key(SERVERS, "tools", "notes")
SELECTED = {"selector": {"matchLabels": {"tier": "x"}}, "namespaces": {"from": "All"}}


def server(name: str = "time", spec: dict[str, Any] = OPEN, **metadata: Any) -> dict[str, Any]:
    return server_manifest(spec, name=name, **{"uid": name, "generation": 1} | metadata)


def furnished() -> Routed:
    """Two servers, of which a group names one; another group selects by label."""
    routed = Routed()
    routed.see(SERVERS, server())
    routed.see(SERVERS, server("notes"))
    routed.see(GROUPS, group_manifest())
    wide = group_manifest({"members": [SELECTED]}, name="wide", namespace="shop")
    routed.see(GROUPS, wide)
    return routed


def test_a_group_concerns_the_servers_that_it_is_made_of() -> None:
    routed = Routed()
    routed.see(SERVERS, server())
    routed.see(SERVERS, server("notes"))

    assert routed.see(GROUPS, group_manifest()) == {EVERYDAY, TIME}


def test_a_group_that_turns_to_another_server_concerns_both() -> None:
    other = group_manifest({"members": [{"server": {"name": "notes", "namespace": "tools"}}]})

    assert furnished().see(GROUPS, other, generation=2) == {EVERYDAY, TIME, NOTES}


def test_our_own_status_of_a_group_concerns_itself_alone() -> None:
    patched = group_manifest() | {"status": {"servers": "1/1"}}

    assert furnished().see(GROUPS, patched) == {EVERYDAY}


def test_a_group_that_goes_concerns_its_members() -> None:
    routed = furnished()

    leaving = routed.see(GROUPS, group_manifest(), deletionTimestamp="2026-07-01T00:00:00Z")
    gone = routed.lose(GROUPS, group_manifest())

    assert leaving == {EVERYDAY, TIME}
    assert EVERYDAY in gone


def test_consent_that_is_given_or_withdrawn_concerns_both_sides() -> None:
    routed = furnished()

    withdrawn = routed.see(SERVERS, server(spec=STDIO, generation=2))
    given = routed.see(SERVERS, server(generation=3))

    assert withdrawn == given == {TIME, EVERYDAY}


def test_a_label_by_which_a_group_selects_concerns_it() -> None:
    routed = furnished()

    joined = routed.see(SERVERS, server("notes", labels={"tier": "x"}))
    left = routed.see(SERVERS, server("notes"))

    assert joined == left == {NOTES, WIDE}


def test_a_server_of_no_group_concerns_none() -> None:
    assert furnished().see(SERVERS, server("notes", generation=2)) == {NOTES}


def test_a_member_that_goes_leaves_its_alias_to_the_next() -> None:
    routed = furnished()
    routed.see(SERVERS, server(labels={"tier": "x"}, creationTimestamp="2025-01-01T00:00:00Z"))
    younger = server(
        uid="y", namespace="b", labels={"tier": "x"}, creationTimestamp="2026-01-01T00:00:00Z"
    )
    routed.see(SERVERS, younger)

    keys = routed.lose(SERVERS, server())

    assert keys == {TIME, EVERYDAY, WIDE, Key(SERVERS, "b", "time")}


def test_a_members_own_status_concerns_the_groups_that_show_it() -> None:
    routed = furnished()
    ready = {"type": "Ready", "status": "False", "reason": "BackendUnavailable", "message": "x"}

    told = routed.see(SERVERS, server() | {"status": {"conditions": [ready]}})
    again = routed.see(SERVERS, server() | {"status": {"conditions": [ready], "callers": 2}})

    assert told == {TIME, EVERYDAY}
    assert again == {TIME}


def test_a_policy_of_a_member_is_in_its_groups_documents() -> None:
    routed = furnished()

    assert routed.see(POLICIES, policy_manifest(rule())) == {CALLERS, TIME, EVERYDAY}


def test_a_policy_of_a_group_concerns_the_group() -> None:
    refs = [{"kind": "MCPGroup", "name": "everyday"}]
    policy = policy_manifest(rule(), namespace="agents", target=None, targetRefs=refs)
    routed = furnished()
    own = Key(POLICIES, "agents", "callers")

    assert routed.see(POLICIES, policy) == {own, EVERYDAY}
    assert routed.see(GROUPS, group_manifest(), generation=9) >= {own, EVERYDAY}
    assert routed.lose(POLICIES, policy) == {own, EVERYDAY}


@pytest.mark.parametrize("name", ["everyday", "*"])
def test_a_token_of_a_group_is_in_its_documents_and_its_members(name: str) -> None:
    token = token_manifest(namespace="agents")
    token["spec"]["restrictTo"] = [{"kind": "MCPGroup", "namespace": "agents", "name": name}]
    routed = furnished()
    key = Key(TOKENS, "agents", "ci")

    assert routed.see(TOKENS, token) == {key, EVERYDAY, TIME}
    assert key in routed.see(POLICIES, policy_manifest(rule(), deny=[]), generation=2)
    assert routed.lose(TOKENS, token) == {key, EVERYDAY, TIME}


def test_a_token_of_a_server_is_not_of_a_group_with_its_name() -> None:
    routed = furnished()

    keys = routed.see(TOKENS, token_manifest(restrict=("agents/everyday",)))

    assert keys == {Key(TOKENS, "tools", "ci")}


def test_labels_of_a_namespace_say_who_agrees_to_its_groups() -> None:
    routed = Routed()
    to = {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}
    routed.see(NAMESPACES, namespace("agents"))
    routed.see(SERVERS, server(spec=STDIO | {"exposeTo": {"namespaces": to}}))
    routed.see(GROUPS, group_manifest())

    assert routed.see(NAMESPACES, namespace("agents", team="a")) == {EVERYDAY, TIME}
    assert routed.see(NAMESPACES, namespace("agents", team="a", more="b")) == set()
    assert routed.see(NAMESPACES, namespace("agents")) == {EVERYDAY, TIME}


def test_labels_of_a_namespace_say_who_selects_its_servers() -> None:
    routed = Routed()
    over = {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}
    routed.see(NAMESPACES, namespace("tools"))
    routed.see(SERVERS, server())
    routed.see(GROUPS, group_manifest({"members": [{"selector": {}, "namespaces": over}]}))

    assert routed.see(NAMESPACES, namespace("tools", team="a")) == {EVERYDAY, TIME}


def test_a_namespace_that_comes_later_concerns_the_groups_in_it() -> None:
    assert EVERYDAY in furnished().see(NAMESPACES, namespace("agents"))


def test_a_gateways_pod_concerns_its_group() -> None:
    pod = child("Pod", "everyday-1", "agents", **{"ostiary.dev/group": "everyday"})

    assert furnished().see(PODS, pod) == {EVERYDAY}


def test_the_settings_concern_every_group() -> None:
    place, name = SETTINGS

    assert {EVERYDAY, WIDE, TIME} <= furnished().see(CONFIG_MAPS, child("ConfigMap", name, place))


def test_relabelled_callers_of_a_member_concern_its_groups() -> None:
    routed = furnished()
    chosen = rule(accounts("*", selector={"matchLabels": {"team": "b"}}))
    routed.see(POLICIES, policy_manifest(chosen))
    routed.see(NAMESPACES, namespace("far"))

    assert routed.see(NAMESPACES, namespace("far", team="b")) == {CALLERS, TIME, EVERYDAY}
