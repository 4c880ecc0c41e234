"""Which access tokens open a server or a group: restricted to it, and named by a policy.  Pure.

The same for the cluster and for `ostiary up`.  Only the hashes found here are ever shipped.
"""

from collections.abc import Iterable, Mapping

from ostiary_operator.api import MCPAccessPolicy, MCPAccessToken, MCPServer
from ostiary_operator.api.subjects import From
from ostiary_operator.api.token import EVERY
from ostiary_proxy import config

from .globs import covered
from .meta import Root, kind_of
from .selection import Labels, granting, namespaces_of


def opening(
    server: MCPServer,
    tokens: Iterable[MCPAccessToken],
    policies: Iterable[MCPAccessPolicy],
    namespaces: Mapping[str, Labels],
) -> tuple[MCPAccessToken, ...]:
    """By namespace and name: the order of everything derived."""
    return named(server, tokens, granting(policies, server), namespaces)


def named(
    root: Root,
    tokens: Iterable[MCPAccessToken],
    admitting: Iterable[MCPAccessPolicy],
    namespaces: Mapping[str, Labels],
) -> tuple[MCPAccessToken, ...]:
    """`admitting`: the policies that say who comes in at the root."""
    policies = tuple(admitting)
    found = (
        token
        for token in tokens
        if is_restricted_to(token, root)
        and any(_names(policy, token, namespaces) for policy in policies)
    )
    return tuple(sorted(found, key=lambda it: (it.metadata.namespace, it.metadata.name)))


def render_tokens(tokens: Iterable[MCPAccessToken]) -> tuple[config.AccessToken, ...]:
    return tuple(
        config.AccessToken(
            namespace=token.metadata.namespace,
            name=token.metadata.name,
            sha256=token.spec.sha256,
            user=token.spec.user or "",
            expires=token.spec.expires,
        )
        for token in tokens
    )


def is_restricted_to(token: MCPAccessToken, root: Root) -> bool:
    kind, place = kind_of(root), root.metadata
    return any(
        (it.kind, it.namespace) == (kind, place.namespace) and it.name in (place.name, EVERY)
        for it in token.spec.restrictTo
    )


def _names(
    policy: MCPAccessPolicy, token: MCPAccessToken, namespaces: Mapping[str, Labels]
) -> bool:
    own = policy.metadata.namespace
    return any(
        _speaks_of(entry, token, own, namespaces)
        for rule in policy.spec.rules or ()
        for entry in rule.from_
    )


def _speaks_of(
    entry: From, token: MCPAccessToken, own: str, namespaces: Mapping[str, Labels]
) -> bool:
    if token.spec.user:
        return entry.users is not None and covered(token.spec.user, entry.users.names)
    if entry.tokens is None or not covered(token.metadata.name, entry.tokens.names):
        return False
    living = namespaces_of(entry.tokens.namespaces, own=own, known=namespaces)
    return living is None or token.metadata.namespace in living
