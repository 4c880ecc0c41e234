"""Make a root's children be what its plan says, and tell what became of it.

Masters first, because the document lists them; the Deployment last, and only once the wall around
it and all that it mounts stand.  A name that somebody else holds, or a write that is refused, is
part of the outcome, not an exception; what is only a passing trouble is raised and tried again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic

from ostiary_proxy.config import ProxyConfig, StatusReport

from .api import Reason
from .apply import Children, Place
from .cache import Cache, name_of
from .cluster import ApiError, Invalid, NamespaceEnding, QuotaExceeded, Refused
from .document import Document, choose
from .live_settings import LiveSettings
from .masters import Held, Masters
from .nudge import Target
from .observe import Observer
from .plans import Keys, Plan, R, V
from .render import Manifest as Rendered
from .render import names
from .render.meta import Root, prefix
from .resources import CONFIG_MAPS, DEPLOYMENTS, GROUPS, SERVERS, Manifest, resource_of
from .rollout import Rollout, marked, nobody_asked
from .status import Conflict, Failure

TURN_SECONDS: Final = 30.0
"""A root that waits for its turn looks again this often: of many, one does so all the time."""
CONFLICT_SECONDS: Final = 15.0
"""Nobody tells when the holder of a name lets go of it: looked at again this often."""


@dataclass(frozen=True, slots=True)
class Product(Generic[V]):
    """What was wanted, and what became of it."""

    view: V
    target: Target | None
    """The document that every pod should enforce; None while there is none."""
    wanted: tuple[Rendered, ...]
    """The children."""
    covered: Mapping[str, int]
    """Policies and access tokens in the document by uid, with their generation."""
    conflicts: tuple[Conflict, ...]
    failures: tuple[Failure, ...]
    error: ApiError | None
    delay: float | None

    def child(self, kind: str, name: str) -> Rendered | None:
        """As wanted; None: it is not."""
        return next(
            (it for it in self.wanted if (it["kind"], it["metadata"]["name"]) == (kind, name)), None
        )


@dataclass(slots=True)
class _Outcome:
    conflicts: list[Conflict] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    error: ApiError | None = None
    """The first refusal."""
    live: dict[Place, Manifest] = field(default_factory=dict)
    delay: float | None = None

    @property
    def is_clean(self) -> bool:
        return not self.conflicts and self.error is None

    def refuse(self, err: ApiError) -> None:
        self.failures.append(Failure(_reason(err), err.message))
        self.error = self.error or err


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every producer works with, whatever the kind."""

    cache: Cache
    settings: LiveSettings
    writer: Children
    masters: Masters
    observer: Observer
    rollout: Rollout
    now: Callable[[], datetime]


