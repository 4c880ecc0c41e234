"""What the charts render: rights, environment, settings, and what they refuse."""

from pathlib import Path
from typing import Final

import pytest
import yaml
from e2e.cluster.paths import ROOT
from tests.charts.rendering import NAMESPACE, Object, Refused, pick, render

from ostiary_operator.settings import (
    SETTINGS_KEY,
    VARIABLES,
    ClusterSettings,
    parse_environment,
    parse_settings,
)
from ostiary_operator.trusted_issuers import TrustedIssuer
from ostiary_proxy.config import STATUS_AUDIENCE

ALL: Final = frozenset({"get", "list", "watch", "create", "patch", "delete"})
READ: Final = frozenset({"get", "list", "watch"})

CLUSTER_RIGHTS: Final = {
    "ostiary.dev/mcpservers": READ,
    "ostiary.dev/mcpgroups": READ,
    "ostiary.dev/mcpaccesspolicies": READ,
    "ostiary.dev/mcpaccesstokens": READ,
    "ostiary.dev/mcpservers/status": {"get", "patch", "update"},
    "ostiary.dev/mcpgroups/status": {"get", "patch", "update"},
    "ostiary.dev/mcpaccesspolicies/status": {"get", "patch", "update"},
    "ostiary.dev/mcpaccesstokens/status": {"get", "patch", "update"},
    "ostiary.dev/mcpservers/finalizers": {"update"},
    "ostiary.dev/mcpgroups/finalizers": {"update"},
    "ostiary.dev/mcpaccesspolicies/finalizers": {"update"},
    "/configmaps": ALL,
    "/serviceaccounts": ALL,
    "/services": ALL,
    "apps/deployments": ALL,
    "networking.k8s.io/networkpolicies": ALL,
    "networking.k8s.io/ingresses": ALL,
    "gateway.networking.k8s.io/httproutes": ALL,
    "policy/poddisruptionbudgets": ALL,
    "/secrets": {"create"},
    "/namespaces": READ,
    "/pods": READ,
    "/pods/status": {"patch"},
    "/events": READ | {"create", "patch"},
    "events.k8s.io/events": {"create", "patch"},
    "apiextensions.k8s.io/customresourcedefinitions"
    "[mcpservers.ostiary.dev,mcpgroups.ostiary.dev,mcpaccesspolicies.ostiary.dev,"
    "mcpaccesstokens.ostiary.dev]": {"get"},
    "admissionregistration.k8s.io/validatingadmissionpolicies[ostiary-token-users]": {"get"},
    "admissionregistration.k8s.io/validatingadmissionpolicybindings[ostiary-token-users]": {"get"},
    "url:/.well-known/openid-configuration": {"get"},
    "url:/openid/v1/jwks": {"get"},
}
LEASE_RIGHTS: Final = {
    "coordination.k8s.io/leases": {"create"},
    "coordination.k8s.io/leases[ostiary-operator]": {"get", "update", "patch"},
}


def rights(role: Object) -> dict[str, set[str]]:
    table: dict[str, set[str]] = {}
    for rule in role["rules"]:
        names = f"[{','.join(rule['resourceNames'])}]" if "resourceNames" in rule else ""
        places = [
            f"{group}/{resource}{names}"
            for group in rule.get("apiGroups", ())
            for resource in rule.get("resources", ())
        ]
        for place in [*places, *(f"url:{url}" for url in rule.get("nonResourceURLs", ()))]:
            table.setdefault(place, set()).update(rule["verbs"])
    return table


def test_the_operator_has_these_rights_and_no_other(helm: Path) -> None:
    """Security row 30: no wildcard, of Secrets nothing but `create`, of pods one subresource."""
    objects = render(helm, "ostiary")

    assert rights(pick(objects, "ClusterRole")) == CLUSTER_RIGHTS
    assert rights(pick(objects, "Role")) == LEASE_RIGHTS
    for binding in (pick(objects, "ClusterRoleBinding"), pick(objects, "RoleBinding")):
        assert binding["roleRef"]["name"] == "ostiary-operator"
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "ostiary-operator", "namespace": NAMESPACE}
        ]


