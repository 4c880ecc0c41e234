"""The other wall: from where the NetworkPolicy that follows from an entry lets callers connect.

The peers are the operator's own; here they are only found and put into words.
"""

from collections.abc import Mapping
from typing import Any

from ostiary_operator.api import LABEL_NAMESPACE_NAME, MCPServer
from ostiary_operator.render.peers import Peer, subject_peer
from ostiary_operator.render.selection import granting
from ostiary_proxy import config
from ostiary_proxy.callers import Caller
from ostiary_proxy.subjects import compile_subject

from .standing import Standing


def doors(
    standing: Standing, section: config.Server, caller: Caller, policy: str, rule: str
) -> tuple[str, ...]:
    """Of the entries of that rule that speak of the caller."""
    model = standing.policies[policy]
    written = next(it for it in model.spec.rules or () if it.name == rule)
    subjects = next(
        it.subjects
        for one in section.policies
        if f"{one.namespace}/{one.name}" == policy
        for it in one.rules
        if it.name == rule
    )
    own = model.metadata.namespace
    found = (
        in_words(subject_peer(entry, own=own))
        for entry, subject in zip(written.from_, subjects, strict=True)
        if compile_subject(subject).matches(caller)
    )
    return tuple(dict.fromkeys(found))


def peers_of(standing: Standing, server: MCPServer) -> frozenset[str]:
    """In words, every one that policies derive for the server."""
    return frozenset(
        in_words(subject_peer(entry, own=policy.metadata.namespace))
        for policy in granting(standing.policies.values(), server)
        for rule in policy.spec.rules or ()
        for entry in rule.from_
    )


def in_words(peer: Peer) -> str:
    selector: Mapping[str, Any] = peer.get("namespaceSelector") or {}
    parts = [
        f"named {value}" if key == LABEL_NAMESPACE_NAME else f"{key}={value}"
        for key, value in sorted((selector.get("matchLabels") or {}).items())
    ]
    for it in selector.get("matchExpressions") or ():
        values = f" {', '.join(it['values'])}" if it.get("values") else ""
        parts.append(f"{it['key']} {it['operator']}{values}")
    if not parts:
        return "every namespace"
    if len(parts) == 1 and parts[0].startswith("named "):
        return f"namespace {parts[0].removeprefix('named ')}"
    return f"namespaces with {' and '.join(parts)}"
