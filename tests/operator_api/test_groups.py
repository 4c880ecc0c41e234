"""MCPGroups on the real API server: what is made of them, and how fast consent is taken back."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from e2e.cluster.audit import AuditEvent
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.plugin import NamespaceFactory
from e2e.cluster.waiting import eventually
from tests.operator_api.installed import USER
from tests.operator_api.manifests import condition, exposed, group, member, policy, says, server
from tests.operator_api.test_children import document, is_there
from tests.operator_api.test_deletion import made_since

pytestmark = pytest.mark.usefixtures("operator")

CHILDREN = [
    ("serviceaccount", "everyday-group"),
    ("configmap", "everyday-group-key-0"),
    ("secret", "everyday-group-key-0"),
    ("configmap", "everyday-group-proxy"),
    ("networkpolicy", "everyday-group"),
    ("service", "everyday-group"),
    ("service", "everyday-group-pods"),
    ("poddisruptionbudget", "everyday-group"),
    ("deployment", "everyday-group"),
]
REVOKED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Case:
    """A group `everyday` in `agents` of the server `time` in `tools`, which agrees to it."""

    kubectl: Kubectl
    tools: str
    agents: str

    @property
    def group(self) -> Any:
        return self.kubectl.get("mcpgroup", "everyday", self.agents)

    def aliases(self) -> list[str]:
        found = document(self.kubectl, self.agents, "everyday-group-proxy")
        backend = found["servers"][0]["backend"] if found else {}
        return [it["alias"] for it in backend.get("members", ())]

    def links(self) -> list[str]:
        """Groups that the server's own proxy is told of."""
        found = document(self.kubectl, self.tools)
        return [it["name"] for it in found["servers"][0].get("groups", ())] if found else []

    def states(self) -> dict[str, str]:
        members = (self.group or {}).get("status", {}).get("members", ())
        return {it["alias"]: it["state"] for it in members}

    def settle(self) -> None:
        for kind, name in CHILDREN:
            is_there(self.kubectl, self.agents, kind, name)
        eventually(lambda: self.aliases() == ["time"] and self.links() == ["everyday"])
        eventually(lambda: self.states() == {"time": "Waiting"}, what="the member's state")


@pytest.fixture
def case(kubectl: Kubectl, make_namespace: NamespaceFactory) -> Case:
    found = Case(kubectl, make_namespace("tools"), make_namespace("agents"))
    kubectl.apply(
        group(found.agents, member(found.tools), replicas=2),
        server(found.tools, **exposed(found.agents)),
        policy(found.tools),
    )
    found.settle()
    return found


def test_everything_of_a_group_is_made_and_owned(case: Case) -> None:
    root = case.group

    for kind, name in CHILDREN:
        child = case.kubectl.get(kind, name, case.agents)
        assert child
        assert child["metadata"]["labels"]["ostiary.dev/group"] == "everyday"
        (owner,) = child["metadata"]["ownerReferences"]
        if kind != "secret":
            assert (owner["kind"], owner["uid"]) == ("MCPGroup", root["metadata"]["uid"])


def test_the_gateways_document_and_pod_are_those_of_a_gateway(case: Case) -> None:
    found = document(case.kubectl, case.agents, "everyday-group-proxy")
    deployment = case.kubectl.get("deployment", "everyday-group", case.agents)

    assert found["role"] == "gateway"
    (section,) = found["servers"]
    assert section["url"] == f"http://everyday-group.{case.agents}.svc/mcp"
    (one,) = section["backend"]["members"]
    assert one["host"] == f"time-pods.{case.tools}.svc"
    assert [it["name"] for it in one["policies"]] == ["callers"]
    assert deployment
    pod = deployment["spec"]["template"]["spec"]
    assert {"name": "OSTIARY_ROLE", "value": "gateway"} in pod["containers"][0]["env"]
    pods = case.kubectl.eventually(
        "replicaset",
        eventually(lambda: replica_set(case), what="a ReplicaSet"),
        lambda it: it.get("status", {}).get("replicas") == 2,
        namespace=case.agents,
    )
    assert pods["spec"]["replicas"] == 2, "the API server takes the pods as they are"


