"""The users' objects as models, each parsed once per version that matters.

A status patch of ours makes a new resourceVersion and no new meaning: what is parsed is kept until
the generation or the labels change.
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from .api import MCPAccessPolicy, MCPServer, parse_policy, parse_server
from .api.parse import Invalid
from .cache import Cache, uid_of
from .resources import POLICIES, SERVERS, Manifest

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
        self._policy: Parsed[MCPAccessPolicy | Invalid] = Parsed(parse_policy)

    def server(self, manifest: Manifest) -> MCPServer | Invalid:
        return self._server(manifest)

    def policy(self, manifest: Manifest) -> MCPAccessPolicy | Invalid:
        return self._policy(manifest)

    def usable(self, manifest: Manifest) -> MCPAccessPolicy | None:
        """What stands of a policy: an invalid rule grants nothing, the others and every deny
        hold."""
        parsed = self._policy(manifest)
        return parsed.usable if isinstance(parsed, Invalid) else parsed

    def policies(self, namespace: str) -> tuple[MCPAccessPolicy, ...]:
        """The usable policies of a namespace, by name."""
        found = sorted(self._cache.within(POLICIES, namespace).items())
        policies = (self.usable(manifest) for _, manifest in found)
        return tuple(policy for policy in policies if policy)

    def servers(self, namespace: str) -> tuple[MCPServer, ...]:
        """The valid servers of a namespace, by name."""
        found = sorted(self._cache.within(SERVERS, namespace).items())
        servers = (self.server(manifest) for _, manifest in found)
        return tuple(server for server in servers if isinstance(server, MCPServer))

    def tidy(self) -> None:
        """Forget objects that are gone."""
        self._server.keep_only(uid_of(manifest) for manifest in self._cache.all(SERVERS))
        self._policy.keep_only(uid_of(manifest) for manifest in self._cache.all(POLICIES))
