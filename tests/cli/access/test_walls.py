"""The network's part of an answer, in words."""

from typing import Any

import pytest
import yaml
from tests.cli.access.asking import POLICY
from tests.cli.access.written import a_policy, a_server

from ostiary_cli.access.standing import Standing
from ostiary_cli.access.walls import doors, in_words, peers_of
from ostiary_proxy.callers import Caller

NAMED = {"kubernetes.io/metadata.name": "tools"}


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ({}, "every namespace"),
        ({"matchLabels": NAMED}, "namespace tools"),
        ({"matchLabels": {"a": "b"}}, "namespaces with a=b"),
        ({"matchLabels": NAMED | {"a": "b"}}, "namespaces with a=b and named tools"),
        (
            {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}]},
            "namespaces with a In b, c",
        ),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "namespaces with a Exists"),
    ],
)
def test_a_peer_in_words(selector: dict[str, Any], words: str) -> None:
    assert in_words({"namespaceSelector": selector}) == words


def test_the_doors_of_a_rule_and_of_a_server() -> None:
    server, policy = a_server(), a_policy(yaml.safe_load(POLICY))
    labels = {"agents": {"team": "agents"}}
    standing = Standing({"tools/time": server}, {"tools/read": policy}, namespaces=labels)
    planner = Caller.service_account("agents", "planner")

    found = doors(standing, standing.section(server), planner, "tools/read", "planners")

    assert found == ("namespaces with team=agents",)
    assert peers_of(standing, server) == {"namespaces with team=agents", "namespace tools"}
