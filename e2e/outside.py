"""What test_way_in.py looks at: a server and a group that are exposed, an edge, a client outside.

The edge is nginx in a pod of a namespace of its own, routed by the objects that the operator made.
The client's namespace may send nothing but to the edge."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from e2e.cluster import gateway_api
from e2e.cluster.images.recipes import EDGE
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.pki import Authority
from e2e.cluster.waiting import eventually
from e2e.edge import Place, configuration, read
from e2e.groups import KIND as GROUPS
from e2e.groups import NAME, NAMED, Groups, by_name, group, member, planners
from e2e.rolling import SYSTEM
from e2e.samples import STDIO
from e2e.world import Answer, Caller, World, condition, modern_call, policy, says

HOST: Final = "mcp.example.com"
"""No name server has it: the client's pod is told where it is."""
SERVER: Final = f"https://{HOST}/team/time"
GROUP: Final = f"https://{HOST}/everyday"
MEMBER: Final = f"{GROUP}/servers/clock/mcp"
SERVERS: Final = "mcpservers.ostiary.dev"
CA: Final = "/tmp/ca.crt"
SECONDS: Final = 60
NOWHERE: Final = (502, 504)
"""What nginx says of a Service that does not let it connect."""
_PORT: Final = 8443


@dataclass(frozen=True, slots=True)
class Way:
    world: World
    tools: str
    agents: str
    edge: str
    """Namespaces: of the server, the group and the edge."""
    caller: Caller

    @property
    def hop(self) -> str:
        """Where the edge's connections come from."""
        return address_of(self.world, "edge", self.edge)

    @property
    def own(self) -> str:
        """Where the client's come from."""
        return address_of(self.world, self.caller.pod, self.caller.namespace)

    def call(self, target: str, audience: str = "") -> Answer:
        token = self.caller.token(audience or target)
        return modern_call(self.caller, target, tool_at(target), STDIO.arguments, token, ca=CA)

    def let_in(self, peers: Sequence[Mapping[str, Any]] | None) -> None:
        for kind, namespace, name in self.exposed():
            patch(self.world, kind, namespace, name, {"expose": {"allowFrom": peers}})

    def take_away(self) -> None:
        for kind, namespace, name in self.exposed():
            patch(self.world, kind, namespace, name, {"expose": None})

    def exposed(self) -> list[tuple[str, str, str]]:
        return [(SERVERS, self.tools, "time"), (GROUPS, self.agents, NAME)]

    def opened(self) -> None:
        """The edge's namespace may connect."""
        self.let_in([among(self.edge)])
        for target in (SERVER, GROUP):
            self._until(target, (200,))

    def closed(self) -> None:
        for target in (SERVER, GROUP):
            self._until(target, NOWHERE)

    def _until(self, target: str, wanted: Sequence[int]) -> None:
        def look() -> bool:
            answer = self.call(target)
            assert answer.status in wanted, answer
            return True

        eventually(look, seconds=SECONDS, what=f"{wanted} at {target}", every=0.3)


def tool_at(target: str) -> str:
    return "clock_echo" if target == GROUP else "echo"


def among(namespace: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {NAMED: namespace}}}


def address_of(world: World, pod: str, namespace: str) -> str:
    return str(world.kubectl.get("pod", pod, namespace)["status"]["podIP"])


def patch(world: World, kind: str, namespace: str, name: str, spec: Mapping[str, Any]) -> None:
    change = json.dumps({"spec": spec})
    world.kubectl("-n", namespace, "patch", kind, name, "--type=merge", "-p", change)


def exposed(world: World, tools: str, agents: str, outside: str) -> Groups:
    """The server by an Ingress, the group by an HTTPRoute; nobody outside is let in yet."""
    spec = STDIO.spec | {
        "expose": {"url": SERVER, "via": {"ingress": {"className": "edge"}}},
        "clients": {"sse": True, "webSocket": True},
    }
    offered, _ = member(tools, "time", spec, agents)
    gateway = {"gateway": {"name": "public", "namespace": "edge"}}
    world.kubectl.apply(
        offered,
        everything(tools, outside),
        group(agents, [by_name(tools, "time", "clock")], expose={"url": GROUP, "via": gateway}),
    )
    return Groups(world, agents)


