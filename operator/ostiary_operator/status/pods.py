"""What is wrong with a server's pods, read from container statuses and events.

Secrets and ConfigMaps of the user are never read: the kubelet's own words say what is missing.
Its words change from one try to the next, so messages here are our own.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ostiary_operator.api import LABEL_GROUP, LABEL_SERVER, Reason
from ostiary_operator.render.volumes import TLS_VOLUME, UPSTREAM_VOLUME

from .conditions import in_one_line
from .observed import Object, Observed

PULL_REASONS: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
INIT: Final = "initContainerStatuses"
NOT_STARTED: Final = frozenset({"ContainerCreating", "PodInitializing"})
CONFIG_ERRORS: Final = frozenset({"CreateContainerConfigError"})
MISSING: Final = (
    (re.compile(r'secret "([^"]+)" not found'), Reason.SECRET_NOT_FOUND, "Secret {0} not found"),
    (
        re.compile(r"couldn't find key (\S+) in Secret [^/\s]+/(\S+)"),
        Reason.SECRET_NOT_FOUND,
        "Secret {1} has no key {0}",
    ),
    (
        re.compile(r'for volume "([^"]+)" : references non-existent secret key: (\S+)'),
        Reason.SECRET_NOT_FOUND,
        "the Secret of volume {0} has no key {1}",
    ),
    (
        re.compile(r'configmap "([^"]+)" not found'),
        Reason.CONFIG_MAP_NOT_FOUND,
        "ConfigMap {0} not found",
    ),
    (
        re.compile(r"couldn't find key (\S+) in ConfigMap [^/\s]+/(\S+)"),
        Reason.CONFIG_MAP_NOT_FOUND,
        "ConfigMap {1} has no key {0}",
    ),
    (
        re.compile(r'for volume "([^"]+)" : references non-existent config key: (\S+)'),
        Reason.CONFIG_MAP_NOT_FOUND,
        "the ConfigMap of volume {0} has no key {1}",
    ),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    reason: str
    message: str


def missing_references(observed: Observed, *, own: frozenset[str]) -> Trouble | None:
    """`own`: names of our children, which are on their way when they are missing."""
    found: dict[str, set[str]] = {}
    for text in _complaints(observed):
        for pattern, reason, wording in MISSING:
            match = pattern.search(text)
            if match and not own & set(match.groups()):
                said = wording.format(*match.groups())
                said = said.replace(f"of volume {UPSTREAM_VOLUME}", "in spec.upstream")
                said = said.replace(f"of volume {TLS_VOLUME}", "in spec.tls")
                found.setdefault(reason, set()).add(said)
    for reason in (Reason.SECRET_NOT_FOUND, Reason.CONFIG_MAP_NOT_FOUND):
        if reason in found:
            sentences = sorted(set().union(*found.values()))
            return Trouble(reason, f"{'; '.join(sentences)}: create it, or correct the reference")
    return None


def _complaints(observed: Observed) -> Iterable[str]:
    waiting = set()
    for pod in observed.live_pods:
        for _, waits in _waiting(pod):
            if waits.get("reason") in CONFIG_ERRORS:
                yield str(waits.get("message", ""))
            if waits.get("reason") in NOT_STARTED:
                waiting.add(pod["metadata"]["uid"])
    for event in observed.events:
        if (
            event.get("reason") == "FailedMount"
            and event.get("involvedObject", {}).get("uid") in waiting
        ):
            yield str(event.get("message", ""))


def image_trouble(observed: Observed) -> Trouble | None:
    for pod in observed.live_pods:
        for container, waits in _waiting(pod):
            if waits.get("reason") in PULL_REASONS:
                image = container.get("image") or "of the spec"
                return Trouble(
                    Reason.IMAGE_PULL_FAILED,
                    f"the node cannot get image {image} of container {container['name']} "
                    f"({_pull_cause(str(waits['reason']))}): check its name and tag, and "
                    "spec.imagePullSecrets",
                )
    return None


def _pull_cause(reason: str) -> str:
    return {
        "InvalidImageName": "it is no image name",
        "ErrImageNeverPull": "it is not on the node, and imagePullPolicy is Never",
        "SignatureValidationFailed": "its signature is not accepted",
    }.get(reason, "the pull fails")


def crash_trouble(observed: Observed, *, now: datetime, grace: timedelta) -> Trouble | None:
    """A container that ended, waits to be tried again, or has just been and does not answer."""
    for pod in observed.live_pods:
        backend = observed.backend_of(pod)
        answering = backend is not None and backend.state == "Ready"
        for status in _statuses(pod):
            ended = _ended(status, now=now, grace=grace, answering=answering)
            if ended is not None:
                return Trouble(Reason.CRASH_LOOPING, _ending(pod, status["name"], ended))
    return None


def _ended(
    status: Mapping[str, Any], *, now: datetime, grace: timedelta, answering: bool
) -> Mapping[str, Any] | None:
    state: Mapping[str, Any] = status.get("state", {})
    last: Mapping[str, Any] = status.get("lastState", {}).get("terminated") or {}
    if "terminated" in state:
        ended: Mapping[str, Any] = state["terminated"]
        # An init container that has done its work is no trouble.
        return None if status.get("isInit") and ended.get("exitCode") == 0 else ended
    if state.get("waiting", {}).get("reason") in ("CrashLoopBackOff", "RunContainerError"):
        return last
    if not last or answering or "running" not in state or not status.get("isServer"):
        return None
    started = started_at(status)
    return last if started is None or now - started < grace else None


def _ending(pod: Object, container: str, ended: Mapping[str, Any]) -> str:
    if ended.get("reason") == "OOMKilled":
        return (
            f"container {container} was killed over its memory limit: raise "
            "spec.resources.limits.memory"
        )
    said = _one_line(str(ended.get("message") or ""))
    if not said:
        namespace, labels = pod["metadata"]["namespace"], pod["metadata"]["labels"]
        key = next(it for it in (LABEL_SERVER, LABEL_GROUP) if it in labels)
        said = f"see kubectl logs -n {namespace} -l {key}={labels[key]} -c {container} --previous"
    return f"container {container} ends with code {ended.get('exitCode', 'unknown')}: {said}"


def placement_trouble(observed: Observed) -> Trouble | None:
    """Pods that are not scheduled, or refused by the kubelet for another reason than above."""
    for pod in observed.live_pods:
        for condition in pod.get("status", {}).get("conditions") or ():
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                said = _one_line(str(condition.get("message", "")))
                return Trouble(Reason.PROGRESSING, f"a pod cannot be scheduled: {said}")
        for container, waits in _waiting(pod):
            if waits.get("reason") in CONFIG_ERRORS | {"CreateContainerError"}:
                said = _one_line(str(waits.get("message", "")))
                return Trouble(
                    Reason.PROGRESSING, f"container {container['name']} cannot be made: {said}"
                )
    return None


def replica_trouble(deployment: Object) -> Trouble | None:
    """Pods that the API server refuses; the reason is one of the Stalled condition's."""
    for condition in deployment.get("status", {}).get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            # The pod's generated name changes with every try.
            said = re.sub(r'pods "[^"]*" is forbidden: ', "", str(condition.get("message", "")))
            quota = "exceeded quota" in said
            reason = Reason.QUOTA_EXCEEDED if quota else Reason.FORBIDDEN
            return Trouble(reason, f"pods are refused: {_one_line(said)}")
    return None


def has_started(pod: Object) -> bool:
    """Whether the server's container ran: then every reference was resolved."""
    return any(
        status["isServer"]
        and ("waiting" not in status.get("state", {}) or status.get("lastState", {}))
        for status in _statuses(pod)
    )


def server_started_at(pod: Object) -> datetime | None:
    found = (started_at(status) for status in _statuses(pod) if status["isServer"])
    return next(found, None)


def started_at(status: Mapping[str, Any]) -> datetime | None:
    text = status.get("state", {}).get("running", {}).get("startedAt")
    return datetime.fromisoformat(str(text)) if text else None


def _statuses(pod: Object) -> list[dict[str, Any]]:
    """`isServer`: the container that the pod is for; the proxy, where it is alone."""
    status = pod.get("status", {})
    return [
        {**item, "isInit": field == INIT, "isServer": field != INIT}
        for field in (INIT, "containerStatuses")
        for item in status.get(field) or ()
    ]


def _waiting(pod: Object) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return [
        (status, status["state"]["waiting"])
        for status in _statuses(pod)
        if "waiting" in status.get("state", {})
    ]


def _one_line(text: str) -> str:
    """External words: one line, no control characters, at most 512 of them."""
    return in_one_line(text).strip()[:512]
