"""NetworkPolicies as nftables text: what a rule lets through, by the API's field documentation."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from e2e.cluster.netpol import matches, render

CIDR = "10.244.0.0/24"
WEB, CLIENT, FAR = "10.244.0.2", "10.244.0.3", "10.244.0.4"


def pod(name: str, ip: str, namespace: str = "near", **status: Any) -> dict[str, Any]:
    port = {"name": "http", "containerPort": 8080}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"containers": [{"ports": [port]}]},
        "status": {"podIP": ip, "phase": "Running", **status},
    }


PODS = [pod("web", WEB), pod("client", CLIENT), pod("far", FAR, "far")]
NAMESPACES = [
    {"metadata": {"name": "near", "labels": {}}},
    {"metadata": {"name": "far", "labels": {"team": "b"}}},
]


def policy(namespace: str = "near", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "it", "namespace": namespace}, "spec": spec}


def chains(
    *policies: Mapping[str, Any], pods: Sequence[Mapping[str, Any]] = PODS
) -> dict[str, list[str]]:
    """Chain name -> the statements between "itself" and "refuse"."""
    text = render(pods=pods, namespaces=NAMESPACES, policies=policies, pod_cidr=CIDR)
    found = re.findall(r" chain ((?:in|out)-\S+) \{\n(.*?)\n \}", text, re.DOTALL)
    return {name: [line.strip() for line in body.splitlines()][1:-2] for name, body in found}


def web(**rule: Any) -> dict[str, Any]:
    return policy(podSelector={"matchLabels": {"app": "web"}}, ingress=[rule])


TEAM_B = {"matchLabels": {"team": "b"}}
IN_WEB = "in-10-244-0-2"
# what the rule says -> what the web server's chain lets in
INGRESS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an empty rule is everybody": ({}, ["return"]),
    "an empty peer list is everybody": ({"from": []}, ["return"]),
    "a pod selector is of the policy's own namespace": (
        {"from": [{"podSelector": {}}]},
        [f"ip saddr {{ {WEB}/31 }} return"],
    ),
    "a namespace selector is all of its pods": (
        {"from": [{"namespaceSelector": TEAM_B}]},
        [f"ip saddr {{ {FAR} }} return"],
    ),
    "both in one peer must hold": (
        {
            "from": [
                {"namespaceSelector": TEAM_B, "podSelector": {"matchLabels": {"app": "client"}}}
            ]
        },
        [],
    ),
    "both in two peers add up": (
        {
            "from": [
                {"namespaceSelector": TEAM_B},
                {"podSelector": {"matchLabels": {"app": "client"}}},
            ]
        },
        [f"ip saddr {{ {CLIENT}, {FAR} }} return"],
    ),
    "a peer that selects nobody admits nobody": (
        {"from": [{"podSelector": {"matchLabels": {"app": "nobody"}}}]},
        [],
    ),
    "a block has holes": (
        {"from": [{"ipBlock": {"cidr": "10.0.0.0/30", "except": ["10.0.0.1/32"]}}]},
        ["ip saddr { 10.0.0.0, 10.0.0.2/31 } return"],
    ),
    "an IPv6 block admits nothing here": (
        {"from": [{"ipBlock": {"cidr": "::/0"}}]},
        [],
    ),
    "overlapping blocks are one": (
        {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}, {"ipBlock": {"cidr": "10.1.0.0/16"}}]},
        ["ip saddr { 10.0.0.0/8 } return"],
    ),
    "a port": ({"ports": [{"port": 80}]}, ["tcp dport 80 return"]),
    "a range": (
        {"ports": [{"protocol": "UDP", "port": 80, "endPort": 90}]},
        ["udp dport 80-90 return"],
    ),
    "a named port is the target's": (
        {"ports": [{"port": "http"}]},
        [f"ip daddr {WEB} tcp dport 8080 return"],
    ),
    "a named port that nobody has": ({"ports": [{"port": "nope"}]}, []),
    "a protocol alone": ({"ports": [{"protocol": "SCTP"}]}, ["meta l4proto sctp return"]),
}


@pytest.mark.parametrize(("rule", "expected"), INGRESS.values(), ids=INGRESS.keys())
def test_ingress(rule: dict[str, Any], expected: list[str]) -> None:
    assert chains(web(**rule)) == {IN_WEB: expected}


def test_without_a_policy_nobody_is_isolated() -> None:
    assert chains() == {}


def test_a_policy_without_rules_isolates_in_the_direction_it_names() -> None:
    assert set(chains(policy(podSelector={}, policyTypes=["Egress"]))) == {
        "out-10-244-0-2",
        "out-10-244-0-3",
    }


def test_without_types_a_policy_is_of_ingress_and_of_egress_if_it_has_such_rules() -> None:
    selector = {"matchLabels": {"app": "web"}}

    assert set(chains(policy(podSelector=selector))) == {IN_WEB}
    assert set(chains(policy(podSelector=selector, egress=[{}]))) == {IN_WEB, "out-10-244-0-2"}


def test_policies_add_up() -> None:
    found = chains(web(ports=[{"port": 80}]), web(ports=[{"port": 81}]))

    assert found == {IN_WEB: ["tcp dport 80 return", "tcp dport 81 return"]}


def test_a_named_port_of_egress_is_each_destinations_own() -> None:
    rule = {"to": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": "http"}]}
    found = chains(policy(podSelector={"matchLabels": {"app": "client"}}, egress=[rule]))

    only = f"ip daddr {{ {WEB} }} ip daddr {WEB} tcp dport 8080 return"
    assert found["out-10-244-0-3"] == [only]


@pytest.mark.parametrize(
    "gone",
    [pod("web", WEB, phase="Succeeded"), {**pod("web", WEB), "status": {}}],
    ids=["finished", "no address yet"],
)
def test_a_pod_without_a_living_address_is_in_no_chain(gone: dict[str, Any]) -> None:
    assert chains(web(), pods=[gone]) == {}


SELECTORS = {
    "empty": ({}, True),
    "label": ({"matchLabels": {"a": "1"}}, True),
    "other value": ({"matchLabels": {"a": "2"}}, False),
    "in": ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
    "not in": ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
    "not in, absent": (
        {"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]},
        True,
    ),
    "exists": ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
    "does not exist": ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
}


@pytest.mark.parametrize(("selector", "expected"), SELECTORS.values(), ids=SELECTORS.keys())
def test_selectors(selector: dict[str, Any], expected: bool) -> None:
    assert matches(selector, {"a": "1"}) is expected


def test_the_text_is_what_nft_takes() -> None:
    """Checked by nft itself where it is; the node tests load the text for good."""
    text = render(
        pods=PODS,
        namespaces=NAMESPACES,
        policies=[web(**rule) for rule, _ in INGRESS.values()],
        pod_cidr=CIDR,
    )
    assert text.count("{") == text.count("}")

    if nft := shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin"):
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--net", nft, "--check", "-f", "-"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
