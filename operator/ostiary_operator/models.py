"""The users' objects as models, each parsed once per version that matters.

A status patch of ours makes a new resourceVersion and no new meaning: what is parsed is kept until
the generation or the labels change.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from .api import (
    MCPAccessPolicy,
    MCPAccessToken,
    MCPGroup,
    MCPServer,
    parse_group,
    parse_policy,
    parse_server,
    parse_token,
)
from .api.parse import Invalid
from .cache import Cache, is_leaving, uid_of
from .resources import GROUPS, POLICIES, SERVERS, TOKENS, Manifest

M = TypeVar("M")


class Parsed(Generic[M]):
    def __init__(self, parse: Callable[[Manifest], M]) -> None:
        self._parse = parse
        self._kept: dict[str, tuple[Any, M]] = {}

    def __call__(self, manifest: Manifest) -> M:
        metadata = manifest["metadata"]
        meaning = (
            metadata.get("generation"),
            metadata.get("labels"),
            metadata.get("deletionTimestamp"),
        )
        kept = self._kept.get(uid_of(manifest))
        if kept and kept[0] == meaning:
            return kept[1]
        model = self._parse(manifest)
        self._kept[uid_of(manifest)] = (meaning, model)
        return model

    def keep_only(self, uids: Iterable[str]) -> None:
        living = set(uids)
        for uid in [uid for uid in self._kept if uid not in living]:
            del self._kept[uid]


class Models:
    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._server: Parsed[MCPServer | Invalid] = Parsed(parse_server)
        self._group: Parsed[MCPGroup | Invalid] = Parsed(parse_group)
        self._policy: Parsed[MCPAccessPolicy | Invalid] = Parsed(parse_policy)
        self._token: Parsed[MCPAccessToken | Invalid] = Parsed(parse_token)

    def server(self, manifest: Manifest) -> MCPServer | Invalid:
        return self._server(manifest)

    def group(self, manifest: Manifest) -> MCPGroup | Invalid:
        return self._group(manifest)

    def policy(self, manifest: Manifest) -> MCPAccessPolicy | Invalid:
        return self._policy(manifest)

    def token(self, manifest: Manifest) -> MCPAccessToken | Invalid:
        return self._token(manifest)

    def tokens(self) -> tuple[MCPAccessToken, ...]:
        """The valid tokens of every namespace that are to stay."""
        found = (self.token(it) for it in self._cache.all(TOKENS) if not is_leaving(it))
        return tuple(token for token in found if isinstance(token, MCPAccessToken))

    def usable(self, manifest: Manifest) -> MCPAccessPolicy | None:
        """What stands of a policy: an invalid rule grants nothing, the others and every deny
        hold."""
        parsed = self._policy(manifest)
        return parsed.usable if isinstance(parsed, Invalid) else parsed

    def policies(self, namespace: str, *, admins: str = "") -> tuple[MCPAccessPolicy, ...]:
        """The usable policies that can concern servers of a namespace: its own, by name, and the
        ceilings in the admins' namespace."""
        own = (it for it in self._usable(namespace) if not it.spec.is_ceiling)
        ceilings = (it for it in self._usable(admins) if it.spec.is_ceiling) if admins else ()
        return (*own, *ceilings)

    def _usable(self, namespace: str) -> Iterator[MCPAccessPolicy]:
        for _, manifest in sorted(self._cache.within(POLICIES, namespace).items()):
            policy = self.usable(manifest)
            if policy is not None:
                yield policy

    def ceilings(self) -> Iterator[MCPAccessPolicy]:
        """Of every namespace, whether they count there or not."""
        for manifest in self._cache.all(POLICIES):
            policy = self.usable(manifest)
            if policy is not None and policy.spec.is_ceiling:
                yield policy

    def every_server(self) -> tuple[MCPServer, ...]:
        servers = (self.server(manifest) for manifest in self._cache.all(SERVERS))
        return tuple(server for server in servers if isinstance(server, MCPServer))

    def groups(self) -> tuple[MCPGroup, ...]:
        """The valid groups of every namespace that are to stay."""
        found = (self.group(it) for it in self._cache.all(GROUPS) if not is_leaving(it))
        return tuple(group for group in found if isinstance(group, MCPGroup))

    def servers(self, namespace: str) -> tuple[MCPServer, ...]:
        """The valid servers of a namespace, by name."""
        found = sorted(self._cache.within(SERVERS, namespace).items())
        servers = (self.server(manifest) for _, manifest in found)
        return tuple(server for server in servers if isinstance(server, MCPServer))

    def tidy(self) -> None:
        """Forget objects that are gone."""
        self._server.keep_only(uid_of(manifest) for manifest in self._cache.all(SERVERS))
        self._group.keep_only(uid_of(manifest) for manifest in self._cache.all(GROUPS))
        self._token.keep_only(uid_of(manifest) for manifest in self._cache.all(TOKENS))
        self._policy.keep_only(uid_of(manifest) for manifest in self._cache.all(POLICIES))
