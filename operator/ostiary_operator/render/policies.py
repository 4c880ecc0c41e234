"""Policies as the proxy's config has them: what they mean for one server or group, in literals.

The same for the cluster and for `ostiary up`.
"""

from collections.abc import Iterable, Mapping

from ostiary_operator.api import MCPAccessPolicy, MCPServer
from ostiary_operator.api.limits import CallerRate
from ostiary_operator.api.policy import AccessRule, Deny
from ostiary_operator.api.subjects import From, ServiceAccounts, Tokens, Who
from ostiary_proxy import config

from .meta import Root
from .selection import Labels, namespaces_of, selecting


def policies_of(
    root: Root, policies: Iterable[MCPAccessPolicy], namespaces: Mapping[str, Labels]
) -> tuple[config.Policy, ...]:
    return compiled(selecting(policies, root, namespaces), namespaces)


def compiled(
    policies: Iterable[MCPAccessPolicy], namespaces: Mapping[str, Labels]
) -> tuple[config.Policy, ...]:
    """As they are given, whatever they select."""
    return tuple(_policy(policy, namespaces) for policy in policies)


def _policy(policy: MCPAccessPolicy, namespaces: Mapping[str, Labels]) -> config.Policy:
    own = policy.metadata.namespace
    return config.Policy(
        namespace=own,
        name=policy.metadata.name,
        mode=policy.spec.mode or "Enforce",
        ceiling=policy.spec.is_ceiling,
        caps=policy.spec.is_ceiling and bool(policy.spec.rules),
        rules=tuple(_rule(rule, own, namespaces) for rule in policy.spec.rules or ()),
        deny=tuple(_deny(deny, own, namespaces) for deny in policy.spec.deny or ()),
    )


def _rule(rule: AccessRule, own: str, namespaces: Mapping[str, Labels]) -> config.Rule:
    return config.Rule(
        name=rule.name,
        subjects=_subjects(rule.from_, own, namespaces),
        allow=config.Allow(
            tools=rule.allow.tools,
            resources=rule.allow.resources,
            prompts=rule.allow.prompts,
            effects=rule.allow.effects,
            servers=rule.allow.servers,
        ),
        when=rule.when or "",
        rate=rate_of(rule.limits),
    )


def rate_of(limits: CallerRate | None) -> config.Rate | None:
    if limits is None:
        return None
    burst = limits.burst or 2 * limits.requestsPerSecond
    return config.Rate(requestsPerSecond=limits.requestsPerSecond, burst=burst)


def filter_of(server: MCPServer) -> config.ToolFilter:
    tools = server.spec.tools
    if tools is None:
        return config.ToolFilter()
    effects = tools.effects.model_dump(exclude_none=True) if tools.effects else {}
    return config.ToolFilter(
        allow=tools.allow,
        deny=tools.deny or (),
        effects=effects,
        trustAnnotations=bool(tools.trustAnnotations),
        pin=pin_of(server),
    )


def pin_of(server: MCPServer) -> config.Pin:
    """What is approved of the server's tools."""
    pin = server.spec.tools.pin if server.spec.tools else None
    if pin is None:
        return config.Pin()
    pins = tuple(config.ToolPin(name=it.name, digest=it.digest) for it in pin.tools or ())
    return config.Pin(mode=pin.mode, digest=pin.digest or "", tools=pins)


def _deny(deny: Deny, own: str, namespaces: Mapping[str, Labels]) -> config.Deny:
    return config.Deny(
        tools=deny.tools,
        resources=deny.resources,
        prompts=deny.prompts,
        subjects=_subjects(deny.from_ or (), own, namespaces),
    )


def _subjects(
    entries: Iterable[Who], own: str, namespaces: Mapping[str, Labels]
) -> tuple[config.Subject, ...]:
    return tuple(_subject(entry, own, namespaces) for entry in entries)


def _subject(entry: Who, own: str, namespaces: Mapping[str, Labels]) -> config.Subject:
    if entry.serviceAccounts is not None:
        return _living("serviceAccount", entry.serviceAccounts, own, namespaces)
    if entry.tokens is not None:
        return _living("token", entry.tokens, own, namespaces)
    if entry.users is not None:
        return config.Subject(kind="user", names=entry.users.names)
    if entry.oidc is not None:
        return config.Subject(
            kind="oidc", issuer=entry.oidc.issuer, claims=dict(entry.oidc.claims or {})
        )
    walled = isinstance(entry, From) and entry.network is not None
    return config.Subject(kind="anonymous", network=walled)


def _living(
    kind: config.SubjectKind,
    those: ServiceAccounts | Tokens,
    own: str,
    namespaces: Mapping[str, Labels],
) -> config.Subject:
    """Objects known by a name in a namespace."""
    return config.Subject(
        kind=kind,
        names=those.names,
        namespaces=namespaces_of(those.namespaces, own=own, known=namespaces),
    )