def test_no_right_is_a_wildcard(helm: Path) -> None:
    """Security row 30: also where the table above is changed in haste."""
    roles = [it for it in render(helm, "ostiary") if it["kind"].endswith("Role")]
    words = {
        word for role in roles for rule in role["rules"] for field in rule for word in rule[field]
    }

    assert {role["kind"] for role in roles} == {"ClusterRole", "Role"}
    assert not {word for word in words if "*" in word}
    assert not words & {"bind", "escalate", "impersonate", "deletecollection"}


def test_the_operators_pod_passes_restricted_pod_security(helm: Path) -> None:
    pod = pick(render(helm, "ostiary"), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"]
    assert container["resources"]["limits"]


def environment(container: Object) -> dict[str, str]:
    """As the kubelet would fill it."""
    fields = {
        "metadata.namespace": NAMESPACE,
        "metadata.name": "ostiary-operator-1",
        "spec.serviceAccountName": "ostiary-operator",
    }
    return {
        entry["name"]: entry.get("value") or fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        for entry in container["env"]
    }


def test_the_environment_is_what_the_operator_reads(helm: Path) -> None:
    objects = render(helm, "ostiary")
    (container,) = pick(objects, "Deployment")["spec"]["template"]["spec"]["containers"]

    given = environment(container)
    found = parse_environment(given)

    # Times that only a slow cluster, or a test, wants to be others.
    left_to_defaults = {"OSTIARY_LEASE_SECONDS", "OSTIARY_RESYNC_SECONDS"}
    assert set(given) == set(VARIABLES) - left_to_defaults
    assert found.subject == f"system:serviceaccount:{NAMESPACE}:ostiary-operator"
    assert (
        found.settingsConfigMap
        == pick(objects, "ConfigMap", "ostiary-settings")["metadata"]["name"]
    )
    assert container["ports"] == [
        {"name": "metrics", "containerPort": found.metricsPort, "protocol": "TCP"}
    ]


def test_the_status_token_is_mounted_where_the_operator_reads_it(helm: Path) -> None:
    pod = pick(render(helm, "ostiary"), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "status-token"]
    (source,) = volume["projected"]["sources"]
    token = source["serviceAccountToken"]

    assert token == {"path": "token", "audience": STATUS_AUDIENCE, "expirationSeconds": 3600}
    expected = parse_environment(environment(container)).statusTokenFile
    assert f"{mounts['status-token']}/{token['path']}" == expected


def settings(helm: Path, *values: str) -> ClusterSettings:
    found = pick(render(helm, "ostiary", *values), "ConfigMap", "ostiary-settings")
    # The label by which the operator watches ConfigMaps.
    assert found["metadata"]["labels"]["app.kubernetes.io/name"] == "ostiary"
    return parse_settings(found["data"][SETTINGS_KEY])


def test_the_settings_without_values_are_the_operators_own_defaults(helm: Path) -> None:
    assert settings(helm) == ClusterSettings(proxyImage="ostiary-proxy:0.1.0")


def test_every_value_reaches_the_settings(helm: Path) -> None:
    digest = f"sha256:{'0' * 64}"

    found = settings(
        helm,
        "proxy.image.repository=registry.example/proxy",
        f"proxy.image.digest={digest}",
        "proxy.image.pullPolicy=Always",
        "proxy.resources.limits.memory=1Gi",
        "settings.drainSeconds=5",
        "settings.clusterCIDRs={203.0.113.0/24}",
        "settings.trustedHops={10.1.0.0/16,2001:db8:e::/48}",
        "settings.monitoring.namespace=monitoring",
        "settings.defaults.egress=None",
        "settings.audit.onFull=Refuse",
        "settings.audit.arguments=Text",
        "settings.proxyRollout=OnNextChange",
        "settings.dns.peers[0].ipBlock.cidr=169.254.20.10/32",
        "settings.issuers[0].name=corp",
        "settings.issuers[0].url=https://id.example:9443/realms/corp",
        "settings.issuers[0].audiences={api://mcp}",
        "settings.issuers[0].usernameClaim=email",
        "settings.issuers[0].groupsClaim=roles",
        "settings.issuers[0].primary=true",
        "settings.issuers[0].private=true",
    )

    assert found.proxyImage == f"registry.example/proxy:0.1.0@{digest}"
    assert found.proxyImagePullPolicy == "Always"
    assert found.proxyResources.limits["memory"] == "1Gi"
    assert found.drainSeconds == 5
    assert found.clusterCIDRs == ("203.0.113.0/24",)
    assert found.trustedHops == ("10.1.0.0/16", "2001:db8:e::/48")
    assert found.monitoring.namespace == "monitoring"
    assert found.defaults.egress == "None"
    assert (found.audit.onFull, found.audit.arguments) == ("Refuse", "Text")
    assert found.proxyRollout == "OnNextChange"
    assert found.dns.peers == ({"ipBlock": {"cidr": "169.254.20.10/32"}},)
    (issuer,) = found.issuers
    assert issuer == TrustedIssuer(
        name="corp",
        url="https://id.example:9443/realms/corp",
        audiences=("api://mcp",),
        usernameClaim="email",
        groupsClaim="roles",
        primary=True,
        private=True,
    )


def test_the_operator_may_reach_an_issuer_on_its_own_port(helm: Path) -> None:
    first = ("settings.issuers[0].name=a", "settings.issuers[0].url=https://a.example/realms/x")
    second = ("settings.issuers[1].name=b", "settings.issuers[1].url=https://b.example:9443/x")

    policy = pick(render(helm, "ostiary", *first, *second), "NetworkPolicy")

    ports = [it["port"] for it in policy["spec"]["egress"][-1]["ports"]]
    assert ports == [443, 6443, 8443, 16443, 9443]


@pytest.mark.parametrize(
    "value",
    [
        "replicas=2",
        "operator.replica=2",
        "operator.replicas=0",
        "operator.image.pullPolicy=Sometimes",
        "operator.image.digest=latest",
        "settings.dns.peers=null,settings.dns.peer=x",
        "settings.drainSeconds=soon",
        "settings.monitoring.toolLabels=true",
        "settings.defaults.egress=Custom",
        "settings.proxyRollout=AtOnce",
        "identityGrants.tools.serviceAccount={notes}",
        "identityGrants.tools.kubernetesToken=maybe",
        "identityGrants.BAD.kubernetesToken=true",
        "identityGrants.tools.serviceAccounts={no'tes}",
        "identityGrants.to'ols.kubernetesToken=true",
    ],
)
def test_a_value_that_means_nothing_is_refused(helm: Path, value: str) -> None:
    with pytest.raises(Refused, match=r"additional properties|schema|don't meet"):
        render(helm, "ostiary", value)


def grants(helm: Path, *values: str) -> str:
    policy = pick(
        render(helm, "ostiary", *values), "ValidatingAdmissionPolicy", "ostiary-server-identity"
    )
    variables = {entry["name"]: entry["expression"] for entry in policy["spec"]["variables"]}
    return "".join(str(variables["grants"]).split())


def test_a_grant_is_written_into_the_policy(helm: Path) -> None:
    assert grants(helm) == "{}"
    assert (
        grants(
            helm,
            "identityGrants.tools.serviceAccounts={notes,mail}",
            "identityGrants.tools.kubernetesToken=true",
            "identityGrants.tools.cloudMetadata=false",
            "identityGrants.edge.cloudMetadata=true",
        )
        == "{'edge':['cloudMetadata'],"
        "'tools':['serviceAccount/notes','serviceAccount/mail','kubernetesToken'],}"
    )


def test_replicas_bring_a_budget_and_a_spread(helm: Path) -> None:
    one, two = render(helm, "ostiary"), render(helm, "ostiary", "operator.replicas=2")

    assert not [found for found in one if found["kind"] == "PodDisruptionBudget"]
    budget = pick(two, "PodDisruptionBudget")["spec"]
    deployment = pick(two, "Deployment")["spec"]
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert budget["selector"] == deployment["selector"]
    assert deployment["template"]["spec"]["topologySpreadConstraints"]


def test_only_the_monitoring_namespace_may_call_the_operator(helm: Path) -> None:
    closed = pick(render(helm, "ostiary"), "NetworkPolicy")["spec"]
    open_ = pick(render(helm, "ostiary", "settings.monitoring.namespace=prom"), "NetworkPolicy")

    assert closed["ingress"] == []
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    (rule,) = open_["spec"]["ingress"]
    assert rule == {
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "prom"}}}],
        "ports": [{"port": "metrics", "protocol": "TCP"}],
    }


