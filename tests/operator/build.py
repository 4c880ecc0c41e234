"""Objects for tests, through the real parsers: what a user could write, and nothing else."""

import copy
from typing import Any

from ostiary_operator.api import Invalid, MCPAccessPolicy, MCPServer, parse_policy, parse_server
from ostiary_operator.settings import ClusterSettings, OperatorEnv

ENV = OperatorEnv(namespace="ostiary-system", serviceAccount="ostiary-operator")
SETTINGS = ClusterSettings(proxyImage="registry.example/ostiary-proxy:1")
STDIO: dict[str, Any] = {"image": "registry.example/time:1", "command": ["mcp-server-time"]}
HTTP: dict[str, Any] = {
    "image": "registry.example/notes:1",
    "transport": {"streamableHTTP": {"port": 8000}},
}


def server_manifest(
    spec: dict[str, Any] | None = None, *, name: str = "time", **metadata: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": name, "namespace": "tools", "uid": "u-1", "generation": 2} | metadata,
        "spec": copy.deepcopy(STDIO if spec is None else spec),
    }


def server(spec: dict[str, Any] | None = None, *, name: str = "time", **metadata: Any) -> MCPServer:
    parsed = parse_server(server_manifest(spec, name=name, **metadata))
    assert not isinstance(parsed, Invalid), str(parsed)
    return parsed


def stdio(**more: Any) -> MCPServer:
    return server(STDIO | more)


def http(**more: Any) -> MCPServer:
    return server(HTTP | more)


def rule(
    *entries: dict[str, Any], name: str = "callers", allow: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "from": list(entries) or [accounts("default")],
        "allow": allow or {"tools": ["*"]},
    }


def accounts(*names: str, **namespaces: Any) -> dict[str, Any]:
    """`accounts("a", selector={...})`, `accounts("a", to="All")`; without either: Same."""
    found: dict[str, Any] = {"names": list(names)}
    if "selector" in namespaces:
        found["namespaces"] = {"from": "Selector", "selector": namespaces["selector"]}
    elif "to" in namespaces:
        found["namespaces"] = {"from": namespaces["to"]}
    return {"serviceAccounts": found}


def policy_manifest(
    *rules: dict[str, Any],
    name: str = "callers",
    namespace: str = "tools",
    target: str | None = "time",
    selector: dict[str, Any] | None = None,
    deny: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    if selector is not None:
        spec["selector"] = selector
    elif target is not None:
        spec["targetRefs"] = [{"kind": "MCPServer", "name": target}]
    if rules:
        spec["rules"] = list(rules)
    if deny is not None:
        spec["deny"] = deny
    return {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": "MCPAccessPolicy",
        "metadata": {"name": name, "namespace": namespace, "uid": "p-1", "generation": 1},
        "spec": spec,
    }


def policy(*rules: dict[str, Any], **more: Any) -> MCPAccessPolicy:
    parsed = parse_policy(policy_manifest(*rules, **more))
    assert not isinstance(parsed, Invalid), str(parsed)
    return parsed
