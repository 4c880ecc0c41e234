"""Groups as their gateway's pods and proxies would show them."""

from typing import Any

from tests.operator.build import SETTINGS, group, policy, rule, server
from tests.operator.cluster_state import GENERATION, running

from ostiary_operator.api import MCPGroup
from ostiary_operator.render import gateway
from ostiary_operator.render.gateway import GroupView
from ostiary_operator.render.members import MemberView
from ostiary_operator.render.memberships import Membership
from ostiary_operator.status import Observed
from ostiary_proxy.config import MemberReport, ServerReport, StatusReport

ENTRIES: Any = [{"server": {"name": it, "namespace": "tools"}} for it in ("time", "notes")]
GROUP = group({"members": ENTRIES})
CALLERS = policy(rule(), target=None, selector={})


def accepted(name: str = "time", alias: str | None = None) -> Membership:
    found = server(name=name, uid=f"u-{name}")
    return Membership("tools", name, alias or name, "Accepted", server=found)


def view(*found: Membership, policies: tuple[Any, ...] = (CALLERS,)) -> GroupView:
    """`policies`: of the members' namespace."""
    return GroupView(
        memberships=found,
        members=tuple(
            MemberView(it.alias, it.server, policies)
            for it in found
            if it.state == "Accepted" and it.server
        ),
        namespaces={"tools": {}, "agents": {}},
    )


def ready(alias: str = "time", tools: int = 2, **more: Any) -> MemberReport:
    digest = f"sha256:{alias}"
    return MemberReport(alias=alias, state="Ready", toolCount=tools, toolsDigest=digest, **more)


def unhealthy(alias: str = "time", **more: Any) -> MemberReport:
    given = {"reason": "NoAnswer", "message": "it does not answer", **more}
    return MemberReport(alias=alias, state="Unhealthy", **given)


def told(*members: MemberReport, generation: int = GENERATION) -> StatusReport:
    backend = ServerReport(namespace="agents", name="everyday", state="Ready", members=members)
    return StatusReport(etag="e", version="0.2.0", generation=generation, servers=(backend,))


def gateway_pod(name: str = "g-1", **state: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "agents",
            "uid": f"uid-{name}",
            "labels": {"ostiary.dev/group": "everyday"},
        },
        "spec": {"nodeName": "n-1"},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "proxy", "image": "p:1", **(state or running())}],
        },
    }


def gateway_deployment(of: MCPGroup = GROUP, *, ready: int | None = None) -> dict[str, Any]:
    found = gateway.render_gateway(of, SETTINGS)
    wanted = found["spec"]["replicas"]
    count = wanted if ready is None else ready
    found["metadata"]["generation"] = 5
    found["status"] = {
        "observedGeneration": 5,
        "replicas": wanted,
        "updatedReplicas": wanted,
        "readyReplicas": count,
        "availableReplicas": count,
    }
    return found


def watched(*reports: StatusReport, of: MCPGroup = GROUP, **more: Any) -> Observed:
    """As many pods as reports, each with its own, and all of them ready."""
    pods = tuple(gateway_pod(f"g-{number}") for number in range(1, len(reports) + 1))
    answers = {pod["metadata"]["uid"]: it for pod, it in zip(pods, reports, strict=True)}
    given: dict[str, Any] = {
        "generation": GENERATION,
        "deployment": gateway_deployment(of),
        "network_policy": {"kind": "NetworkPolicy"},
        "pods": pods,
        "reports": answers,
    }
    return Observed(**(given | more))
