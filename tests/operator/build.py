"""Objects for tests, through the real parsers: what a user could write, and nothing else."""

import copy
from typing import Any

from ostiary_operator.api import (
    Invalid,
    MCPAccessPolicy,
    MCPAccessToken,
    MCPGroup,
    MCPServer,
    parse_group,
    parse_policy,
    parse_server,
    parse_token,
)
from ostiary_operator.settings import ClusterSettings, OperatorEnv

ENV = OperatorEnv(namespace="ostiary-system", serviceAccount="ostiary-operator")
SETTINGS = ClusterSettings(proxyImage="registry.example/ostiary-proxy:1")
STDIO: dict[str, Any] = {"image": "registry.example/time:1", "command": ["mcp-server-time"]}
HTTP: dict[str, Any] = {
    "image": "registry.example/notes:1",
    "transport": {"streamableHTTP": {"port": 8000}},
}
REMOTE: dict[str, Any] = {
    "remote": {"url": "https://mcp.example.com/mcp"},
    "upstream": {
        "headers": [{"name": "Authorization", "secretKeyRef": {"name": "saas", "key": "token"}}]
    },
}
SERVICE: dict[str, Any] = {"service": {"name": "legacy-mcp", "port": 80, "protect": True}}
LEGACY: dict[str, Any] = {
    "metadata": {"name": "legacy-mcp", "namespace": "tools", "uid": "s-1"},
    "spec": {
        "selector": {"app": "legacy"},
        "ports": [{"port": 80, "targetPort": "web"}],
        "clusterIP": "10.96.3.4",
    },
}
"""The Service that `SERVICE` names."""


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


def group_manifest(
    spec: dict[str, Any] | None = None, *, name: str = "everyday", **metadata: Any
) -> dict[str, Any]:
    """Without a spec: of one member, the server `time` in `tools`."""
    found = {"members": [{"server": {"name": "time", "namespace": "tools"}}]}
    known = {"name": name, "namespace": "agents", "uid": f"g-{name}", "generation": 1}
    return {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": "MCPGroup",
        "metadata": {**known, **metadata},
        "spec": copy.deepcopy(found if spec is None else spec),
    }


def group(spec: dict[str, Any] | None = None, *, name: str = "everyday", **more: Any) -> MCPGroup:
    parsed = parse_group(group_manifest(spec, name=name, **more))
    assert not isinstance(parsed, Invalid), str(parsed)
    return parsed


def stdio(**more: Any) -> MCPServer:
    return server(STDIO | more)


def http(**more: Any) -> MCPServer:
    return server(HTTP | more)


def remote(**more: Any) -> MCPServer:
    return server(REMOTE | more)


def service(**more: Any) -> MCPServer:
    return server(SERVICE | more)


def rule(
    *entries: dict[str, Any],
    name: str = "callers",
    allow: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    return {
        "name": name,
        "from": list(entries) or [accounts("default")],
        "allow": allow or {"tools": ["*"]},
        **more,
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
    **more: Any,
) -> dict[str, Any]:
    spec: dict[str, Any] = dict(more)
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


def token_manifest(name: str = "ci", **given: Any) -> dict[str, Any]:
    """`sha256`, `user`, `expires`, `restrict` (places), and metadata."""
    places = given.pop("restrict", ("tools/time",))
    spec: dict[str, Any] = {
        "sha256": given.pop("sha256", "a" * 64),
        "expirationTime": given.pop("expires", "2030-01-01T00:00:00Z"),
        "restrictTo": [
            dict(zip(("kind", "namespace", "name"), ("MCPServer", *place.split("/")), strict=True))
            for place in places
        ],
    }
    if "user" in given:
        spec["user"] = given.pop("user")
    metadata = {"name": name, "namespace": "tools", "uid": f"t-{name}", "generation": 1}
    return {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": "MCPAccessToken",
        "metadata": {**metadata, "creationTimestamp": "2029-06-01T00:00:00Z", **given},
        "spec": spec,
    }


def token(name: str = "ci", **given: Any) -> MCPAccessToken:
    parsed = parse_token(token_manifest(name, **given))
    assert not isinstance(parsed, Invalid), str(parsed)
    return parsed
