"""What `ostiary review` says of policies.  Pure."""

from collections.abc import Iterator
from typing import Literal

from ostiary_operator.api import LABEL_NAMESPACE_NAME, SERVER_KIND, MCPAccessPolicy
from ostiary_operator.api.policy import AccessRule
from ostiary_operator.api.subjects import From
from ostiary_operator.render.selection import entries, namespaces_of, selects

from .patterns import tidy
from .standing import Standing

Severity = Literal["high", "medium", "low"]
Said = tuple[Severity, str, str, str]
"""How bad, a word, what is so, and what to write instead."""
EVERY = "*"


def of_policies(
    standing: Standing, namespace: str | None
) -> Iterator[tuple[Severity, str, str, str, str]]:
    """With the object before the word."""
    for policy in (*standing.policies.values(), *standing.idle.values()):
        place = policy.metadata
        if namespace not in (None, place.namespace):
            continue
        where = f"MCPAccessPolicy {place.namespace}/{place.name}"
        for severity, what, message, instead in _policy(standing, policy):
            yield severity, where, what, message, instead


def _policy(standing: Standing, policy: MCPAccessPolicy) -> Iterator[Said]:
    yield from _reach(standing, policy)
    yield from _issuers(standing, policy)
    if policy.spec.is_observed:
        message = "it only counts what it would change"
        yield "low", "Observed", message, "mode: Enforce, once its counts are right"
        return
    if policy.spec.is_ceiling:
        yield from _ceiling(standing, policy)
        return
    for rule in policy.spec.rules or ():
        yield from _rule(standing, policy, rule)


def _reach(standing: Standing, policy: MCPAccessPolicy) -> Iterator[Said]:
    namespace = policy.metadata.namespace
    for ref in policy.spec.targetRefs or ():
        there = standing.servers if ref.kind == SERVER_KIND else standing.groups
        if f"{namespace}/{ref.name}" not in there:
            message = f"there is no {ref.kind} {namespace}/{ref.name}"
            yield "low", "TargetNotFound", message, "the name of one that is there"
    if policy.spec.targetRefs is None and not any(
        selects(policy, server, standing.namespaces) for server in standing.servers.values()
    ):
        yield "low", "SelectsNothing", "it selects no MCPServer", "a selector that matches some"


def _issuers(standing: Standing, policy: MCPAccessPolicy) -> Iterator[Said]:
    if standing.issuers is None:
        return
    trusted = {it.url for it in standing.issuers}
    asked = {entry.oidc.issuer for entry in entries(policy) if entry.oidc is not None}
    for issuer in sorted(asked - trusted):
        message = f"the settings do not name the issuer {issuer}: its entries match nobody"
        yield "medium", "IssuerNotConfigured", message, "an issuer of the settings"


def _ceiling(standing: Standing, policy: MCPAccessPolicy) -> Iterator[Said]:
    place = policy.metadata
    if f"{place.namespace}/{place.name}" in standing.idle:
        message = "a ceiling outside of the settings' policyNamespace does nothing"
        yield "high", "NeedsClusterScope", message, "the policy in that namespace"
    rules = policy.spec.rules or ()
    if not policy.spec.deny and any(_is_everything(rule) for rule in rules):
        message = "a rule of it allows everything to everybody of a kind: it limits little"
        yield "medium", "LimitsNothing", message, "rules with the tools or callers that are meant"


def _is_everything(rule: AccessRule) -> bool:
    allow = rule.allow
    lists = (allow.tools, allow.resources, allow.prompts)
    unlimited = all(globs and EVERY in map(tidy, globs) for globs in lists)
    return unlimited and allow.effects is None and rule.when is None and any(map(_wide, rule.from_))


def _rule(standing: Standing, policy: MCPAccessPolicy, rule: AccessRule) -> Iterator[Said]:
    if EVERY in map(tidy, rule.allow.tools or ()) and rule.allow.effects is None:
        bare = not rule.when
        message = f"rule {rule.name} allows every tool, also those that are yet to come"
        yield "medium" if bare else "low", "EveryTool", message, "allow.tools by name, or get_*"
    for entry in rule.from_:
        yield from _entry(standing, policy, rule, entry)


def _entry(
    standing: Standing, policy: MCPAccessPolicy, rule: AccessRule, entry: From
) -> Iterator[Said]:
    if entry.anonymous is not None:
        if entry.network is None:
            message = f"rule {rule.name} admits everybody without a token, from every namespace"
            instead = "serviceAccounts; or at least a network on the entry"
            yield "high", "Anonymous", message, instead
        else:
            message = f"rule {rule.name} admits callers without a token"
            yield "medium", "Anonymous", message, "serviceAccounts: the network alone is a wall"
    elif what := _wide(entry):
        message = f"rule {rule.name} admits {what}"
        yield "medium", "EveryCaller", message, "names, or namespaces, or claims"
    elif entry.serviceAccounts is not None or entry.tokens is not None:
        yield from _nobody(standing, policy, rule, entry)


def _wide(entry: From) -> str:
    """In words; empty: it is not."""
    accounts, tokens, users = entry.serviceAccounts, entry.tokens, entry.users
    if accounts is not None and EVERY in map(tidy, accounts.names):
        if accounts.namespaces is not None and accounts.namespaces.from_ == "All":
            return "every ServiceAccount of the cluster"
    elif tokens is not None and EVERY in map(tidy, tokens.names):
        if tokens.namespaces is not None and tokens.namespaces.from_ == "All":
            return "every access token of the cluster"
    elif users is not None and EVERY in map(tidy, users.names):
        return "every user of every issuer"
    elif entry.oidc is not None and not entry.oidc.claims:
        return f"everybody with a token of {entry.oidc.issuer}"
    return ""


def _nobody(
    standing: Standing, policy: MCPAccessPolicy, rule: AccessRule, entry: From
) -> Iterator[Said]:
    those = entry.serviceAccounts or entry.tokens
    assert those is not None
    own = policy.metadata.namespace
    if namespaces_of(those.namespaces, own=own, known=standing.namespaces) == ():
        message = f"rule {rule.name} selects no namespace by its labels"
        instead = f"labels that a namespace has, for example {LABEL_NAMESPACE_NAME}"
        yield "low", "NoNamespace", message, instead
