"""The NetworkPolicy, judged by what it admits."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from tests.operator.build import ENV, SETTINGS, accounts, http, policy, rule
from tests.operator.netpol import End, admits, pod

from ostiary_operator.render.network import peer, render_network_policy
from ostiary_operator.settings import ClusterSettings, Monitoring, parse_settings

OURS = pod("tools", {"ostiary.dev/server": "time"})
OPERATOR = pod("ostiary-system")
DNS = pod("kube-system", {"k8s-app": "kube-dns"})


def wall(*rules: dict[str, Any], settings: ClusterSettings = SETTINGS, **spec: Any) -> Any:
    policies = (policy(*rules),) if rules else ()
    return render_network_policy(http(**spec), policies, settings, ENV)


def lets_in(found: Any, end: End, port: int = 8080) -> bool:
    return admits(found, "ingress", end, port)


def lets_out(found: Any, end: End, port: int = 443, protocol: str = "TCP") -> bool:
    return admits(found, "egress", end, port, protocol)


def outside(address: str) -> End:
    return End(address=address)


def test_both_directions_are_closed_by_default() -> None:
    assert wall()["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_without_a_policy_only_siblings_and_the_operator_come_in() -> None:
    found = wall()

    assert lets_in(found, OURS)
    assert lets_in(found, OPERATOR, 9464)
    assert not lets_in(found, OPERATOR, 8080)
    assert not lets_in(found, pod("tools"))
    assert not lets_in(found, pod("agents"))
    assert not lets_in(found, pod("agents", {"ostiary.dev/server": "time"}))


@pytest.mark.parametrize("rules", [(), (rule({"anonymous": {}}),)], ids=["no rule", "anonymous"])
@pytest.mark.parametrize("port", [8000, 80, 8443, 22])
def test_the_backends_port_is_open_to_nobody(rules: tuple[Any, ...], port: int) -> None:
    found = wall(*rules)

    assert not lets_in(found, OURS, port)
    assert not lets_in(found, pod("agents"), port)
    assert not lets_in(found, OPERATOR, port)


@pytest.mark.parametrize(
    ("entry", "inside", "outside_"),
    [
        (accounts("a"), [pod("tools")], [pod("agents")]),
        (accounts("a", to="Same"), [pod("tools")], [pod("agents")]),
        (accounts("a", to="All"), [pod("tools"), pod("agents")], []),
        ({"anonymous": {}}, [pod("tools"), pod("agents")], [outside("192.0.2.1")]),
        (
            accounts("a", selector={"matchLabels": {"team": "agents"}}),
            [pod("shop", team="agents")],
            [pod("tools"), pod("shop", team="shop")],
        ),
        (
            accounts(
                "a",
                selector={
                    "matchLabels": {"team": "agents"},
                    "matchExpressions": [{"key": "stage", "operator": "In", "values": ["prod"]}],
                },
            ),
            [pod("shop", team="agents", stage="prod")],
            [pod("shop", team="agents"), pod("shop", stage="prod")],
        ),
    ],
    ids=str,
)
def test_a_rule_opens_the_proxys_port_to_its_namespaces(
    entry: dict[str, Any], inside: list[End], outside_: list[End]
) -> None:
    found = wall(rule(entry))

    assert [end for end in inside if not lets_in(found, end)] == []
    assert [end for end in outside_ if lets_in(found, end)] == []
    assert not any(lets_in(found, end, 9464) for end in inside)


def test_a_selector_is_copied_verbatim_so_that_a_relabel_needs_no_write() -> None:
    selector = {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["b", "a"]}]}

    (first, *_), *_ = [
        it["from"][1:] for it in wall(rule(accounts("a", selector=selector)))["spec"]["ingress"]
    ]

    assert first == {"namespaceSelector": selector}


def test_the_same_peer_is_said_once_and_order_does_not_matter() -> None:
    one, two = accounts("a"), accounts("b", to="All")

    assert wall(rule(one, two, one)) == wall(rule(two, one))


def test_a_policy_on_another_server_opens_nothing() -> None:
    other = policy(rule({"anonymous": {}}), target="other")

    assert render_network_policy(http(), (other,), SETTINGS, ENV) == wall()


def test_monitoring_sees_the_admin_port_alone() -> None:
    settings = ClusterSettings(proxyImage="p", monitoring=Monitoring(namespace="monitoring"))
    found = wall(settings=settings)

    assert lets_in(found, pod("monitoring"), 9464)
    assert not lets_in(found, pod("monitoring"), 8080)
    assert not lets_in(found, pod("default"), 9464)


MODES = {
    "None": {"mode": "None"},
    "Public": {"mode": "Public"},
    "Custom": {"mode": "Custom", "to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]},
    "Unrestricted": {"mode": "Unrestricted"},
}


def egress(mode: str, **more: Any) -> Any:
    return wall(network={"egress": MODES[mode]}, **more)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("port", "protocol"), [(53, "UDP"), (53, "TCP"), (5353, "UDP")])
def test_cluster_dns_is_always_open(mode: str, port: int, protocol: str) -> None:
    assert lets_out(egress(mode), DNS, port, protocol)


@pytest.mark.parametrize("mode", ["None", "Public", "Custom"])
def test_a_cluster_pod_is_closed_but_for_dns(mode: str) -> None:
    found = egress(mode)

    assert not lets_out(found, DNS, 443)
    assert not lets_out(found, pod("kube-system"), 53, "UDP")
    assert not lets_out(found, pod("evil", {"k8s-app": "kube-dns"}), 53, "UDP")
    assert not lets_out(found, pod("tools"), 8080)
    assert lets_out(found, OURS, 8080)


PUBLIC = ["198.51.100.7", "2001:db8::1"]
PRIVATE = [
    "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "127.0.0.1",
    "fc00::1", "fd12::1", "fe80::1", "64:ff9b::a00:1",
]  # fmt: skip
METADATA = ["169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd00:ec2::23"]


def test_public_is_the_internet_and_nothing_else() -> None:
    found = egress("Public")

    assert [it for it in PUBLIC if not lets_out(found, outside(it))] == []
    assert [it for it in PRIVATE + METADATA if lets_out(found, outside(it))] == []


def test_the_clusters_own_networks_are_not_public() -> None:
    settings = ClusterSettings(proxyImage="p", clusterCIDRs=("198.51.100.0/24", "10.0.0.0/16"))
    found = wall(settings=settings)

    assert not lets_out(found, outside("198.51.100.7"))
    assert lets_out(found, outside("203.0.113.1"))


def test_none_is_none() -> None:
    found = egress("None")

    assert [it for it in PUBLIC + PRIVATE + METADATA if lets_out(found, outside(it))] == []


def test_unrestricted_is_everything_but_cloud_metadata() -> None:
    found = egress("Unrestricted")

    assert [it for it in PUBLIC + PRIVATE if not lets_out(found, outside(it))] == []
    assert [it for it in METADATA if lets_out(found, outside(it))] == []
    assert lets_out(found, pod("anywhere"), 5432)


@pytest.mark.parametrize("mode", MODES)
def test_cloud_metadata_is_open_only_when_asked_for(mode: str) -> None:
    asked = egress(mode, identity={"cloudMetadata": True})

    assert [it for it in METADATA if not lets_out(asked, outside(it))] == []
    assert [it for it in METADATA if lets_out(egress(mode), outside(it))] == []


def test_a_custom_network_that_holds_cloud_metadata_leaves_it_closed() -> None:
    to = [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.0.0.0/8"]}},
        {"ipBlock": {"cidr": "::/0"}},
    ]
    found = wall(network={"egress": {"mode": "Custom", "to": to}})

    assert [it for it in METADATA if lets_out(found, outside(it))] == []
    assert lets_out(found, outside("10.1.2.3"))


def test_custom_opens_what_it_lists_on_the_ports_it_lists() -> None:
    to = [
        {
            "namespaceSelector": {"matchLabels": {"team": "data"}},
            "podSelector": {"matchLabels": {"app": "db"}},
            "ports": [{"port": 5432}, {"port": 6000, "endPort": 6010, "protocol": "UDP"}],
        },
        {"podSelector": {"matchLabels": {"app": "cache"}}},
    ]
    found = wall(network={"egress": {"mode": "Custom", "to": to}})
    database = pod("data", {"app": "db"}, team="data")

    assert lets_out(found, database, 5432)
    assert lets_out(found, database, 6005, "UDP")
    assert not lets_out(found, database, 443)
    assert not lets_out(found, pod("data", {"app": "other"}, team="data"), 5432)
    assert not lets_out(found, pod("other", {"app": "db"}), 5432)
    assert lets_out(found, pod("tools", {"app": "cache"}), 6379)
    assert not lets_out(found, pod("other", {"app": "cache"}), 6379)


@pytest.mark.parametrize(("default", "open_"), [("None", False), ("Public", True)])
def test_the_settings_say_what_silence_means(default: str, open_: bool) -> None:
    settings = parse_settings(f"proxyImage: p\ndefaults: {{egress: {default}}}")

    assert lets_out(wall(settings=settings), outside("198.51.100.7")) is open_


def split(found: Any) -> Iterator[Any]:
    """Each mutant has one peer of two selectors as two peers: OR where we wrote AND."""
    for side, field in (("ingress", "from"), ("egress", "to")):
        for number, entry in enumerate(found["spec"][side]):
            for index, item in enumerate(entry.get(field, ())):
                if {"namespaceSelector", "podSelector"} <= set(item):
                    mutant = copy.deepcopy(found)
                    peers = mutant["spec"][side][number][field]
                    peers[index : index + 1] = [{key: value} for key, value in item.items()]
                    yield mutant


def test_two_selectors_in_one_peer_are_and_and_a_mutant_with_or_is_seen() -> None:
    to = [
        {
            "namespaceSelector": {"matchLabels": {"team": "data"}},
            "podSelector": {"matchLabels": {"app": "db"}},
        }
    ]
    found = wall(network={"egress": {"mode": "Custom", "to": to}})
    strangers = [
        (pod("data", {"app": "other"}, team="data"), 443, "TCP"),
        (pod("tools", {"app": "db"}), 443, "TCP"),
        (pod("kube-system"), 53, "UDP"),
        (pod("tools", {"k8s-app": "kube-dns"}), 53, "UDP"),
    ]

    mutants = list(split(found))

    assert len(mutants) == 2
    assert not any(lets_out(found, *stranger) for stranger in strangers)
    for mutant in mutants:
        assert any(lets_out(mutant, *stranger) for stranger in strangers)


def test_a_peer_says_only_what_was_given() -> None:
    assert peer(namespaces={}) == {"namespaceSelector": {}}
    assert peer(pods={}) == {"podSelector": {}}
    assert set(peer(namespaces={}, pods={})) == {"namespaceSelector", "podSelector"}


def test_with_tls_plain_text_goes_between_the_servers_own_pods_alone() -> None:
    found = wall(rule(accounts("a", to="All")), tls={"secretName": "time-tls"})

    assert lets_in(found, OURS)
    assert not lets_in(found, pod("agents"))
    assert not lets_in(found, pod("tools"))
    assert lets_in(found, pod("agents"), 8443)
    assert lets_in(found, OPERATOR, 9464)
