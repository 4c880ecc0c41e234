"""What real proxies enforce, and what the status says of it: told, repeated, lost and found."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import orjson
import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from tests.operator_api.installed import USER, Launcher, Running, leads
from tests.operator_api.kubelet import Kubelet, Pod
from tests.operator_api.manifests import condition, policy, says, server
from tests.operator_api.silence import deletions_are_done, stays_silent
from tests.proxy import signing

BACKEND = Path(__file__).with_name("backend.py")
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@dataclass(slots=True)
class World:
    """A namespace with one server, two pods of it, and a ServiceAccount that calls."""

    kubectl: Kubectl
    kubelet: Kubelet
    namespace: str

    @property
    def audience(self) -> str:
        return f"http://time.{self.namespace}.svc/mcp"

    @property
    def pods(self) -> list[Pod]:
        return sorted(self.kubelet.pods.values(), key=lambda pod: pod.name)

    def object(self, kind: str, name: str) -> Any:
        return self.kubectl.get(kind, name, self.namespace)

    def document(self) -> Any:
        return orjson.loads(self.object("configmap", "time-proxy")["data"]["config.json"])

    def token(self) -> str:
        words = ("create", "token", "planner", f"--audience={self.audience}")
        return self.kubectl("-n", self.namespace, *words).strip()

    def call(self, pod: Pod, token: str) -> int:
        """The status of an `initialize` at one pod's proxy."""
        headers = {
            "Host": f"time.{self.namespace}.svc",
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        url = f"http://{pod.address}:8080/mcp"
        try:
            with urlopen(Request(url, orjson.dumps(INITIALIZE), headers), timeout=30) as answer:
                return int(answer.status)
        except HTTPError as err:
            with err:
                return err.code

    def programmed(self) -> Any:
        """The server, once the pods enforce the document that the ConfigMap holds now."""
        number = self.document()["generation"]
        found = self.object("mcpserver", "time")
        said = condition(found, "Programmed")
        done = said.get("message") == f"2 of 2 pods enforce generation {number}"
        return found if done and said["status"] == "True" else None

    def settle(self) -> Any:
        return self.kubelet.until(self.programmed, what="every pod programmed")

    def enforced(self, name: str) -> Any:
        """The policy, once it is in force everywhere."""
        found = self.object("mcpaccesspolicy", name)
        generation = found["metadata"]["generation"]
        current = found.get("status", {}).get("observedGeneration") == generation
        return found if current and says(found, "Programmed", "Programmed") else None


@pytest.fixture(scope="module")
def backend() -> Iterator[int]:
    with subprocess.Popen([sys.executable, str(BACKEND)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        process.kill()


@pytest.fixture(scope="module")
def world(
    operator: Running, kubectl: Kubectl, backend: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    name = f"pods-{uuid4().hex[:8]}"
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    kubectl("create", "namespace", name)
    kubectl.create(node)
    kubectl.eventually("sa", "default", bool, namespace=name)
    kubectl("-n", name, "create", "sa", "planner")
    port = {"streamableHTTP": {"port": backend}}
    kubectl.apply(server(name, replicas=2, transport=port))
    kubelet = Kubelet(kubectl, name, tmp_path_factory.mktemp("pods"), node=name)
    try:
        yield World(kubectl, kubelet, name)
    finally:
        kubelet.close()
        kubectl("delete", "ns", name, "--wait=false")
        kubectl("delete", "node", name)


@pytest.fixture
def settled(world: World) -> World:
    """Every proxy runs, and nothing is on its way."""
    for pod in world.pods:
        if pod.process is None:
            world.kubelet.run(pod)
    world.settle()
    return world


def test_the_status_says_what_the_proxies_reported(settled: World) -> None:
    def look() -> Any:
        found = settled.object("mcpserver", "time")
        return condition(found, "Ready").get("status") == "True" and found

    found = settled.kubelet.until(look, what="a ready server")["status"]

    assert (found["replicas"], found["readyReplicas"]) == (2, 2)
    assert found["server"] == {"name": "clock", "version": "4.5.6"}
    assert found["tools"]["count"] == 2
    assert [it["name"] for it in found["tools"]["items"]] == ["now", "wind"]
    assert condition({"status": found}, "Ready")["reason"] == "PolicyMissing"


def test_a_policy_is_enforced_edited_and_taken_away(settled: World) -> None:
    token = settled.token()
    assert [settled.call(pod, token) for pod in settled.pods] == [403, 403]

    settled.kubectl.apply(policy(settled.namespace))
    found = settled.kubelet.until(lambda: settled.enforced("callers"), what="the policy in force")
    assert found["status"]["enforced"] == "2/2"
    assert [settled.call(pod, token) for pod in settled.pods] == [200, 200]
    settled.kubelet.until(
        lambda: says(settled.object("mcpserver", "time"), "Ready", "Ready"), what="callers"
    )

    rule = {
        "name": "all",
        "from": [{"serviceAccounts": {"names": ["somebody"]}}],
        "allow": {"tools": ["*"]},
    }
    settled.kubectl.apply(policy(settled.namespace, rules=[rule]))
    settled.kubelet.until(lambda: settled.enforced("callers"), what="the edit in force")
    assert [settled.call(pod, token) for pod in settled.pods] == [403, 403]

    settled.kubectl("-n", settled.namespace, "delete", "mcpaccesspolicy", "callers")
    settled.kubelet.until(
        lambda: not settled.document()["servers"][0].get("policies"), what="no rule"
    )
    settled.settle()
    assert [settled.call(pod, token) for pod in settled.pods] == [403, 403]


def test_tools_that_nobody_approved_are_said_until_their_digests_are_in_the_spec(
    settled: World,
) -> None:
    def pin(**given: Any) -> None:
        change = {"spec": {"tools": {"pin": given or None}}}
        words = ("patch", "mcpserver", "time", "--type=merge", "-p", orjson.dumps(change).decode())
        settled.kubectl("-n", settled.namespace, *words)

    def told(reason: str) -> dict[str, Any]:
        def found() -> Any:
            said = condition(settled.object("mcpserver", "time"), "ToolsPinned")
            return said if said.get("reason") == reason else None

        return dict(settled.kubelet.until(found, what=f"ToolsPinned {reason}"))

    items = settled.object("mcpserver", "time")["status"]["tools"]["items"]
    now, wind = sorted(items, key=lambda it: it["name"])
    pin(mode="Enforce", tools=[now])
    said = told("Drifted")
    assert said["status"] == "False"
    assert "new: wind" in said["message"]
    assert f'{{name: "wind", digest: {wind["digest"]}}}' in said["message"]
    events = settled.kubelet.until(
        lambda: [
            it
            for it in settled.kubectl.json("-n", settled.namespace, "get", "events")["items"]
            if "new: wind" in it["message"]
        ],
        what="the Event",
    )
    assert {it["involvedObject"]["name"] for it in events} == {"time"}
    pin(mode="Enforce", tools=[now, wind])
    assert told("Pinned")["message"] == "all 2 tools are as approved"
    pin()
    told("NotRequested")
    settled.settle()


def test_a_nudge_that_came_too_early_is_repeated_until_the_pod_has_the_document(
    settled: World,
) -> None:
    _, slow = settled.pods
    before, slow.deaf = len(slow.heard), 3
    settled.kubectl.apply(policy(settled.namespace, "late"))

    def half() -> Any:
        number = settled.document()["generation"]
        said = condition(settled.object("mcpserver", "time"), "Programmed")
        return said.get("message") == f"1 of 2 pods enforce generation {number}" and said

    said = settled.kubelet.until(half, what="one pod of two")
    assert (said["status"], said["reason"]) == ("False", "PartiallyProgrammed")
    settled.kubelet.until(
        lambda: settled.object("mcpaccesspolicy", "late")["status"]["enforced"] == "1/2",
        what="the policy in force in one pod",
    )

    settled.kubelet.until(lambda: settled.enforced("late"), what="the policy in force")
    heard = slow.heard[before:]
    assert len(heard) >= 4
    assert len(set(heard)) == len(heard)
    number = settled.document()["generation"]
    assert {value.partition(".")[0] for value in heard} == {str(number)}


def test_a_proxy_that_cannot_be_asked_is_not_counted(settled: World) -> None:
    _, gone = settled.pods
    settled.kubelet.end(gone)

    settled.kubelet.until(
        lambda: (
            condition(settled.object("mcpserver", "time"), "Programmed")
            .get("message", "")
            .startswith("1 of 2 pods")
        ),
        what="a pod that does not answer",
    )

    settled.kubelet.run(gone)
    settled.settle()


def test_pods_of_which_none_answers_are_not_reporting(settled: World) -> None:
    for pod in settled.pods:
        settled.kubelet.end(pod)

    def look() -> Any:
        found = settled.object("mcpserver", "time")
        said = condition(found, "Programmed")["message"]
        return said.startswith("0 of 2 pods") and says(found, "Ready", "NotReporting") and found

    found = settled.kubelet.until(look, what="a server that is not reported on")
    assert condition(found, "Ready")["status"] == "Unknown"

    for pod in settled.pods:
        settled.kubelet.run(pod)
    settled.settle()


@dataclass(frozen=True, slots=True)
class Successor:
    running: Running
    mark: int
    """Of the audit log, before its start."""


@pytest.fixture(scope="module")
def successor(
    operator: Running, launcher: Launcher, kubectl: Kubectl, control_plane: ControlPlane
) -> Iterator[Successor]:
    """Of the module's operator, which ends here; it compares everything every two seconds."""
    deletions_are_done(kubectl)
    assert operator.stop() == 0
    mark = control_plane.audit.mark()
    with launcher.running("successor", OSTIARY_RESYNC_SECONDS="2") as running:
        leads(running)
        yield Successor(running, mark)


def test_a_restarted_operator_writes_nothing_when_all_is_enforced(
    settled: World, successor: Successor, control_plane: ControlPlane
) -> None:
    stays_silent(control_plane, successor.running, 7, since=successor.mark)


def test_a_lost_master_leads_to_the_next_number(settled: World, successor: Successor) -> None:
    (held,) = settled.document()["servers"][0]["keys"]
    assert held["number"] == 0
    settled.kubectl("-n", settled.namespace, "delete", "secret", "time-key-0")
    for pod in settled.pods:
        settled.kubelet.mount(pod)

    settled.kubelet.until(
        lambda: settled.object("secret", "time-key-1"), what="the next master", seconds=90
    )

    settled.kubelet.until(
        lambda: [key["number"] for key in settled.document()["servers"][0]["keys"]] == [1],
        what="the document without the lost one",
    )
    settled.settle()
    assert not settled.object("configmap", "time-key-0")


@pytest.mark.timeout(150)
def test_an_unknown_key_makes_the_operator_look_at_the_issuer(
    settled: World, successor: Successor, control_plane: ControlPlane
) -> None:
    mark = control_plane.audit.mark()
    claims = signing.claims(f"system:serviceaccount:{settled.namespace}:planner")
    stranger = signing.sign(
        {**claims, "iss": "https://kubernetes.default.svc", "aud": [settled.audience]}
    )

    for pod in settled.pods:
        assert settled.call(pod, stranger) == 401

    settled.kubelet.until(
        lambda: [
            event
            for event in control_plane.audit.events(since=mark)
            if (event.user, event.uri) == (USER, "/openid/v1/jwks")
        ],
        what="a look at the issuer's keys",
        seconds=45,  # less than its minute's round
    )
    # It found what it knew.
    stays_silent(control_plane, successor.running, 3, since=mark)
