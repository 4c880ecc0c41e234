"""Children of a group, and the document of its gateway."""

from typing import Any

import pytest
from tests.operator.build import ENV, SETTINGS, group, policy, rule, server, token

from ostiary_operator.render import gateway
from ostiary_operator.render.expose import Exposure
from ostiary_operator.render.gateway import GroupView
from ostiary_operator.render.group_links import group_link
from ostiary_operator.render.members import MemberView
from ostiary_proxy.config import (
    CATALOGUE_AUDIENCE,
    CATALOGUE_TOKEN,
    GroupBackend,
    Issuer,
    ProxyConfig,
    Server,
    SessionKey,
)
from ostiary_proxy.document import check

TWO = {"members": [{"selector": {}}], "replicas": 2}
OWN = policy(
    rule(),
    namespace="agents",
    name="own",
    target=None,
    targetRefs=[{"kind": "MCPGroup", "name": "everyday"}],
)
VIEW = GroupView(
    members=(
        MemberView("clock", server(), (policy(rule()),)),
        MemberView("cart", server(name="c")),
    ),
    policies=(OWN,),
    namespaces={"agents": {}, "tools": {}},
    issuers=(Issuer(kind="kubernetes", issuer="https://issuer.example", keys=({"kid": "a"},)),),
    keys=(SessionKey(number=1, sha256="b" * 64),),
    tokens=(token(),),
)


def document(spec: dict[str, Any] | None = None, view: GroupView = VIEW) -> ProxyConfig:
    return gateway.render(group(spec), view, SETTINGS, ENV)


def section(spec: dict[str, Any] | None = None, view: GroupView = VIEW) -> Server:
    (found,) = document(spec, view).servers
    return found


def children(spec: dict[str, Any] | None = None) -> dict[tuple[str, str], Any]:
    made = gateway.children(group(spec), VIEW, SETTINGS, ENV, document=document(spec))
    return {(it["kind"], it["metadata"]["name"]): it for it in made}


def pod_of(spec: dict[str, Any] | None = None) -> Any:
    found = children(spec)["Deployment", "everyday-group"]
    return found["spec"]["template"]["spec"]


def test_the_wall_comes_before_what_is_behind_it() -> None:
    assert list(children(TWO)) == [
        ("ServiceAccount", "everyday-group"),
        ("ConfigMap", "everyday-group-proxy"),
        ("NetworkPolicy", "everyday-group"),
        ("Service", "everyday-group"),
        ("Service", "everyday-group-pods"),
        ("PodDisruptionBudget", "everyday-group"),
        ("Deployment", "everyday-group"),
    ]


