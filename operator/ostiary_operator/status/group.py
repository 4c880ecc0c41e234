"""The status of an MCPGroup: its members as they stand, and what was looked at, in sentences for
its owner.

Pure and deterministic: the same observation gives the same status, but for the time of a
condition's last transition.  How a member stands is in `members`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ostiary_operator.api import LABEL_GROUP, MCPGroup, Reason, Type
from ostiary_operator.render import gateway, selection
from ostiary_operator.render.members import callers

from . import ladder
from .conditions import Verdict, write
from .members import MAX_MEMBERS, Standing, standings, tools_of
from .observed import Observed
from .outside import exposed_url, taken, trouble, unrouted
from .progress import abnormal, programmed
from .scene import AnyScene, GroupScene, look

_PLAIN: Final = Verdict(
    "False",
    Reason.PLAINTEXT,
    "clients inside the cluster speak plain HTTP, behind the NetworkPolicy alone",
)
_MOST_SAID: Final = 4
"""Members in a message."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What the sentences about one group are drawn from."""

    scene: GroupScene
    members: tuple[Standing, ...]
    callers: int
    own_policies: tuple[str, ...]
    """Names of those on the group itself that say who comes in."""

    def those(self, *states: str) -> list[Standing]:
        return [it for it in self.members if it.state in states]

    @property
    def accepted(self) -> list[Standing]:
        return self.those("Ready", "Waiting", "Unhealthy")


def group_status(
    group: MCPGroup,
    view: gateway.GroupView,
    observed: Observed,
    previous: Mapping[str, Any],
    now: datetime,
) -> dict[str, Any]:
    """`previous` is the whole status that stands; lastTransitionTime comes from there."""
    scene = look(group, observed, previous, now)
    told = _Told(
        scene=scene,
        members=standings(scene, view.memberships),
        callers=callers(group, view.members, view.policies, view.namespaces),
        own_policies=tuple(it.metadata.name for it in selection.granting(view.policies, group)),
    )
    deployment = scene.deployment.get("status", {})
    generation = group.metadata.generation
    ready = told.those("Ready")
    tools = tools_of(told.members)
    return {
        "observedGeneration": generation,
        "url": gateway.group_address(group, ()).url,
        **exposed_url(observed),
        "servers": f"{len(ready)}/{len(told.members)}",
        "members": [it.as_status() for it in told.members[:MAX_MEMBERS]],
        **({"tools": tools} if tools else {}),
        "callers": told.callers,
        "replicas": deployment.get("replicas", 0),
        "readyReplicas": deployment.get("readyReplicas", 0),
        "selector": f"{LABEL_GROUP}={group.metadata.name}",
        **_version(scene),
        "conditions": write(
            _verdicts(told),
            generation=generation,
            previous=previous.get("conditions") or (),
            now=now,
        ),
    }


def next_look(group: MCPGroup, observed: Observed, now: datetime) -> float | None:
    """Seconds until the passing of time alone can change the status; None: never."""
    ends = ladder.ends_of_startup(group, observed, now)
    return (min(ends) - now).total_seconds() if ends else None


def _version(scene: GroupScene) -> dict[str, Any]:
    reports = map(scene.observed.report_of, scene.observed.live_pods)
    found = next((it.version[:64] for it in reports if it is not None), None)
    found = found or (scene.previous.get("proxyVersion") if scene.unasked else None)
    return {"proxyVersion": found} if found else {}


def _verdicts(told: _Told) -> dict[str, Verdict]:
    ready = ladder.climb(told, LADDER)
    return {
        Type.READY: ready,
        Type.ACCEPTED: _accepted(told),
        Type.RESOLVED_REFS: _resolved(told),
        Type.PROGRAMMED: programmed(told.scene),
        Type.TRANSPORT_ENCRYPTED: _PLAIN,
        **abnormal(told.scene, ready),
    }