def replica_set(case: Case) -> str:
    listed = case.kubectl.json("-n", case.agents, "get", "replicasets")["items"]
    return str(listed[0]["metadata"]["name"]) if listed else ""


def test_kubectl_get_tells_the_truth_at_a_glance(case: Case) -> None:
    lines = case.kubectl("-n", case.agents, "get", "mcpgroups").splitlines()

    assert lines[0].split() == ["NAME", "READY", "SERVERS", "TOOLS", "URL", "AGE"]
    assert lines[1].split()[:3] == ["everyday", "False", "0/1"]
    assert f"http://everyday-group.{case.agents}.svc/mcp" in lines[1]


def test_the_walls_of_both_sides_admit_this_and_no_more(case: Case) -> None:
    member_wall = case.kubectl.get("networkpolicy", "time", case.tools)
    gateway_wall = case.kubectl.get("networkpolicy", "everyday-group", case.agents)
    assert member_wall
    assert gateway_wall

    here = {"matchLabels": {"kubernetes.io/metadata.name": case.agents}}
    gateway = {"matchLabels": {"ostiary.dev/group": "everyday"}}
    pair = {"namespaceSelector": here, "podSelector": gateway}
    assert pair in member_wall["spec"]["ingress"][0]["from"]
    there = {"matchLabels": {"kubernetes.io/metadata.name": case.tools}}
    pods = {"matchLabels": {"ostiary.dev/server": "time"}}
    (out,) = [
        it
        for it in gateway_wall["spec"]["egress"]
        if "namespaceSelector" in json.dumps(it["to"])
        and "ostiary.dev/server" in json.dumps(it["to"])
    ]
    assert out["to"] == [{"namespaceSelector": there, "podSelector": pods}]
    assert [it["port"] for it in out["ports"]] == [8080]
    assert {"namespaceSelector": there} in gateway_wall["spec"]["ingress"][0]["from"]


@pytest.mark.parametrize("side", ["server", "group"])
def test_either_side_takes_its_consent_back_within_two_seconds(
    control_plane: ControlPlane, case: Case, side: str
) -> None:
    mark = control_plane.audit.mark()

    if side == "server":
        withdraw(case, case.tools, "mcpserver/time", {"exposeTo": None})
    else:
        withdraw(case, case.agents, "mcpgroup/everyday", {"members": [member(case.agents, "no")]})

    eventually(lambda: case.aliases() == [] and case.links() == [], what="no member")
    events = control_plane.audit.events(since=mark)
    began = next(it for it in events if it.is_write and it.user != USER)
    closing = {
        (it.resource, it.name): seconds_between(began, it)
        for it in events
        if it.is_write and it.user == USER and it.code < 300 and it.verb == "patch"
    }
    walls = [
        ("configmaps", "everyday-group-proxy"),
        ("configmaps", "time-proxy"),
        ("networkpolicies", "everyday-group"),
        ("networkpolicies", "time"),
    ]
    print({place: f"{closing[place]:.3f} s" for place in walls})
    assert max(closing[place] for place in walls) < REVOKED_SECONDS
    state = {"time": "NoConsent"} if side == "server" else {"no": "NotFound"}
    eventually(lambda: case.states() == state, what="the member's state")


def withdraw(case: Case, namespace: str, what: str, spec: Any) -> None:
    change = json.dumps({"spec": spec})
    case.kubectl("-n", namespace, "patch", what, "--type=merge", "-p", change)


def seconds_between(first: AuditEvent, second: AuditEvent) -> float:
    at = [datetime.fromisoformat(it.at) for it in (first, second)]
    return (at[1] - at[0]).total_seconds()


