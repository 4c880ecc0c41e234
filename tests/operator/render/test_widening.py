"""Other people's NetworkPolicies that admit more than ours."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.operator.build import ENV, SETTINGS, accounts, http, policy, rule
from tests.operator.netpol import admits, pod

from ostiary_operator.render import widened_by
from ostiary_operator.render.deployment import pod_labels
from ostiary_operator.render.network import render_network_policy

SERVER = http()
TEAM = {"matchLabels": {"team": "agents"}}
OURS = render_network_policy(SERVER, (policy(rule(accounts("a", selector=TEAM))),), SETTINGS, ENV)
MCP = [{"port": 8080}]


def other(
    *ingress: dict[str, Any], name: str = "theirs", selector: Any = None, **spec: Any
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "tools"},
        "spec": {"podSelector": selector or {}, "ingress": list(ingress), **spec},
    }


def widening(*policies: dict[str, Any]) -> tuple[str, ...]:
    return widened_by(pod_labels(SERVER), OURS, policies)


WIDER = {
    "everything": {},
    "every port of an admitted namespace": {"from": [{"namespaceSelector": TEAM}]},
    "the backend's port": {"from": [{"podSelector": {}}], "ports": [{"port": 8000}]},
    "another namespace": {
        "from": [{"namespaceSelector": {"matchLabels": {"team": "shop"}}}],
        "ports": MCP,
    },
    "all namespaces": {"from": [{"namespaceSelector": {}}], "ports": MCP},
    "everyone on the proxy's port": {"ports": MCP},
    "an address": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": MCP},
    "a range": {"from": [{"namespaceSelector": TEAM}], "ports": [{"port": 8080, "endPort": 8090}]},
    "another protocol": {
        "from": [{"namespaceSelector": TEAM}],
        "ports": [{"port": 8080, "protocol": "UDP"}],
    },
    "the admin port": {"from": [{"namespaceSelector": TEAM}], "ports": [{"port": "admin"}]},
    "either of two selectors": {
        "from": [{"namespaceSelector": TEAM}, {"podSelector": {}}],
        "ports": MCP,
    },
}
WITHIN = {
    "the same": {"from": [{"namespaceSelector": TEAM}], "ports": MCP},
    "some pods of an admitted namespace": {
        "from": [{"namespaceSelector": TEAM, "podSelector": {"matchLabels": {"app": "a"}}}],
        "ports": MCP,
    },
    "a narrower selector": {
        "from": [{"namespaceSelector": {"matchLabels": {"team": "agents", "stage": "prod"}}}],
        "ports": MCP,
    },
    "the same, as an expression": {
        "from": [
            {
                "namespaceSelector": {
                    "matchExpressions": [{"key": "team", "operator": "In", "values": ["agents"]}]
                }
            }
        ],
        "ports": [{"port": "mcp"}],
    },
    "siblings": {
        "from": [{"podSelector": {"matchLabels": {"ostiary.dev/server": "time"}}}],
        "ports": MCP,
    },
    "the operator on the admin port": {
        "from": [
            {
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": "ostiary-system"}
                }
            }
        ],
        "ports": [{"port": 9464}],
    },
    "a named port that the pod lacks": {"ports": [{"port": "debug"}]},
}


@pytest.mark.parametrize("ingress", WIDER.values(), ids=WIDER)
def test_a_policy_that_admits_more_is_named(ingress: dict[str, Any]) -> None:
    assert widening(other(ingress)) == ("theirs",)


@pytest.mark.parametrize("ingress", WITHIN.values(), ids=WITHIN)
def test_a_policy_within_ours_is_not(ingress: dict[str, Any]) -> None:
    assert widening(other(ingress)) == ()


def test_a_default_deny_admits_nothing() -> None:
    assert widening(other(policyTypes=["Ingress"])) == ()


def test_a_policy_on_egress_alone_admits_nobody() -> None:
    assert widening(other({}, policyTypes=["Egress"])) == ()


def test_a_policy_that_selects_other_pods_is_none_of_our_business() -> None:
    assert widening(other({}, selector={"matchLabels": {"app": "db"}})) == ()


def test_a_policy_that_selects_our_pods_by_any_label_is() -> None:
    by_label = other({}, selector={"matchLabels": {"app.kubernetes.io/name": "ostiary"}})
    by_expression = other(
        {},
        name="expression",
        selector={"matchExpressions": [{"key": "ostiary.dev/server", "operator": "Exists"}]},
    )

    assert widening(by_label, by_expression) == ("expression", "theirs")


def test_our_own_policy_widens_nothing() -> None:
    assert widening(OURS) == ()


LABELS = st.dictionaries(st.sampled_from(["team", "stage"]), st.sampled_from(["agents", "x"]))
SELECTORS = st.builds(lambda labels: {"matchLabels": labels}, LABELS)
PEERS = st.fixed_dictionaries(
    {}, optional={"namespaceSelector": SELECTORS, "podSelector": SELECTORS}
).filter(bool)
PORTS = st.lists(
    st.sampled_from([{"port": 8080}, {"port": 8000}, {"port": 9464}, {"protocol": "TCP"}]),
    max_size=2,
)
RULES = st.builds(
    lambda peers, ports: {"from": peers, "ports": ports}, st.lists(PEERS, max_size=2), PORTS
)
ENDS = st.builds(
    lambda namespace, labels, ns: pod(namespace, labels, **ns),
    st.sampled_from(["tools", "agents"]),
    LABELS,
    LABELS,
)


@given(ingress=RULES, end=ENDS, port=st.sampled_from([8080, 8000, 9464]))
def test_no_pod_comes_in_by_a_policy_that_was_not_named(
    ingress: dict[str, Any], end: Any, port: int
) -> None:
    theirs = other(ingress)

    if not widening(theirs) and admits(theirs, "ingress", end, port):
        assert admits(OURS, "ingress", end, port)
