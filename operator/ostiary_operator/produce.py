"""Make a server's children be what its spec, policies and settings say, and tell what became of it.

Masters first, because the document lists them; the Deployment last, and only once the wall around
it and all that it mounts stand.  A name that somebody else holds, or a write that is refused, is
part of the outcome, not an exception; what is only a passing trouble is raised and tried again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ostiary_proxy.config import ProxyConfig, StatusReport

from .api import MCPAccessPolicy, MCPAccessToken, MCPServer, Reason
from .apply import Children, Place
from .cache import Cache, name_of
from .cluster import ApiError, Invalid, NamespaceEnding, QuotaExceeded, Refused
from .document import Document, choose
from .live_settings import LiveSettings
from .masters import Held, Masters
from .models import Models
from .nudge import Target
from .observe import Observer
from .render import Manifest as Rendered
from .render import ServerView, children, names, selection
from .render.tokens import opening
from .resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NETWORK_POLICIES,
    SERVERS,
    Manifest,
    resource_of,
)
from .rollout import Rollout, marked, nobody_asked
from .settings import OperatorEnv
from .status import Conflict, Failure
from .trust import Trust

TURN_SECONDS: Final = 30.0
"""A server that waits for its turn looks again this often: of many, one does so all the time."""
CONFLICT_SECONDS: Final = 15.0
"""Nobody tells when the holder of a name lets go of it: looked at again this often."""


@dataclass(frozen=True, slots=True)
class Product:
    """What was wanted, and what became of it."""

    view: ServerView
    target: Target | None
    """The document that every pod should enforce; None while there is none."""
    network_policy: Rendered
    """As wanted."""
    protection: Rendered | None
    """The NetworkPolicy on the pods of `spec.service`, as wanted."""
    covered: Mapping[str, int]
    """Policies and access tokens in the document by uid, with their generation."""
    conflicts: tuple[Conflict, ...]
    failures: tuple[Failure, ...]
    error: ApiError | None
    delay: float | None


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


class Producer:
    def __init__(
        self,
        *,
        cache: Cache,
        models: Models,
        settings: LiveSettings,
        env: OperatorEnv,
        trust: Trust,
        writer: Children,
        masters: Masters,
        observer: Observer,
        rollout: Rollout,
        tokens: Callable[[], Iterable[MCPAccessToken]],
        now: Callable[[], datetime],
    ) -> None:
        """`tokens`: those that are accepted, of every namespace."""
        self._cache = cache
        self._models = models
        self._settings = settings
        self._env = env
        self._trust = trust
        self._writer = writer
        self._masters = masters
        self._observer = observer
        self._rollout = rollout
        self._tokens = tokens
        self._now = now

    async def produce(
        self, server: MCPServer, before: Target | None, reports: Mapping[str, StatusReport]
    ) -> Product:
        outcome = _Outcome()
        held = await self._hold_masters(server, before, reports, outcome)
        view = self._view(server, held)
        document = self._document(server, view, before, reports)
        if document.too_large:
            outcome.failures.append(_too_large())
        wanted = children(server, view, self._settings.current, self._env, document=document.config)
        await self._write(server, wanted, outcome)
        policies = selection.selecting(view.policies, server, view.namespaces)
        return Product(
            view=view,
            target=self._target(server, document, outcome, before),
            network_policy=_policy_named(wanted, names.network_policy(server.metadata.name)) or {},
            protection=_policy_named(wanted, names.protection(server.metadata.name)),
            covered=_covered(policies, view.tokens, document.config),
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
        server: MCPServer,
        before: Target | None,
        reports: Mapping[str, StatusReport],
        outcome: _Outcome,
    ) -> Held:
        try:
            held = await self._masters.ensure(server, before, reports.values())
        except (Refused, Invalid) as err:
            if isinstance(err, NamespaceEnding):
                raise
            outcome.refuse(err)
            return Held(keys=self._masters.standing(server))
        outcome.conflicts += held.taken
        return held

    def _view(self, server: MCPServer, held: Held) -> ServerView:
        policies = self._models.policies(
            server.metadata.namespace, admins=self._settings.current.policyNamespace
        )
        namespaces = self._observer.namespaces()
        return ServerView(
            policies=policies,
            namespaces=namespaces,
            tokens=opening(server, self._tokens(), policies, namespaces),
            issuers=self._trust.issuers,
            keys=held.keys,
            workload=self._observer.workload(server),
        )

    def _document(
        self,
        server: MCPServer,
        view: ServerView,
        before: Target | None,
        reports: Mapping[str, StatusReport],
    ) -> Document:
        name = names.config(server.metadata.name)
        return choose(
            server,
            view,
            self._settings.current,
            self._env,
            live=self._cache.get(CONFIG_MAPS, server.metadata.namespace, name),
            known=[
                *(report.generation for report in reports.values()),
                before.generation if before else 0,
            ],
        )

    async def _write(self, server: MCPServer, wanted: list[Rendered], outcome: _Outcome) -> None:
        for child in wanted:
            if child["kind"] == DEPLOYMENTS.kind:
                if not outcome.is_clean:
                    return
                child = marked(child, server.metadata.generation)
                if not self._is_its_turn(server, child):
                    outcome.delay = TURN_SECONDS
                    continue
            try:
                live = await self._writer.ensure(child, server.metadata.uid)
            except NamespaceEnding:
                raise
            except (Refused, Invalid) as err:
                outcome.refuse(err)
                continue
            if isinstance(live, Conflict):
                outcome.conflicts.append(live)
            else:
                outcome.live[(resource_of(child), *name_of(child))] = live
        await self._writer.prune(server, self._kept(server, wanted))

    def _is_its_turn(self, server: MCPServer, wanted: Manifest) -> bool:
        """Whether the Deployment may change now, if it is not its owner who changes it."""
        live = self._observer.deployment(server)
        self._rollout.look(server.metadata.uid, live)
        if live is None or not nobody_asked(wanted, live):
            return True
        settings = self._settings.current
        return settings.proxyRollout == "Batched" and self._rollout.admits(
            server.metadata.uid,
            live,
            wave=settings.model_dump_json(),
            servers=sum(1 for _ in self._cache.all(SERVERS)),
        )

    def _kept(self, server: MCPServer, wanted: list[Rendered]) -> set[Place]:
        metadata = server.metadata
        keys = {
            (CONFIG_MAPS, metadata.namespace, names.key(metadata.name, number))
            for number in names.KEY_NUMBERS
        }
        return keys | {(resource_of(child), *name_of(child)) for child in wanted}

    def _target(
        self,
        server: MCPServer,
        document: Document,
        outcome: _Outcome,
        before: Target | None,
    ) -> Target | None:
        place = (CONFIG_MAPS, server.metadata.namespace, names.config(server.metadata.name))
        if place not in outcome.live:
            return before
        same = before is not None and before.digest == document.digest
        return Target(
            generation=document.config.generation,
            digest=document.digest,
            keys=tuple(key.number for key in document.config.servers[0].keys),
            written=self._now() if document.is_new else before.written if same and before else None,
        )


def _covered(
    policies: Iterable[MCPAccessPolicy], tokens: Iterable[MCPAccessToken], config: ProxyConfig
) -> dict[str, int]:
    shipped = {it.sha256 for server in config.servers for it in server.tokens}
    found = [policy.metadata for policy in policies]
    found += [token.metadata for token in tokens if token.spec.sha256 in shipped]
    return {it.uid: it.generation for it in found}


def _policy_named(wanted: list[Rendered], name: str) -> Rendered | None:
    return next(
        (
            it
            for it in wanted
            if it["kind"] == NETWORK_POLICIES.kind and it["metadata"]["name"] == name
        ),
        None,
    )


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
