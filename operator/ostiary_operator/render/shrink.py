"""A document that does not fit into a ConfigMap: what is written in its place.

The last document, less every grant that the new one lacks, plus the new one's denials: what was
taken away is gone at once, and what was added waits until the document fits.  Where the two cannot
be shown to overlap, the grant is dropped.  Of a group that holds for each member's rules; a policy
of the group's own only narrows: a new one is in force at once, as one that admits nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from ostiary_proxy.config import (
    AccessToken,
    Allow,
    Backend,
    Clients,
    Deny,
    GroupBackend,
    GroupLink,
    Member,
    Policy,
    ProxyConfig,
    Rule,
    Server,
    Subject,
    ToolFilter,
)

from .globs import covered
from .proxy_config import is_too_large

Patterns = tuple[str, ...] | None
Entry = TypeVar("Entry", Deny, Subject)
Given = TypeVar("Given", AccessToken, GroupLink)


@dataclass(frozen=True, slots=True)
class Bounded:
    document: ProxyConfig
    """What to write."""
    too_large: bool
    """The wanted document did not fit: say ConfigTooLarge."""


def bounded(wanted: ProxyConfig, last: ProxyConfig | None) -> Bounded:
    if not is_too_large(wanted):
        return Bounded(wanted, too_large=False)
    if last is not None:
        reduced = _reduce(last, wanted)
        if not is_too_large(reduced):
            return Bounded(reduced, too_large=True)
    return Bounded(_closed(wanted), too_large=True)


def _closed(wanted: ProxyConfig) -> ProxyConfig:
    """Nobody is admitted: there is no document that can be trusted to hold every denial."""
    servers = tuple(_nobodys(server) for server in wanted.servers)
    return wanted.model_copy(update={"servers": servers})


def _nobodys(server: Server) -> Server:
    nobody: dict[str, object] = {"policies": (), "tokens": (), "groups": ()}
    if isinstance(server.backend, GroupBackend):
        # Without a policy of its own a group lets its members decide.
        nobody["backend"] = server.backend.model_copy(update={"members": ()})
    return server.model_copy(update=nobody)


def _reduce(last: ProxyConfig, wanted: ProxyConfig) -> ProxyConfig:
    before = {(server.namespace, server.name): server for server in last.servers}
    servers = tuple(
        _server(before[key], server)
        for server in wanted.servers
        if (key := (server.namespace, server.name)) in before
    )
    return wanted.model_copy(update={"servers": servers})


def _server(last: Server, wanted: Server) -> Server:
    clients = Clients(
        sse=last.clients.sse and wanted.clients.sse,
        webSocket=last.clients.webSocket and wanted.clients.webSocket,
        allowedOrigins=_common(last.clients.allowedOrigins, wanted.clients.allowedOrigins) or (),
    )
    return last.model_copy(
        update={
            "policies": _policies(
                last.policies, wanted.policies, narrowing=isinstance(wanted.backend, GroupBackend)
            ),
            "tools": _tools(last.tools, wanted.tools),
            "backend": _backend(last, wanted),
            "audiences": _still(last.audiences, wanted.audiences),
            "hosts": _still(last.hosts, wanted.hosts),
            "exposed": last.exposed if last.exposed == wanted.exposed else None,
            "keys": wanted.keys,
            "tokens": _still(last.tokens, wanted.tokens),
            "groups": _still(last.groups, wanted.groups),
            "clients": clients,
            "limits": wanted.limits,
        }
    )


def _still(last: tuple[Given, ...], wanted: tuple[Given, ...]) -> tuple[Given, ...]:
    return tuple(it for it in last if it in wanted)


def _policies(
    last: Iterable[Policy], wanted: Iterable[Policy], *, narrowing: bool = False
) -> tuple[Policy, ...]:
    """`narrowing`: even a policy that only grants takes away, where it is new."""
    before = {(policy.namespace, policy.name): policy for policy in last}
    return tuple(
        _policy(before.get((policy.namespace, policy.name)), policy)
        for policy in wanted
        if (policy.namespace, policy.name) in before or policy.deny or policy.caps or narrowing
    )


def _tools(last: ToolFilter, wanted: ToolFilter) -> ToolFilter:
    return ToolFilter(
        allow=_within(last.allow, wanted.allow, absent_is_all=True),
        deny=tuple(dict.fromkeys((*last.deny, *wanted.deny))),
        effects={
            effect: _within(globs, wanted.effects.get(effect)) or ()
            for effect, globs in last.effects.items()
        },
        trustAnnotations=last.trustAnnotations and wanted.trustAnnotations,
        # Left out, it would approve every tool until the document fits again.
        pin=wanted.pin,
    )


def _backend(last: Server, wanted: Server) -> Backend:
    """A server's is as it was; of a group, the members that are still some, with what both say."""
    if not isinstance(wanted.backend, GroupBackend):
        return last.backend
    standing = last.backend.members if isinstance(last.backend, GroupBackend) else ()
    before = {(member.uid, member.alias): member for member in standing}
    members = tuple(
        _member(before[key], member)
        for member in wanted.backend.members
        if (key := (member.uid, member.alias)) in before
    )
    return wanted.backend.model_copy(update={"members": members})