def _accepted(told: _Told) -> Verdict:
    """False as well where a server that the group speaks of is no member: others are served."""
    if (verdict := taken(told.scene.observed)) is not None:
        return verdict
    for state, reason in (
        ("NoConsent", Reason.NO_CONSENT),
        ("NameConflict", Reason.NAME_CONFLICT),
    ):
        if refused := told.those(state):
            return Verdict("False", reason, _listed(refused))
    return Verdict("True", Reason.ACCEPTED)


def _resolved(told: _Told) -> Verdict:
    if missing := told.those("NotFound"):
        return Verdict("False", Reason.SERVER_NOT_FOUND, _listed(missing))
    if (verdict := unrouted(told.scene.observed)) is not None:
        return verdict
    return Verdict("True", Reason.RESOLVED_REFS)


def _listed(members: list[Standing]) -> str:
    """The same for the same members, whatever became of the others."""
    more = len(members) - _MOST_SAID
    said = "; ".join(f"{it.alias}: {it.message or it.state}" for it in members[:_MOST_SAID])
    return said + (f"; and {more} more" if more > 0 else "")


def _nobody_joined(told: _Told) -> Verdict | None:
    if told.accepted:
        return None
    if told.members:
        return Verdict("False", Reason.REFS_NOT_RESOLVED, _listed(list(told.members)))
    return Verdict(
        "False",
        Reason.REFS_NOT_RESOLVED,
        "no MCPServer has the labels of spec.members and exposes itself to this namespace",
    )


def _not_heard(told: _Told) -> Verdict | None:
    waiting = told.those("Waiting")
    if told.those("Ready") or not waiting:
        return None
    return Verdict("False", Reason.PROGRESSING, f"waiting for the members: {_listed(waiting)}")


def _down(told: _Told) -> Verdict | None:
    """When nothing is served, and, where the owner wants all or nothing, when one is missing."""
    ready, sick = told.those("Ready"), told.those("Unhealthy")
    strict = told.scene.root.spec.onMemberFailure == "Fail"
    if sick and (strict or not ready):
        return Verdict("False", Reason.BACKEND_UNAVAILABLE, _listed(sick))
    return None


def _nobody_calls(told: _Told) -> Verdict | None:
    if told.callers:
        return None
    beside = "write an MCPAccessPolicy beside one of the members; what it grants there"
    if told.own_policies:
        named = ", ".join(told.own_policies)
        message = f"{beside}, and {named} on the group, is granted here"
    else:
        message = f"{beside} is granted here"
    return Verdict("True", Reason.POLICY_MISSING, f"nobody may call yet: {message}")


def _some_missing(told: _Told) -> Verdict | None:
    missing = [it for it in told.members if it.state != "Ready"]
    if not missing:
        return None
    ready = len(told.members) - len(missing)
    message = f"{ready} of {len(told.members)} members are ready: {_listed(missing)}"
    return Verdict("True", Reason.READY, message)


def _of_scene(step: Callable[[AnyScene], Verdict | None]) -> Callable[[_Told], Verdict | None]:
    return lambda told: step(told.scene)


def _last_word(told: _Told) -> Verdict | None:
    said = ladder.last_word(told.scene)
    if said is not None and said.reason in (Reason.READY, Reason.POLICY_MISSING):
        # What these hang on, policies and members, is known without asking.
        return _nobody_calls(told) or _some_missing(told) or Verdict("True", Reason.READY)
    return said


LADDER: Final[tuple[Callable[[_Told], Verdict | None], ...]] = (
    _of_scene(ladder.name_taken),
    _of_scene(ladder.refused_write),
    _of_scene(ladder.no_deployment),
    _of_scene(ladder.scaled_to_zero),
    _nobody_joined,
    _of_scene(ladder.references),
    _of_scene(ladder.image),
    _of_scene(ladder.crash),
    _of_scene(ladder.refused_pods),
    _of_scene(ladder.placement),
    _down,
    _of_scene(ladder.rollout),
    _of_scene(trouble),
    _last_word,
    _of_scene(ladder.not_reporting),
    _not_heard,
    _nobody_calls,
    _some_missing,
)
