"""Session masters of a root: make the first, the next when one is old or unusable, drop the last.

The operator can create a Secret and never read one, so a master is known by the hash in a
ConfigMap made before it.  A crash between the two leaves a hash without a master: the proxies then
report for some seconds that they hold none, and the next number is made.
"""

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ostiary_proxy.config import SessionKey, StatusReport

from .api import FIELD_MANAGER
from .apply import Children
from .cache import Cache, controller_of, is_leaving, uid_of
from .cluster import ApiError, Cluster, Taken, Unreachable
from .nudge import Target, holds_keys, is_enforced
from .render import keys, names
from .render.meta import Root, prefix
from .resources import CONFIG_MAPS, SECRETS, Manifest
from .status.observed import Conflict

MISSING_SECONDS: Final = 10.0
"""How long no proxy may hold a master before it counts as lost."""
SETTLED: Final = timedelta(hours=1)
"""A master this old is held by whoever can hold it; an operator that begins anew need not wait."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """What the config document should list."""

    keys: tuple[SessionKey, ...]
    taken: tuple[Conflict, ...] = ()
    """Not empty: a master is needed, and every name for it belongs to somebody else."""
    delay: float | None = None


@dataclass(slots=True)
class _Memory:
    foreign: frozenset[int] = frozenset()
    unusable: frozenset[int] = frozenset()
    missing_since: float | None = None
    everywhere: frozenset[int] = frozenset()
    """Masters that every pod was seen to hold."""
    unfinished: tuple[int, bytes, Manifest] | None = None
    """A ConfigMap whose Secret the API root did not answer for."""


class Masters:
    def __init__(
        self,
        *,
        cluster: Cluster,
        cache: Cache,
        children: Children,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._children = children
        self._clock = clock
        self._now = now
        self._random = random
        self._memories: dict[str, _Memory] = {}

    async def ensure(
        self, root: Root, target: Target | None, reports: Iterable[StatusReport]
    ) -> Held:
        """`target`: the document in force, if one was written, for which `reports` came."""
        memory = self._memories.setdefault(root.metadata.uid, _Memory())
        delay = self._look(memory, target, tuple(reports))
        if memory.unfinished:
            await self._finish(root, memory, *memory.unfinished)
        for _ in names.KEY_NUMBERS:
            turn = self._turn(root, memory)
            if turn.create is None:
                break
            await self._make(root, memory, turn.create)
        turn = self._turn(root, memory)
        for number in (*turn.retire, *memory.unusable):
            await self._drop(root, number)
        # Asked again next time: whoever held a name may have gone.
        taken = memory.foreign if turn.exhausted else frozenset()
        if turn.exhausted:
            memory.foreign = frozenset()
        elif turn.create is None:
            memory.unusable = frozenset()
        return Held(
            keys=self._listed(root, memory),
            taken=tuple(
                Conflict("Secret", names.key(prefix(root), number)) for number in sorted(taken)
            ),
            delay=delay,
        )

    def standing(self, root: Root) -> tuple[SessionKey, ...]:
        """The masters that were made before, newest first."""
        return self._listed(root, self._memories.get(root.metadata.uid, _Memory()))

    def _listed(self, root: Root, memory: _Memory) -> tuple[SessionKey, ...]:
        """Newest first; one that some pod may lack only opens, until every pod holds it."""
        usable = [key for key in self._keys(root) if key.number not in memory.unusable]
        settled = memory.everywhere | {
            key.number for key in usable if self._now() - key.created > SETTLED
        }
        return keys.newest_first(usable, settled=settled)

    def forget(self, uid: str) -> None:
        self._memories.pop(uid, None)

    def _turn(self, root: Root, memory: _Memory) -> keys.Turn:
        return keys.next_turn(
            tuple(self._keys(root)),
            now=self._now(),
            foreign=memory.foreign,
            unusable=memory.unusable,
        )

    def _keys(self, root: Root) -> Iterable[keys.Key]:
        for number in names.KEY_NUMBERS:
            if live := self._live(root, number):
                yield keys.Key(
                    number=number,
                    sha256=live["data"][keys.HASH_FIELD],
                    created=datetime.fromisoformat(live["metadata"]["creationTimestamp"]),
                )

    def _live(self, root: Root, number: int) -> Manifest | None:
        name = names.key(prefix(root), number)
        live = self._cache.get(CONFIG_MAPS, root.metadata.namespace, name)
        if live is None or is_leaving(live) or keys.HASH_FIELD not in live.get("data", {}):
            return None
        owner = controller_of(live) or {}
        return live if owner.get("uid") == root.metadata.uid else None

    def _look(
        self, memory: _Memory, target: Target | None, reports: tuple[StatusReport, ...]
    ) -> float | None:
        """Notice that no proxy holds the newest master, though told of it."""
        told = [report for report in reports if target and is_enforced(target, report)]
        if target and target.keys and told and len(told) == len(reports):
            memory.everywhere |= frozenset(target.keys).intersection(*(it.keys for it in told))
        if not target or not told or any(holds_keys(target, report) for report in told):
            memory.missing_since = None
            return None
        if memory.missing_since is None:
            memory.missing_since = self._clock()
        left = memory.missing_since + MISSING_SECONDS - self._clock()
        if left > 0:
            return left
        memory.missing_since = None
        memory.unusable |= {target.keys[0]}
        log.warning("no proxy holds a master: making the next", extra={"number": target.keys[0]})
        return None

    async def _make(self, root: Root, memory: _Memory, number: int) -> None:
        memory.everywhere -= {number}
        master = self._random(keys.MASTER_BYTES)
        wanted = keys.render_key_config(root, number, master)
        made = await self._children.create(wanted, root.metadata.uid)
        if isinstance(made, Conflict):
            memory.foreign |= {number}
        elif made is not None:
            await self._finish(root, memory, number, master, made)

    async def _finish(
        self, root: Root, memory: _Memory, number: int, master: bytes, config: Manifest
    ) -> None:
        memory.unfinished = (number, master, config)
        secret = keys.render_key_secret(root, number, master, config_uid=uid_of(config))
        try:
            await self._cluster.create(SECRETS, secret, manager=FIELD_MANAGER)
        except Unreachable:
            raise
        except Taken:
            memory.foreign |= {number}
            await self._children.remove(CONFIG_MAPS, config)
            self._cache.lose(CONFIG_MAPS, config)
        except ApiError:
            memory.unfinished = None
            await self._children.remove(CONFIG_MAPS, config)
            self._cache.lose(CONFIG_MAPS, config)
            raise
        memory.unfinished = None

    async def _drop(self, root: Root, number: int) -> None:
        if live := self._live(root, number):
            await self._children.remove(CONFIG_MAPS, live)
            self._cache.lose(CONFIG_MAPS, live)