def test_a_policy_beside_a_member_reaches_the_gateway(case: Case) -> None:
    rules = [
        {
            "name": "other",
            "from": [{"serviceAccounts": {"names": ["somebody"]}}],
            "allow": {"tools": ["now"]},
        }
    ]
    case.kubectl.apply(policy(case.tools, rules=rules))

    def reached() -> bool:
        (one,) = document(case.kubectl, case.agents, "everyday-group-proxy")["servers"]
        found = one["backend"]["members"][0]["policies"]
        return [it["name"] for it in found[0]["rules"]] == ["other"]

    eventually(reached, what="the member's new rule")


def test_a_policy_on_the_group_is_in_its_document_and_says_so(case: Case) -> None:
    refs = [{"kind": "MCPGroup", "name": "everyday"}]
    case.kubectl.apply(policy(case.agents, "ceiling", selector=None, targetRefs=refs))

    def reached() -> bool:
        (one,) = document(case.kubectl, case.agents, "everyday-group-proxy")["servers"]
        return [it["name"] for it in one.get("policies", ())] == ["ceiling"]

    eventually(reached, what="the group's policy")
    found = case.kubectl.eventually(
        "mcpaccesspolicy",
        "ceiling",
        lambda it: it.get("status", {}).get("enforced") == "0/2",
        namespace=case.agents,
    )
    (target,) = found["status"]["targets"]
    assert target["ref"] == "MCPGroup/everyday"


def test_a_name_that_somebody_holds_is_left_alone_and_said(
    kubectl: Kubectl, make_namespace: NamespaceFactory
) -> None:
    agents = make_namespace("agents")
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": agents, "name": "everyday-group"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    }
    kubectl.create(theirs)
    before = kubectl.get("service", "everyday-group", agents)

    kubectl.apply(server(agents), group(agents, {"selector": {}}))

    found = kubectl.eventually(
        "mcpgroup", "everyday", lambda it: says(it, "Ready", "NameTaken"), namespace=agents
    )
    assert f"Service {agents}/everyday-group" in condition(found, "Ready")["message"]
    assert kubectl.get("service", "everyday-group", agents) == before
    assert not kubectl.get("deployment", "everyday-group", agents)


@pytest.mark.parametrize("cascade", ["foreground", "background"])
def test_nothing_comes_back_after_a_deletion_and_the_member_is_free(
    control_plane: ControlPlane, case: Case, cascade: str
) -> None:
    mark = control_plane.audit.mark()

    case.kubectl("-n", case.agents, "delete", "mcpgroup", "everyday", f"--cascade={cascade}")

    kinds = "deployments,services,serviceaccounts,configmaps,secrets,networkpolicies,replicasets"
    listed = ("-n", case.agents, "get", kinds, "-l", "ostiary.dev/group", "-o", "name")
    eventually(lambda: not case.kubectl(*listed).split(), seconds=60, what="no child")
    assert made_since(control_plane, mark, case.agents) == []
    eventually(lambda: case.links() == [], what="a server in no group")


def test_a_deleted_child_and_an_edited_wall_come_back(case: Case) -> None:
    before = is_there(case.kubectl, case.agents, "service", "everyday-group-pods")
    wall = is_there(case.kubectl, case.agents, "networkpolicy", "everyday-group")
    words = ("patch", "networkpolicy", "everyday-group", "--type=merge", "-p")
    case.kubectl("-n", case.agents, "delete", "service", "everyday-group-pods")
    case.kubectl("-n", case.agents, *words, '{"spec": {"egress": [{}]}}')

    found = is_there(case.kubectl, case.agents, "service", "everyday-group-pods")
    assert found["metadata"]["uid"] != before["metadata"]["uid"]
    case.kubectl.eventually(
        "networkpolicy",
        "everyday-group",
        lambda it: it["spec"] == wall["spec"],
        namespace=case.agents,
    )
