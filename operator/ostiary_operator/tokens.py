"""Reconcile one MCPAccessToken: it has no children, only a status.

Its hash is in the documents of what it opens; here it is only said whether it is
accepted and how far it is in force.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from .api import Invalid, MCPAccessPolicy, MCPAccessToken, MCPGroup
from .cache import Cache
from .controller import Key
from .group import Groups
from .models import Models
from .observe import Observer
from .publish import Publisher
from .render.members import MemberView, admitting
from .render.memberships import members
from .render.meta import Root
from .render.tokens import is_restricted_to, named, opening
from .resources import TOKENS, Manifest
from .rolls import Roll, Rolls
from .server import Servers
from .status import Enforcement, invalid_status, token_status
from .token_book import Book, write_book

LONGEST_SLEEP: Final = 24 * 3600.0


class Books:
    """The book of the moment, written anew only when it would say something else."""

    def __init__(self, models: Models, vouched: Callable[[], datetime | None]) -> None:
        self._models = models
        self._vouched = vouched
        self._read: tuple[tuple[MCPAccessToken, ...], datetime | None] = ((), None)
        self._book = Book()

    @property
    def current(self) -> Book:
        read = (self._models.tokens(), self._vouched())
        if read != self._read:
            self._read, self._book = read, write_book(read[0], vouched=read[1])
        return self._book


class Tokens:
    def __init__(
        self,
        *,
        cache: Cache,
        models: Models,
        servers: Servers,
        groups: Groups,
        rolls: Rolls,
        observer: Observer,
        publisher: Publisher,
        books: Books,
        now: Callable[[], datetime],
    ) -> None:
        self._cache = cache
        self._models = models
        self._servers = servers
        self._groups = groups
        self._rolls = rolls
        self._observer = observer
        self._publisher = publisher
        self._books = books
        self._now = now

    async def reconcile(self, key: Key) -> float | None:
        manifest = self._cache.standing(TOKENS, key.namespace, key.name)
        if manifest is None:
            return None
        token = self._models.token(manifest)
        before = manifest.get("status", {})
        if isinstance(token, Invalid):
            status = invalid_status(manifest["metadata"], token, before, self._now())
            await self._publisher.publish(TOKENS, manifest, status)
            return None
        said = self._status(token, manifest)
        if said is not None:
            await self._publisher.publish(TOKENS, manifest, said)
        left = token.spec.expires - self._now().timestamp()
        return min(left + 1, LONGEST_SLEEP) if left > 0 else None

    def _status(self, token: MCPAccessToken, manifest: Manifest) -> dict[str, Any] | None:
        """None: the status that stands is the last word for now."""
        before = manifest.get("status", {})
        refusal = self._books.current.refused.get(token.metadata.uid)
        opened = self._opened(token) if refusal is None else ()
        enforced = [self._enforced(root, token) for root in opened]
        if None in enforced and before.get("observedGeneration") == token.metadata.generation:
            # After a restart, until the proxies were asked: they will be in a moment.
            return None
        return token_status(
            token,
            refusal=refusal,
            opens=sum(is_restricted_to(token, root) for root in opened),
            enforced=[it or Enforcement(0, 0, 0) for it in enforced],
            previous=before,
            now=self._now(),
        )

    def _enforced(self, root: Root, token: MCPAccessToken) -> Enforcement | None:
        if isinstance(root, MCPGroup):
            return self._groups.enforced(root, token)
        return self._servers.enforced(root, token)

    def _opened(self, token: MCPAccessToken) -> tuple[Root, ...]:
        """What it is restricted to and named by; of a group its members too."""
        namespaces = self._observer.namespaces()
        rolls = [it for it in self._rolls.current if is_restricted_to(token, it.group)]
        reached = {(it.namespace, it.name) for roll in rolls for it in roll.memberships}
        servers = (
            server
            for server in self._models.every_server()
            if (
                is_restricted_to(token, server)
                or (server.metadata.namespace, server.metadata.name) in reached
            )
            and opening(
                server,
                (token,),
                self._models.policies(server.metadata.namespace),
                namespaces,
                self._rolls.links(server),
            )
        )
        groups = (
            roll.group
            for roll in rolls
            if named(roll.group, (token,), self._admitting(roll), namespaces)
        )
        return (*servers, *groups)

    def _admitting(self, roll: Roll) -> tuple[MCPAccessPolicy, ...]:
        found = (
            MemberView(alias, server, self._models.policies(server.metadata.namespace))
            for alias, server in members(roll.memberships)
        )
        return admitting(roll.group, self._models.policies(roll.group.metadata.namespace), found)
