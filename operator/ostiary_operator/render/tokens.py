"""Which access tokens open a server or a group: restricted to it, and named by a policy.  Pure.

The same for the cluster and for `ostiary up`.  Only the hashes found here are ever shipped.
"""

from collections.abc import Iterable, Mapping

from ostiary_operator.api import GROUP_KIND, MCPAccessPolicy, MCPAccessToken, MCPServer
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
    groups: Iterable[config.GroupLink] = (),
) -> tuple[MCPAccessToken, ...]:
    """`groups`: those that the server is a member of, through which a token may come.  By
    namespace and name: the order of everything derived."""
    return named(server, tokens, granting(policies, server), namespaces, groups)


def named(
    root: Root,
    tokens: Iterable[MCPAccessToken],
    admitting: Iterable[MCPAccessPolicy],
    namespaces: Mapping[str, Labels],
    groups: Iterable[config.GroupLink] = (),
) -> tuple[MCPAccessToken, ...]:
    """`admitting`: the policies that say who comes in at the root."""
    policies, ways = tuple(admitting), tuple(groups)
    found = (
        token
        for token in tokens
        if (is_restricted_to(token, root) or through(token, ways))
        and any(_names(policy, token, namespaces) for policy in policies)
    )
    return tuple(sorted(found, key=lambda it: (it.metadata.namespace, it.metadata.name)))


def render_tokens(
    root: Root,
    tokens: Iterable[MCPAccessToken],
    groups: Iterable[config.GroupLink] = (),
) -> tuple[config.AccessToken, ...]:
    """Those of `opening`, each with the only groups that it comes through, unless one of its words
    is the root itself."""
    ways = tuple(groups)
    return tuple(
        config.AccessToken(
            namespace=token.metadata.namespace,
            name=token.metadata.name,
            sha256=token.spec.sha256,
            user=token.spec.user or "",
            expires=token.spec.expires,
            groups=() if is_restricted_to(token, root) else through(token, ways),
        )
        for token in tokens
    )


def is_restricted_to(token: MCPAccessToken, root: Root) -> bool:
    """Whether one of its words is the root itself."""
    return _restricted(token, kind_of(root), root.metadata.namespace, root.metadata.name)


def through(token: MCPAccessToken, groups: Iterable[config.GroupLink]) -> tuple[str, ...]:
    """uids of those that the token is restricted to, sorted."""
    found = (it.uid for it in groups if _restricted(token, GROUP_KIND, it.namespace, it.name))
    return tuple(sorted(found))


def _restricted(token: MCPAccessToken, kind: str, namespace: str, name: str) -> bool:
    return any(
        (it.kind, it.namespace) == (kind, namespace) and it.name in (name, EVERY)
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
