"""Objects as users write them."""

from typing import Any

Manifest = dict[str, Any]
API = "ostiary.dev/v1alpha1"


def server(namespace: str, name: str = "time", **spec: Any) -> Manifest:
    """The four-line minimum, and what a test adds to it."""
    return {
        "apiVersion": API,
        "kind": "MCPServer",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"image": "example/time:1", "command": ["mcp-server-time"], **spec},
    }


def group(namespace: str, *members: Manifest, name: str = "everyday", **spec: Any) -> Manifest:
    return {
        "apiVersion": API,
        "kind": "MCPGroup",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"members": list(members), **spec},
    }


def member(namespace: str, name: str = "time", **more: Any) -> Manifest:
    return {"server": {"namespace": namespace, "name": name}, **more}


def exposed(*namespaces: str) -> Manifest:
    """What a server of another namespace writes to agree to groups of these."""
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces}
    selector = {"matchExpressions": [expression]}
    return {"exposeTo": {"namespaces": {"from": "Selector", "selector": selector}}}


def policy(namespace: str, name: str = "callers", **spec: Any) -> Manifest:
    rule = {
        "name": "all",
        "from": [{"serviceAccounts": {"names": ["planner"]}}],
        "allow": {"tools": ["*"]},
    }
    return {
        "apiVersion": API,
        "kind": "MCPAccessPolicy",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"selector": {}, "rules": [rule], **spec},
    }


def condition(manifest: Manifest | None, kind: str) -> Manifest:
    """Empty while it is not said."""
    conditions = (manifest or {}).get("status", {}).get("conditions", ())
    return next((it for it in conditions if it["type"] == kind), {})


def says(manifest: Manifest | None, kind: str, reason: str) -> bool:
    return bool(condition(manifest, kind).get("reason") == reason)
