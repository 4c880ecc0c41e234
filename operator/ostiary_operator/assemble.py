"""Put one operator together: which part is given which, once, in order.

Starts nothing: `__main__` runs what is assembled here.
"""

import time
from collections.abc import Hashable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ostiary_proxy.config import StatusReport

from .apply import Children
from .cache import Cache
from .cluster import Cluster
from .controller import Controller, Key, Queue
from .exposures import Exposures
from .fleet import Fleet
from .gateway_api import LOOK_SECONDS, GatewayApi
from .group import Groups
from .issuers import ClusterIssuer
from .keeper import Office
from .live_settings import LiveSettings
from .masters import Masters
from .metrics import Metrics
from .models import Models
from .nudge import Nudger
from .observe import Observer
from .plans import GroupPlans, ServerPlans, Sources
from .policy import Policies
from .produce import Producer, Workshop
from .publish import Publisher
from .reports import Reports
from .resources import GROUPS, POLICIES, ROOTS, TOKENS, WATCHED
from .rollout import Rollout
from .rolls import Rolls
from .routing import Router
from .server import Servers
from .settings import OperatorEnv
from .tokens import Books, Tokens
from .trust import Place, Trust
from .vouching import Vouching
from .workqueue import Workqueue

CLOCK: Final = time.monotonic


class Operator:
    """Every part, made once.  What somebody must start or ask is public."""

    def __init__(self, *, cluster: Cluster, env: OperatorEnv, metrics: Metrics) -> None:
        self._cluster, self._env, self._metrics = cluster, env, metrics
        self.cache = cache = Cache()
        self.queue: Queue = Workqueue(clock=CLOCK)
        self.settings = LiveSettings(
            cache=cache, namespace=env.namespace, name=env.settingsConfigMap
        )
        self._models = Models(cache)
        self.trust = self._make_trust()
        self.vouching = Vouching(cluster=cluster, changed=self._look_at_tokens)
        self._books = Books(self._models, lambda: self.vouching.since)
        self.reports = Reports(
            token_file=Path(env.statusTokenFile),
            metrics=metrics,
            clock=CLOCK,
            changed=self._reported,
        )
        self._observer = Observer(cluster=cluster, cache=cache, reports=self.reports)
        self._exposures = Exposures(self._models, has_routes=lambda: self.gateway_api.present)
        self._rolls = self._make_rolls()
        self._router = self._make_router()
        self._publisher = Publisher(
            cluster=cluster, cache=cache, metrics=metrics, reporter=env.podName, now=_now
        )
        self._fleet = Fleet(
            observer=self._observer,
            reports=self.reports,
            nudger=Nudger(cluster=cluster, clock=CLOCK),
        )
        self._servers, self._groups = self._make_roots()
        self._policies = self._make_policies()
        self._tokens = self._make_tokens()
        self.controller = self._make_controller()
        self.gateway_api = GatewayApi(
            cluster=cluster,
            controller=self.controller,
            changed=self._look_at_every_root,
            seconds=min(env.resyncSeconds, LOOK_SECONDS),
        )

    def _make_controller(self) -> Controller:
        return Controller(
            cluster=self._cluster,
            cache=self.cache,
            queue=self.queue,
            metrics=self._metrics,
            watched=WATCHED,
            roots=ROOTS,
            route=self._router.route,
            reconcile=self._reconcile,
            resync_seconds=self._env.resyncSeconds,
        )

    def _make_rolls(self) -> Rolls:
        return Rolls(
            self._models,
            self._observer.namespaces,
            exposed_url=lambda group: self._exposures.of(group).url,
        )

    def _make_router(self) -> Router:
        return Router(
            cache=self.cache,
            models=self._models,
            rolls=self._rolls,
            exposures=self._exposures,
            settings=self.settings.place,
        )

    def _make_trust(self) -> Trust:
        cluster = self._cluster
        changed = self._look_at_every_root
        return Trust(
            cluster_issuer=ClusterIssuer(cluster=cluster, clock=CLOCK, changed=changed),
            settings=lambda: self.settings.current,
            place=Place(cluster, self._env.namespace),
            clock=CLOCK,
            metrics=self._metrics,
            changed=changed,
            told=self._look_at_every_policy,
        )

    def _make_roots(self) -> tuple[Servers, Groups]:
        """Those that have children, through one writer: one wave of a new template at a time."""
        cluster, cache = self._cluster, self.cache
        writer = Children(cluster=cluster, cache=cache, metrics=self._metrics)
        shared = Workshop(
            cache=cache,
            settings=self.settings,
            writer=writer,
            masters=Masters(cluster=cluster, cache=cache, children=writer, clock=CLOCK, now=_now),
            observer=self._observer,
            rollout=Rollout(clock=CLOCK),
            now=_now,
        )
        sources = Sources(
            models=self._models,
            settings=self.settings,
            env=self._env,
            trust=self.trust,
            observer=self._observer,
            rolls=self._rolls,
            exposures=self._exposures,
            tokens=lambda: self._books.current.accepted,
        )
        office = Office(
            cache=cache,
            fleet=self._fleet,
            observer=self._observer,
            publisher=self._publisher,
            now=_now,
            enforcement_changed=self._look_at_policies,
        )
        servers = Producer(plan=ServerPlans(sources), workshop=shared)
        groups = Producer(plan=GroupPlans(sources), workshop=shared)
        return (
            Servers(models=self._models, producer=servers, office=office),
            Groups(models=self._models, producer=groups, office=office),
        )

    def _make_policies(self) -> Policies:
        return Policies(
            cache=self.cache,
            models=self._models,
            observer=self._observer,
            servers=self._servers,
            groups=self._groups,
            publisher=self._publisher,
            settings=self.settings,
            trust=self.trust,
            now=_now,
        )

    def _make_tokens(self) -> Tokens:
        return Tokens(
            cache=self.cache,
            models=self._models,
            observer=self._observer,
            servers=self._servers,
            groups=self._groups,
            rolls=self._rolls,
            publisher=self._publisher,
            books=self._books,
            now=_now,
        )

    async def _reconcile(self, key: Key) -> float | None:
        if key.resource == POLICIES:
            return await self._policies.reconcile(key)
        if key.resource == TOKENS:
            return await self._tokens.reconcile(key)
        if key.resource == GROUPS:
            return await self._groups.reconcile(key)
        return await self._servers.reconcile(key)

    def _reported(self, owner: Hashable, report: StatusReport | None) -> None:
        if report is not None:
            self.trust.look_again(report.unknownKeyIds)
        if isinstance(owner, Key):
            self.queue.add(owner)

    def _look_at_every_root(self) -> None:
        for key in self._router.every_root():
            self.queue.add(key)

    def _look_at_every_policy(self) -> None:
        for key in self._router.every_policy():
            self.queue.add(key)

    def _look_at_policies(self, namespace: str) -> None:
        for key in (*self._router.policies_of(namespace), *self._router.tokens_for(namespace)):
            self.queue.add(key)

    def _look_at_tokens(self) -> None:
        for key in (*self._router.every_token(), *self._router.every_root()):
            self.queue.add(key)


def _now() -> datetime:
    return datetime.now(UTC)
