"""What is said of the way in from outside the cluster: `spec.expose` of a server or a group."""

from typing import Any

from ostiary_operator.api import Reason

from .conditions import Verdict
from .observed import Object, Observed
from .scene import AnyScene


def exposed_url(observed: Observed) -> dict[str, Any]:
    """For the status; nothing where there is no such way."""
    return {"exposedURL": observed.exposure.url} if observed.exposure.url else {}


def taken(observed: Observed) -> Verdict | None:
    """Why the URL is not this object's; None: it is, or none is asked for."""
    holder = observed.exposure.taken_by
    if not holder:
        return None
    return Verdict(
        "False",
        Reason.URL_TAKEN,
        f"spec.expose.url belongs to {holder}: choose another host or path; inside the cluster "
        "everything is served",
    )


def unrouted(observed: Observed) -> Verdict | None:
    """Why nothing comes through the Gateway, as far as was looked; None: it may."""
    if observed.exposure.lacks_routes:
        return Verdict(
            "False",
            Reason.GATEWAY_API_MISSING,
            "the cluster has no HTTPRoute (gateway.networking.k8s.io/v1): install the Gateway API, "
            "or write via.ingress; the route is made once it is there",
        )
    refusals = sorted({it for route in observed.routes for it in _refusals(route)})
    if refusals:
        return Verdict("False", Reason.ROUTE_REFUSED, "; ".join(refusals))
    return None


def trouble(scene: AnyScene) -> Verdict | None:
    """A step of the ladder to Ready: the way in that was asked for does not exist."""
    if (verdict := taken(scene.observed)) is not None:
        return Verdict("False", Reason.INVALID, verdict.message)
    if (verdict := unrouted(scene.observed)) is not None:
        return Verdict("False", Reason.REFS_NOT_RESOLVED, verdict.message)
    return None


def _refusals(route: Object) -> list[str]:
    """Of an HTTPRoute, by every controller that has spoken of it as it stands."""
    generation = route["metadata"].get("generation", 0)
    return [
        f"Gateway {ref.get('namespace', route['metadata'].get('namespace'))}/{ref.get('name')}: "
        f"{it.get('reason', '')}: {str(it.get('message', ''))[:512]}"
        for parent in (route.get("status") or {}).get("parents") or ()
        for ref in [parent.get("parentRef") or {}]
        for it in parent.get("conditions") or ()
        if it.get("type") in ("Accepted", "ResolvedRefs")
        and it.get("status") == "False"
        and it.get("observedGeneration", generation) == generation
    ]
