"""Random policies of the proxy's own tests, written as manifests; and worlds made of manifests."""

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st
from tests.proxy.test_policy import some_policies

from ostiary_cli.access.standing import Standing
from ostiary_operator.api import (
    LABEL_NAMESPACE_NAME,
    MCPAccessPolicy,
    MCPServer,
    parse_policy,
    parse_server,
)
from ostiary_proxy import config

NAMESPACES = ("agents", "shop", "tools")
API = "ostiary.dev/v1alpha1"
BROKEN = "broken("


def named(names: Iterable[str]) -> dict[str, Any]:
    """Namespaces by their names; none: a label that nobody has."""
    listed = list(names)
    if not listed:
        return {"from": "Selector", "selector": {"matchLabels": {"nobody": "has"}}}
    by_name = {"key": LABEL_NAMESPACE_NAME, "operator": "In", "values": listed}
    return {"from": "Selector", "selector": {"matchExpressions": [by_name]}}


def entry(subject: config.Subject) -> dict[str, Any]:
    match subject.kind:
        case "anonymous":
            return {"anonymous": {}}
        case "user":
            return {"users": {"names": list(subject.names)}}
        case "oidc":
            claims = {claim: list(values) for claim, values in subject.claims.items()}
            return {"oidc": {"issuer": subject.issuer, **({"claims": claims} if claims else {})}}
    places = {"from": "All"} if subject.namespaces is None else named(subject.namespaces)
    return {f"{subject.kind}s": {"names": list(subject.names), "namespaces": places}}


def _is_written(rule: config.Rule) -> bool:
    """As far as the API has it."""
    allow = rule.allow
    lists = (allow.tools, allow.prompts, allow.effects)
    narrows = allow.effects is None or allow.tools is not None or allow.prompts is None
    some = any(it is not None for it in lists) and () not in lists
    return bool(rule.subjects) and some and narrows and rule.when != BROKEN


def _is_meant(deny: config.Deny) -> bool:
    given = any(it is not None for it in (deny.tools, deny.prompts)) or bool(deny.subjects)
    return given and () not in (deny.tools, deny.prompts)


def cut(policies: list[config.Policy]) -> list[config.Policy]:
    """What of them can be written, each rule and policy with a name of its own."""
    found = []
    for number, policy in enumerate(policies):
        rules = tuple(
            rule.model_copy(update={"name": f"r{place}"})
            for place, rule in enumerate(policy.rules)
            if _is_written(rule)
        )
        deny = tuple(it for it in policy.deny if _is_meant(it))
        if rules or deny:
            update = {"name": f"p{number}", "rules": rules, "deny": deny}
            found.append(
                policy.model_copy(update={**update, "caps": policy.ceiling and bool(rules)})
            )
    return found


written_policies = some_policies.map(cut)


def _lists(it: config.Allow | config.Deny) -> dict[str, Any]:
    return {key: list(v) for key, v in it.model_dump(exclude_none=True).items() if key in LISTS}


LISTS = ("tools", "resources", "prompts", "effects")


def manifest(policy: config.Policy) -> dict[str, Any]:
    spec: dict[str, Any] = {"mode": policy.mode, "rules": [], "deny": []}
    spec |= (
        {"scope": "Cluster", "namespaces": {"from": "All"}}
        if policy.ceiling
        else {"targetRefs": [{"kind": "MCPServer", "name": "time"}]}
    )
    for rule in policy.rules:
        one = {"name": rule.name, "from": [entry(it) for it in rule.subjects]}
        condition = {"when": rule.when} if rule.when else {}
        allow = _lists(rule.allow)
        if allow.get("effects"):
            allow["effects"] = list(dict.fromkeys(allow["effects"]))
        spec["rules"].append({**one, "allow": allow, **condition})
    for deny in policy.deny:
        those = {"from": [entry(it) for it in deny.subjects]} if deny.subjects else {}
        spec["deny"].append({**_lists(deny), **those})
    metadata = {"namespace": policy.namespace, "name": policy.name}
    return {"apiVersion": API, "kind": "MCPAccessPolicy", "metadata": metadata, "spec": spec}


def a_policy(body: dict[str, Any]) -> MCPAccessPolicy:
    found = parse_policy(body)
    assert isinstance(found, MCPAccessPolicy), found
    return found


def a_server(tools: config.ToolFilter | None = None) -> MCPServer:
    given = tools or config.ToolFilter()
    filters: dict[str, Any] = {}
    if given.allow:
        filters["allow"] = list(given.allow)
    if given.deny:
        filters["deny"] = list(given.deny)
    effects = {key: list(globs) for key, globs in given.effects.items() if globs}
    if effects:
        filters["effects"] = effects
    body = {
        "apiVersion": API,
        "kind": "MCPServer",
        "metadata": {"namespace": "tools", "name": "time"},
        "spec": {"image": "i", "command": ["c"], **({"tools": filters} if filters else {})},
    }
    found = parse_server(body)
    assert isinstance(found, MCPServer), found
    return found


def world(policies: Iterable[config.Policy], tools: config.ToolFilter | None = None) -> Standing:
    read = [a_policy(manifest(it)) for it in policies]
    return Standing(
        servers={"tools/time": a_server(tools)},
        policies={f"{it.metadata.namespace}/{it.metadata.name}": it for it in read},
        namespaces={it: {LABEL_NAMESPACE_NAME: it} for it in NAMESPACES},
    )


worlds = st.builds(world, written_policies)
