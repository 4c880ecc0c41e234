"""Which hashes reach which server: only where a restriction and a policy both name it."""

from typing import Any

import pytest
from tests.operator.build import accounts, policy, rule, server, token

from ostiary_operator.render.tokens import opening, render_tokens

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


def test_hashes_are_shipped_in_order_and_nothing_else_of_them() -> None:
    found = (token("b"), token("a", user="alice", sha256="b" * 64), token("c", restrict=("x/y",)))
    named = policy(rule(tokens_entry("*"), users("*")))

    shipped = render_tokens(server(), opening(server(), found, (named,), NAMESPACES))

    assert [(it.namespace, it.name, it.sha256, it.user, it.expires) for it in shipped] == [
        ("tools", "a", "b" * 64, "alice", 1893456000),
        ("tools", "b", "a" * 64, "", 1893456000),
    ]