def test_selectors_select_the_operators_pod(helm: Path) -> None:
    objects = render(helm, "ostiary")
    deployment = pick(objects, "Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"].items()

    for selector in (
        deployment["selector"]["matchLabels"],
        pick(objects, "Service")["spec"]["selector"],
        pick(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels
    # The operator takes pods with this label for those of its servers.
    assert ("app.kubernetes.io/managed-by", "ostiary") not in labels


def test_every_admission_policy_is_bound_and_denies(helm: Path) -> None:
    objects = render(helm, "ostiary")
    policies = {
        found["metadata"]["name"]: found["spec"]
        for found in objects
        if found["kind"] == "ValidatingAdmissionPolicy"
    }
    bindings = {
        found["spec"]["policyName"]: found["spec"]
        for found in objects
        if found["kind"] == "ValidatingAdmissionPolicyBinding"
    }

    assert set(policies) == set(bindings)
    assert all(spec["failurePolicy"] == "Fail" for spec in policies.values())
    assert all(spec["validationActions"] == ["Deny"] for spec in bindings.values())
    for name in ("ostiary-server-writers", "ostiary-server-identity"):
        # Without it a foreground deletion hangs; with a parameter a missing one would hang it.
        condition = policies[name]["matchConditions"][0]["expression"]
        assert "paramKind" not in policies[name]
        assert condition == "request.operation == 'CREATE' || object.spec != oldObject.spec"
        (rule,) = policies[name]["matchConstraints"]["resourceRules"]
        assert rule["resources"] == ["mcpservers"]


def test_the_kinds_chart_holds_the_generated_kinds(helm: Path) -> None:
    generated = sorted((ROOT / "crds").glob("*.yaml"))
    copies = sorted((ROOT / "charts/ostiary-crds/files").glob("*.yaml"))

    assert [path.name for path in copies] == [path.name for path in generated]
    assert [path.read_text() for path in copies] == [path.read_text() for path in generated], (
        "run `make crds`"
    )


@pytest.mark.parametrize("keep", [True, False])
def test_the_kinds_are_rendered_whole_and_kept_by_default(helm: Path, keep: bool) -> None:
    wanted = {
        document["metadata"]["name"]: document["spec"]
        for path in (ROOT / "crds").glob("*.yaml")
        for document in yaml.safe_load_all(path.read_text())
    }

    found = render(helm, "ostiary-crds", *(() if keep else ("keep=false",)))

    assert {kind["metadata"]["name"]: kind["spec"] for kind in found} == wanted
    for kind in found:
        policy = kind["metadata"]["annotations"].get("helm.sh/resource-policy")
        assert policy == ("keep" if keep else None)


@pytest.mark.parametrize("chart", ["ostiary", "ostiary-crds"])
def test_the_charts_version_is_the_projects(chart: str) -> None:
    about = yaml.safe_load((ROOT / "charts" / chart / "Chart.yaml").read_text())

    assert f'version = "{about["appVersion"]}"' in (ROOT / "pyproject.toml").read_text()
    assert about["version"] == about["appVersion"]
