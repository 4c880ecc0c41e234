"""Peers: from where each kind of caller may connect."""

from typing import Any

import pytest
from tests.operator.build import accounts, policy, rule

from ostiary_operator.render.peers import peer, subject_peer

OWN = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tools"}}}
EVERYWHERE: dict[str, Any] = {"namespaceSelector": {}}
TEAM = {"matchLabels": {"team": "agents"}}
CHOSEN = {"namespaceSelector": TEAM}
NETWORK = {"namespaces": {"from": "Selector", "selector": TEAM}}


def test_what_is_given_to_one_peer_must_hold_together() -> None:
    assert peer(namespaces=TEAM, pods={}) == {"namespaceSelector": TEAM, "podSelector": {}}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (accounts("a"), OWN),
        (accounts("a", to="All"), EVERYWHERE),
        (accounts("a", selector=TEAM), CHOSEN),
        ({"tokens": {"names": ["a"]}}, OWN),
        ({"tokens": {"names": ["a"], "namespaces": {"from": "All"}}}, OWN),
        ({"users": {"names": ["a"]}}, OWN),
        ({"oidc": {"issuer": "https://id.example"}}, OWN),
        ({"anonymous": {}}, EVERYWHERE),
    ],
    ids=str,
)
def test_a_caller_connects_from_where_its_kind_lives(
    entry: dict[str, Any], expected: dict[str, Any]
) -> None:
    (found,) = policy(rule(entry)).spec.rules or ()

    assert subject_peer(found.from_[0], own="tools") == expected


@pytest.mark.parametrize(
    "entry",
    [
        accounts("a", to="All"),
        {"tokens": {"names": ["a"]}},
        {"users": {"names": ["a"]}},
        {"oidc": {"issuer": "https://id.example"}},
        {"anonymous": {}},
    ],
    ids=str,
)
def test_network_says_it_for_any_entry(entry: dict[str, Any]) -> None:
    (found,) = policy(rule(entry | {"network": NETWORK})).spec.rules or ()

    assert subject_peer(found.from_[0], own="tools") == CHOSEN