class Producer(Generic[R, V]):
    def __init__(self, *, plan: Callable[[R, Keys], Plan[V]], workshop: Workshop) -> None:
        self._plan: Callable[[R, Keys], Plan[V]] = plan
        self._cache = workshop.cache
        self._settings = workshop.settings
        self._writer = workshop.writer
        self._masters = workshop.masters
        self._observer = workshop.observer
        self._rollout = workshop.rollout
        self._now = workshop.now

    async def produce(
        self, root: R, before: Target | None, reports: Mapping[str, StatusReport]
    ) -> Product[V]:
        outcome = _Outcome()
        held = await self._hold_masters(root, before, reports, outcome)
        plan = self._plan(root, held.keys)
        document = self._document(root, plan.document, before, reports)
        if document.too_large:
            outcome.failures.append(_too_large())
        wanted = plan.children(document.config)
        await self._write(root, wanted, outcome)
        return Product(
            view=plan.view,
            target=self._target(root, document, outcome, before),
            wanted=tuple(wanted),
            covered=_covered(plan, document.config),
            conflicts=tuple(outcome.conflicts),
            failures=tuple(outcome.failures),
            error=outcome.error,
            delay=CONFLICT_SECONDS if outcome.conflicts else held.delay or outcome.delay,
        )

    def forget(self, namespace: str, uid: str) -> None:
        self._masters.forget(uid)
        self._writer.forget(namespace)

    async def _hold_masters(
        self,
        root: Root,
        before: Target | None,
        reports: Mapping[str, StatusReport],
        outcome: _Outcome,
    ) -> Held:
        try:
            held = await self._masters.ensure(root, before, reports.values())
        except (Refused, Invalid) as err:
            if isinstance(err, NamespaceEnding):
                raise
            outcome.refuse(err)
            return Held(keys=self._masters.standing(root))
        outcome.conflicts += held.taken
        return held

    def _document(
        self,
        root: Root,
        wanted: ProxyConfig,
        before: Target | None,
        reports: Mapping[str, StatusReport],
    ) -> Document:
        name = names.config(prefix(root))
        return choose(
            wanted,
            live=self._cache.get(CONFIG_MAPS, root.metadata.namespace, name),
            known=[
                *(report.generation for report in reports.values()),
                before.generation if before else 0,
            ],
        )

    async def _write(self, root: Root, wanted: list[Rendered], outcome: _Outcome) -> None:
        for child in wanted:
            if child["kind"] == DEPLOYMENTS.kind:
                if not outcome.is_clean:
                    return
                child = marked(child, root.metadata.generation)
                if not self._is_its_turn(root, child):
                    outcome.delay = TURN_SECONDS
                    continue
            try:
                live = await self._writer.ensure(child, root.metadata.uid)
            except NamespaceEnding:
                raise
            except (Refused, Invalid) as err:
                outcome.refuse(err)
                continue
            if isinstance(live, Conflict):
                outcome.conflicts.append(live)
            else:
                outcome.live[(resource_of(child), *name_of(child))] = live
        await self._writer.prune(root, self._kept(root, wanted))

    def _is_its_turn(self, root: Root, wanted: Manifest) -> bool:
        """Whether the Deployment may change now, if it is not its owner who changes it."""
        live = self._observer.deployment(root)
        self._rollout.look(root.metadata.uid, live)
        if live is None or not nobody_asked(wanted, live):
            return True
        settings = self._settings.current
        return settings.proxyRollout == "Batched" and self._rollout.admits(
            root.metadata.uid,
            live,
            wave=settings.model_dump_json(),
            servers=sum(1 for kind in (SERVERS, GROUPS) for _ in self._cache.all(kind)),
        )

    def _kept(self, root: Root, wanted: list[Rendered]) -> set[Place]:
        metadata = root.metadata
        keys = {
            (CONFIG_MAPS, metadata.namespace, names.key(prefix(root), number))
            for number in names.KEY_NUMBERS
        }
        return keys | {(resource_of(child), *name_of(child)) for child in wanted}

    def _target(
        self,
        root: Root,
        document: Document,
        outcome: _Outcome,
        before: Target | None,
    ) -> Target | None:
        place = (CONFIG_MAPS, root.metadata.namespace, names.config(prefix(root)))
        if place not in outcome.live:
            return before
        same = before is not None and before.digest == document.digest
        return Target(
            generation=document.config.generation,
            digest=document.digest,
            keys=tuple(key.number for key in document.config.servers[0].keys),
            written=self._now() if document.is_new else before.written if same and before else None,
        )


def _covered(plan: Plan[V], config: ProxyConfig) -> dict[str, int]:
    shipped = {it.sha256 for server in config.servers for it in server.tokens}
    found = [policy.metadata for policy in plan.policies]
    found += [token.metadata for token in plan.tokens if token.spec.sha256 in shipped]
    return {it.uid: it.generation for it in found}


def _reason(err: ApiError) -> str:
    if isinstance(err, QuotaExceeded):
        return Reason.QUOTA_EXCEEDED
    return Reason.FORBIDDEN if isinstance(err, Refused) else Reason.RETRYING


def _too_large() -> Failure:
    return Failure(
        Reason.CONFIG_TOO_LARGE,
        "the config document is larger than 900 KiB: no new grant takes effect, and what was taken "
        "away is away; write fewer rules, or namespaces by from: All",
    )