def _member(last: Member, wanted: Member) -> Member:
    return wanted.model_copy(
        update={
            "policies": _policies(last.policies, wanted.policies),
            "tools": _tools(last.tools, wanted.tools),
        }
    )


def _policy(last: Policy | None, wanted: Policy) -> Policy:
    if wanted.caps:
        # Its rules grant nothing, and fewer of them only narrow.
        rules_ = wanted.rules if last is None or not last.caps else _both(last, wanted)
        return wanted.model_copy(update={"rules": rules_, "deny": _denials(last, wanted)})
    if last is None or last.caps or last.mode != wanted.mode:
        # Denials that were in force stay so until the document fits.
        mode = wanted.mode if last is None else "Enforce"
        deny = _denials(last, wanted)
        return wanted.model_copy(update={"rules": (), "deny": deny, "mode": mode})
    return wanted.model_copy(update={"rules": _both(last, wanted), "deny": _denials(last, wanted)})


def _denials(last: Policy | None, wanted: Policy) -> tuple[Deny, ...]:
    before = last.deny if last is not None and last.mode == "Enforce" else ()
    return _distinct((*before, *wanted.deny))


def _both(last: Policy, wanted: Policy) -> tuple[Rule, ...]:
    granted = {rule.name: rule for rule in wanted.rules}
    rules = (_rule(rule, granted[rule.name]) for rule in last.rules if rule.name in granted)
    return tuple(rule for rule in rules if rule is not None and rule.subjects)


def _rule(last: Rule, wanted: Rule) -> Rule | None:
    before, after = last.allow, wanted.allow
    alone = (before.tools is None) != (after.tools is None) and before.effects is not None
    if last.when != wanted.when or before.effects != after.effects or alone:
        return None  # which of them allows less cannot be told
    return Rule(
        name=last.name,
        subjects=_distinct(
            common
            for subject in last.subjects
            for other in wanted.subjects
            if (common := _subject(subject, other)) is not None
        ),
        allow=Allow(
            tools=_within(before.tools, after.tools),
            resources=_within(before.resources, after.resources),
            prompts=_within(before.prompts, after.prompts),
            effects=before.effects,
            servers=_within(before.servers, after.servers, absent_is_all=True),
        ),
        when=last.when,
        rate=wanted.rate,
    )


def _subject(last: Subject, wanted: Subject) -> Subject | None:
    if last.kind != wanted.kind:
        return None
    if last.kind == "anonymous":
        return Subject(kind="anonymous", network=last.network or wanted.network)
    if last.kind == "oidc":
        return last if last == wanted else None
    names = tuple(name for name in last.names if covered(name, wanted.names))
    namespaces = _common(last.namespaces, wanted.namespaces)
    if not names or (namespaces == () and last.kind != "user"):
        return None
    return Subject(kind=last.kind, names=names, namespaces=namespaces)


def _common(last: Patterns, wanted: Patterns) -> Patterns:
    """Of literal names; None stands for all of them."""
    if last is None or wanted is None:
        return wanted if last is None else last
    kept = set(wanted)
    return tuple(name for name in last if name in kept)


def _within(last: Patterns, wanted: Patterns, *, absent_is_all: bool = False) -> Patterns:
    """The last patterns that lie within the wanted ones.  Null grants nothing in a rule, and
    everything in a server's own filter."""
    if last is None or wanted is None:
        if not absent_is_all:
            return None
        return wanted if last is None else last
    return tuple(pattern for pattern in last if covered(pattern, wanted))


def _distinct(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    found: list[Entry] = []
    for entry in entries:
        if entry not in found:
            found.append(entry)
    return tuple(found)