def test_every_child_is_the_groups_and_known_to_be_a_gateways() -> None:
    for child in children(TWO).values():
        metadata = child["metadata"]
        assert metadata["namespace"] == "agents"
        assert metadata["labels"]["ostiary.dev/group"] == "everyday"
        assert metadata["labels"]["app.kubernetes.io/component"] == "gateway"
        assert "ostiary.dev/server" not in metadata["labels"]
        (owner,) = metadata["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("MCPGroup", "g-everyday")


def test_services_select_the_gateways_pods() -> None:
    made = children(TWO)
    labels = made["Deployment", "everyday-group"]["spec"]["template"]["metadata"]["labels"]

    for name in ("everyday-group", "everyday-group-pods"):
        selector = made["Service", name]["spec"]["selector"]
        assert selector.items() <= labels.items()
    assert made["Service", "everyday-group-pods"]["spec"]["clusterIP"] == "None"


def test_the_pod_is_the_proxy_alone_in_the_role_of_a_gateway() -> None:
    pod = pod_of()
    (container,) = pod["containers"]

    assert "initContainers" not in pod
    assert {"name": "OSTIARY_ROLE", "value": "gateway"} in container["env"]
    assert "restartPolicy" not in container
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["resources"] == SETTINGS.proxyResources.model_dump()
    assert {it["name"] for it in container["volumeMounts"]} == {it["name"] for it in pod["volumes"]}


def test_the_only_token_in_the_pod_opens_catalogues_and_no_api_server() -> None:
    pod = pod_of()
    sources = [
        source["serviceAccountToken"]
        for volume in pod["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
        if "serviceAccountToken" in source
    ]

    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == "everyday-group"
    assert [it["audience"] for it in sources] == [CATALOGUE_AUDIENCE]
    (mount,) = [
        it for it in pod["containers"][0]["volumeMounts"] if it["name"] == "ostiary-catalogue"
    ]
    assert f"{mount['mountPath']}/{sources[0]['path']}" == CATALOGUE_TOKEN


def test_several_pods_are_spread_and_kept() -> None:
    alone = {"members": [{"selector": {}}]}

    assert pod_of(TWO)["topologySpreadConstraints"]
    assert "topologySpreadConstraints" not in pod_of(alone)
    assert ("PodDisruptionBudget", "everyday-group") not in children(alone)
    budget = children(TWO)["PodDisruptionBudget", "everyday-group"]
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_no_edit_of_members_or_policies_replaces_a_pod() -> None:
    other = {"members": [{"server": {"name": "x"}}], "discovery": "Search", "replicas": 2}

    assert pod_of(TWO) == pod_of(other)


def test_the_document_is_that_of_one_endpoint_with_a_group_behind_it() -> None:
    found = document()

    assert (found.role, found.operatorSubject, found.issuers) == (
        "gateway",
        ENV.subject,
        VIEW.issuers,
    )
    assert ProxyConfig.model_validate_json(found.model_dump_json()) == found
    (server_,) = found.servers
    assert (server_.namespace, server_.name, server_.uid) == ("agents", "everyday", "g-everyday")
    assert server_.url == "http://everyday-group.agents.svc/mcp"
    assert server_.pods == "everyday-group-pods.agents.svc"
    assert "everyday-group" in server_.hosts
    assert server_.keys == VIEW.keys
    assert [it.name for it in server_.tokens] == ["ci"]


def test_a_token_may_be_for_the_group_or_for_one_member_of_it() -> None:
    audiences = section().audiences

    assert audiences[0] == section().url
    assert len(audiences) == 9
    for path in ("/mcp", "/servers/clock/mcp", "/servers/cart/mcp"):
        assert f"http://everyday-group.agents.svc.cluster.local{path}" in audiences
    assert not any(it.startswith("http://everyday-group/") for it in audiences)


def test_a_member_knows_the_group_by_what_the_group_knows_of_itself() -> None:
    link, found = group_link(group(), "clock"), section()

    assert set(link.audiences) <= set(found.audiences)
    assert link.pods == found.pods
    assert link.uid == found.uid
    account = pod_of()["serviceAccountName"]
    assert link.subject == f"system:serviceaccount:agents:{account}"


def test_the_policies_of_the_endpoint_are_those_that_name_the_group() -> None:
    found = section()

    assert [it.name for it in found.policies] == ["own"]
    assert isinstance(found.backend, GroupBackend)
    assert {it.alias: [p.name for p in it.policies] for it in found.backend.members} == {
        "cart": [],
        "clock": ["callers"],
    }


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({}, ("Always", "_", 45, "Continue", "None")),
        (
            {
                "naming": {"mode": "Never", "separator": ".", "maxLength": 64},
                "onMemberFailure": "Fail",
                "discovery": "Search",
            },
            ("Never", ".", 64, "Fail", "Search"),
        ),
    ],
    ids=["defaults", "as said"],
)
def test_what_clients_see_is_as_the_spec_says(spec: dict[str, Any], wanted: Any) -> None:
    backend = section({"members": [{"selector": {}}], **spec}).backend

    assert isinstance(backend, GroupBackend)
    naming = backend.naming
    assert wanted == (
        naming.mode,
        naming.separator,
        naming.maxLength,
        backend.onMemberFailure,
        backend.discovery,
    )


def test_a_gateway_takes_the_document_and_a_sidecar_does_not() -> None:
    assert list(check(document(), "gateway")) == []
    assert list(check(document(), "sidecar"))


def test_the_same_objects_give_the_same_document() -> None:
    turned = GroupView(
        members=tuple(reversed(VIEW.members)),
        policies=VIEW.policies,
        namespaces=VIEW.namespaces,
        issuers=VIEW.issuers,
        keys=VIEW.keys,
        tokens=VIEW.tokens,
    )

    assert document() == document(view=turned)


def test_a_group_has_a_url_outside_the_cluster_and_its_members_have_theirs_below() -> None:
    url = "https://mcp.example.com/all"
    edge = {"ipBlock": {"cidr": "192.0.2.0/24"}}
    expose = {"url": url, "allowFrom": [edge], "via": {"ingress": {}}}
    root = group({"members": [{"server": {"name": "time"}}], "expose": expose})
    view = GroupView(
        members=(MemberView("clock", server(), ()),), exposure=Exposure(root.spec.expose)
    )

    document = gateway.render(root, view, SETTINGS, ENV)
    wanted = gateway.children(root, view, SETTINGS, ENV, document=document)

    (section,) = document.servers
    (wall,) = [it for it in wanted if it["kind"] == "NetworkPolicy"]
    assert wanted[-1]["kind"] == "Ingress"
    paths = wanted[-1]["spec"]["rules"][0]["http"]["paths"]
    assert [it["path"] for it in paths if "well-known" not in it["path"]] == [
        "/all",
        "/all/servers/clock/mcp",
    ]
    assert section.exposed is not None
    assert section.exposed.path == "/all"
    assert {url, f"{url}/servers/clock/mcp"} <= set(section.audiences)
    assert section.url == "http://everyday-group.agents.svc/mcp"
    assert edge in wall["spec"]["ingress"][0]["from"]