def everything(tools: str, outside: str, but: Sequence[str] = ()) -> dict[str, Any]:
    """What the client may do at the server."""
    return policy(tools, "time", "time", [planners(outside)], deny=but)


def standing(
    world: World, namespace: str, routes: Sequence[Mapping[str, Any]], folder: Path
) -> str:
    """The edge, routed as these objects say; gives the certificate of its authority."""
    authority = Authority(folder, now=datetime.now(UTC))
    pair = authority.issue(HOST, hosts=[HOST], server=True)
    listed = [it for manifest in routes for it in read(manifest)]
    place = Place(listen=str(_PORT), folder="/tmp", certificate="/edge")
    files = {
        "tls.crt": pair.certificate,
        "tls.key": pair.key,
        "nginx.conf": configuration(listed, place).encode(),
    }
    metadata = {"namespace": namespace, "name": "edge", "labels": {"app": "edge"}}
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    ports = [{"port": 443, "targetPort": _PORT}]
    service = {"selector": {"app": "edge"}, "ports": ports}
    world.kubectl.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data},
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _pod()},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    )
    world.kubectl.wait("condition=Ready", "pod/edge", namespace, 120)
    return authority.path.read_text()


def client(world: World, namespace: str, account: str, edge: str, ca: str) -> Caller:
    """A pod that finds the host at the edge, trusts its authority, and reaches nothing else."""
    service = world.kubectl.get("service", "edge", edge)
    aliases = [{"ip": service["spec"]["clusterIP"], "hostnames": [HOST]}]
    world.kubectl.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"namespace": namespace, "name": "to-the-edge"},
            "spec": {
                "podSelector": {},
                "policyTypes": ["Egress"],
                "egress": [{"to": [among(edge)]}],
            },
        }
    )
    caller = world.caller(namespace, account, hostAliases=aliases)
    world.kubectl("-n", namespace, "exec", "-i", caller.pod, "--", "tee", CA, stdin=ca)
    return caller


def _pod() -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "volumes": [
            {"name": "edge", "secret": {"secretName": "edge"}},
            {"name": "tmp", "emptyDir": {}},
        ],
        "containers": [
            {
                "name": "nginx",
                "image": EDGE,
                "imagePullPolicy": "IfNotPresent",
                "command": ["nginx", "-e", "stderr", "-c", "/edge/nginx.conf"],
                "readinessProbe": {"tcpSocket": {"port": _PORT}, "periodSeconds": 1},
                "volumeMounts": [
                    {"name": "edge", "mountPath": "/edge"},
                    {"name": "tmp", "mountPath": "/tmp"},
                ],
            }
        ],
    }


class Kinds:
    """HTTPRoutes, as this cluster knows them or does not."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self.were_there = kubectl.get("crd", gateway_api.KIND) is not None
        self.missed: Mapping[str, Any] = {}
        """What the group said before they came."""
        self.operator = operator_pods(kubectl)

    def come(self, namespace: str) -> None:
        """Once the group of this namespace has missed them."""
        if self.were_there:
            return
        group = self._kubectl.eventually(
            GROUPS,
            NAME,
            says("ResolvedRefs", "False", "GatewayAPIMissing"),
            namespace=namespace,
            seconds=SECONDS,
        )
        self.missed = condition(group, "ResolvedRefs")
        gateway_api.install(self._kubectl)


def operator_pods(kubectl: Kubectl) -> dict[str, int]:
    """How often each was restarted."""
    label = "app.kubernetes.io/name=ostiary"
    found = kubectl.json("-n", SYSTEM, "get", "pods", "-l", label)["items"]
    running = (pod for pod in found if "deletionTimestamp" not in pod["metadata"])
    return {
        pod["metadata"]["name"]: sum(it["restartCount"] for it in statuses(pod)) for pod in running
    }


def statuses(pod: Mapping[str, Any]) -> list[Any]:
    return list(pod["status"].get("containerStatuses", []))
