"""An MCPGroup of the product tests: manifests, and what is asked of one.  No assertions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from e2e.world import (
    API,
    MODERN,
    Answer,
    Caller,
    World,
    accounts,
    condition,
    labelled,
    policy,
    server,
)

KIND: Final = "mcpgroups.ostiary.dev"
NAME: Final = "everyday"
PLANNER: Final = "planner"
NAMED: Final = "kubernetes.io/metadata.name"
META: Final = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}


def group(namespace: str, members: Sequence[Mapping[str, Any]], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": "MCPGroup",
        "metadata": {"namespace": namespace, "name": NAME},
        "spec": {"members": list(members), **spec},
    }


def by_name(namespace: str, name: str, alias: str = "") -> dict[str, Any]:
    named = {"server": {"namespace": namespace, "name": name}}
    return named | ({"alias": alias} if alias else {})


def by_label(labels: Mapping[str, str], namespace: str) -> dict[str, Any]:
    among = labelled(**{NAMED: namespace})
    return {"selector": {"matchLabels": dict(labels)}, "namespaces": among}


def member(
    namespace: str, name: str, spec: Mapping[str, Any], agents: str, **labels: str
) -> list[dict[str, Any]]:
    """A server that exposes itself to the groups of `agents`, and lets their planner do all."""
    exposed = {"exposeTo": {"namespaces": labelled(**{NAMED: agents})}}
    made = server(namespace, name, {**spec, **exposed})
    made["metadata"]["labels"] = labels
    return [made, policy(namespace, name, name, [planners(agents)])]


def planners(agents: str) -> dict[str, Any]:
    return accounts([PLANNER], labelled(**{NAMED: agents}))


def group_url(namespace: str) -> str:
    return f"http://{NAME}-group.{namespace}.svc/mcp"


def way_to(namespace: str, alias: str) -> str:
    """One member of the group, as it is."""
    return f"http://{NAME}-group.{namespace}.svc/servers/{alias}/mcp"


def state_of(found: Mapping[str, Any] | None, alias: str) -> dict[str, Any]:
    """A member as the group's status has it, or nothing."""
    status = (found or {}).get("status") or {}
    return next((it for it in status.get("members", []) if it["alias"] == alias), {})


def stands(**states: str) -> Callable[[Any], bool]:
    """A test of a group: its members are so, and its gateway pods know."""

    def holds(found: Any) -> bool:
        seen = {alias: state_of(found, alias).get("state") for alias in states}
        programmed = condition(found, "Programmed")
        current = (found or {}).get("metadata", {}).get("generation")
        return (
            seen == states
            and programmed.get("status") == "True"
            and programmed.get("observedGeneration") == current
        )

    return holds


@dataclass(frozen=True, slots=True)
class Groups:
    """The group of one namespace."""

    world: World
    namespace: str

    @property
    def url(self) -> str:
        return group_url(self.namespace)

    def eventually(self, holds: Callable[[Any], Any], seconds: float = 240) -> Any:
        return self.world.kubectl.eventually(
            KIND, NAME, holds, namespace=self.namespace, seconds=seconds
        )

    def pods(self) -> list[Any]:
        """Of the gateway, but those that go."""
        found = self.world.kubectl.json(
            "-n", self.namespace, "get", "pods", "-l", f"ostiary.dev/group={NAME}"
        )
        return [p for p in found["items"] if not p["metadata"].get("deletionTimestamp")]


def modern(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}


def modern_headers(token: str, method: str, name: str = "") -> dict[str, str]:
    found = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": method,
    }
    found |= {"Mcp-Name": name} if name else {}
    return found | ({"Authorization": f"Bearer {token}"} if token else {})


def listing(caller: Caller, target: str, token: str, ca: str = "") -> Answer:
    """One modern tools/list, as plain HTTP."""
    headers = modern_headers(token, "tools/list")
    return caller.http(target, modern("tools/list"), headers, ca=ca)
