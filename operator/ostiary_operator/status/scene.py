"""Everything that the sentences about one root are drawn from, found once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from ostiary_operator.api import MCPGroup, MCPServer
from ostiary_operator.render import names
from ostiary_operator.render.deployment import startup_seconds
from ostiary_operator.render.meta import Root, prefix, replicas_of
from ostiary_operator.render.workload import Unusable

from . import pods
from .observed import Enforcement, Object, Observed, enforcement
from .pods import Trouble

Of = TypeVar("Of", bound=Root, covariant=True)
R = TypeVar("R", bound=Root)


@dataclass(frozen=True, slots=True)
class Scene(Generic[Of]):
    root: Of
    observed: Observed
    previous: Mapping[str, Any]
    now: datetime
    references: Trouble | None
    image: Trouble | None
    crash: Trouble | None
    placement: Trouble | None
    replica: Trouble | None
    enforcement: Enforcement

    @property
    def replicas(self) -> int:
        return replicas_of(self.root)

    @property
    def deployment(self) -> Object:
        return self.observed.deployment or {}

    @property
    def rolled_out(self) -> bool:
        """Every pod is of the newest template and ready, and none is left over."""
        status = self.deployment.get("status", {})
        counts = [
            status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")
        ]
        generation = self.deployment.get("metadata", {}).get("generation", 0)
        seen = status.get("observedGeneration", -1) >= generation
        return seen and counts == [self.replicas] * 3

    @property
    def unasked(self) -> bool:
        """Some pod's proxy was not asked yet, as after a restart of the operator."""
        return any(
            pod["metadata"]["uid"] not in self.observed.reports for pod in self.observed.live_pods
        )


AnyScene = Scene[Root]
ServerScene = Scene[MCPServer]
GroupScene = Scene[MCPGroup]


def _unusable_service(observed: Observed) -> Trouble | None:
    found = observed.workload
    return Trouble(found.reason, found.message) if isinstance(found, Unusable) else None


def look(root: R, observed: Observed, previous: Mapping[str, Any], now: datetime) -> Scene[R]:
    own = frozenset(
        {names.config(prefix(root)), "kube-root-ca.crt"}
        | {names.key(prefix(root), number) for number in names.KEY_NUMBERS}
    )
    grace = timedelta(seconds=startup_seconds(root))
    deployment = observed.deployment
    return Scene(
        root=root,
        observed=observed,
        previous=previous,
        now=now,
        references=_unusable_service(observed) or pods.missing_references(observed, own=own),
        image=pods.image_trouble(observed),
        crash=pods.crash_trouble(observed, now=now, grace=grace),
        placement=pods.placement_trouble(observed),
        replica=pods.replica_trouble(deployment) if deployment else None,
        enforcement=enforcement(observed, replicas=replicas_of(root)),
    )
