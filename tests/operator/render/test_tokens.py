"""Which hashes reach which server: only where a restriction and a policy both name it."""

from typing import Any

import pytest
from tests.operator.build import accounts, group, policy, rule, server, token, token_manifest

from ostiary_operator.api import Invalid, parse_token
from ostiary_operator.render.group_links import group_link
from ostiary_operator.render.tokens import is_restricted_to, opening, render_tokens, through

NAMESPACES = {"tools": {"team": "a"}, "shop": {"team": "b"}, "ops": {"team": "a"}}


def tokens_entry(*names: str, **namespaces: Any) -> dict[str, Any]:
    return {"tokens": accounts(*names, **namespaces)["serviceAccounts"]}


def users(*names: str) -> dict[str, Any]:
    return {"users": {"names": list(names)}}


def opened(*entries: dict[str, Any], **given: Any) -> bool:
    found = opening(server(), (token(**given),), (policy(rule(*entries)),), NAMESPACES)
    return bool(found)


@pytest.mark.parametrize(
    ("restrict", "opens"),
    [
        (("tools/time",), True),
        (("shop/time", "tools/time"), True),
        (("tools/*",), True),
        (("tools/notes",), False),
        (("shop/time",), False),
        (("shop/*",), False),
    ],
)
def test_a_token_opens_what_it_is_restricted_to(restrict: tuple[str, ...], opens: bool) -> None:
    assert opened(tokens_entry("ci"), restrict=restrict) is opens


@pytest.mark.parametrize(
    ("entry", "given", "opens"),
    [
        (tokens_entry("ci"), {}, True),
        (tokens_entry("c*"), {}, True),
        (tokens_entry("x", "*"), {}, True),
        (tokens_entry("nightly"), {}, False),
        (tokens_entry("ci"), {"namespace": "shop"}, False),
        (tokens_entry("ci", to="All"), {"namespace": "shop"}, True),
        (tokens_entry("ci", selector={"matchLabels": {"team": "a"}}), {"namespace": "ops"}, True),
        (tokens_entry("ci", selector={"matchLabels": {"team": "a"}}), {"namespace": "shop"}, False),
        (users("alice"), {"user": "alice"}, True),
        (users("*"), {"user": "alice"}, True),
        (users("bob"), {"user": "alice"}, False),
        (tokens_entry("ci"), {"user": "alice"}, False),
        (users("ci"), {}, False),
        (accounts("ci"), {}, False),
        ({"anonymous": {}}, {}, False),
        ({"oidc": {"issuer": "https://id.example"}}, {"user": "alice"}, False),
    ],
    ids=str,
)
def test_a_policy_must_name_it_too(
    entry: dict[str, Any], given: dict[str, Any], opens: bool
) -> None:
    assert opened(entry, **given) is opens


def test_a_policy_of_another_server_opens_nothing() -> None:
    other = policy(rule(tokens_entry("ci")), target="notes")

    assert opening(server(), (token(),), (other,), NAMESPACES) == ()


def test_a_denial_that_names_it_ships_no_hash() -> None:
    denying = policy(rule(accounts("a")), deny=[{"from": [tokens_entry("ci")]}])

    assert opening(server(), (token(),), (denying,), NAMESPACES) == ()


def test_a_policy_that_only_observes_ships_no_hash() -> None:
    observing = policy(rule(tokens_entry("ci")), mode="Observe")

    assert opening(server(), (token(),), (observing,), NAMESPACES) == ()


def of_groups(*names: str, **given: Any) -> Any:
    """Restricted to these groups in the namespace agents."""
    manifest = token_manifest(**given)
    manifest["spec"]["restrictTo"] = [
        {"kind": "MCPGroup", "namespace": "agents", "name": name} for name in names
    ]
    parsed = parse_token(manifest)
    assert not isinstance(parsed, Invalid), str(parsed)
    return parsed


LINKS = tuple(
    group_link(group(name=name, uid=name), "time") for name in ("everyday", "other", "third")
)
NAMED = policy(rule(tokens_entry("*")))


@pytest.mark.parametrize(
    ("names", "ways"),
    [
        (("everyday",), ("everyday",)),
        (("third", "everyday"), ("everyday", "third")),
        (("*",), ("everyday", "other", "third")),
        (("gone",), None),
        (("time",), None),
    ],
)
def test_a_groups_token_is_shipped_to_members_with_its_ways_in(
    names: tuple[str, ...], ways: tuple[str, ...] | None
) -> None:
    found = opening(server(), (of_groups(*names),), (NAMED,), NAMESPACES, LINKS)

    assert [it.groups for it in render_tokens(server(), found, LINKS)] == ([ways] if ways else [])
    assert opening(server(), (of_groups(*names),), (NAMED,), NAMESPACES) == ()


def test_one_that_names_the_server_too_comes_from_anywhere() -> None:
    manifest = token_manifest()
    group_ = {"kind": "MCPGroup", "namespace": "agents", "name": "everyday"}
    manifest["spec"]["restrictTo"].append(group_)
    both = parse_token(manifest)
    assert not isinstance(both, Invalid)

    (shipped,) = render_tokens(server(), (both,), LINKS)

    assert shipped.groups == ()


def test_a_members_policy_has_to_name_a_groups_token_too() -> None:
    other = policy(rule(tokens_entry("else")))

    assert opening(server(), (of_groups("everyday"),), (other,), NAMESPACES, LINKS) == ()


def test_kinds_are_told_apart() -> None:
    of_server = token(restrict=("agents/everyday",))

    assert is_restricted_to(of_groups("everyday"), group())
    assert not is_restricted_to(of_server, group())
    assert through(of_server, LINKS) == ()
    assert not is_restricted_to(of_groups("time"), server(namespace="agents"))


def test_hashes_are_shipped_in_order_and_nothing_else_of_them() -> None:
    found = (token("b"), token("a", user="alice", sha256="b" * 64), token("c", restrict=("x/y",)))
    named = policy(rule(tokens_entry("*"), users("*")))

    shipped = render_tokens(server(), opening(server(), found, (named,), NAMESPACES))

    assert [(it.namespace, it.name, it.sha256, it.user, it.expires) for it in shipped] == [
        ("tools", "a", "b" * 64, "alice", 1893456000),
        ("tools", "b", "a" * 64, "", 1893456000),
    ]
