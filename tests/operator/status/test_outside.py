"""What is said of the way in from outside, of servers and groups alike."""

from dataclasses import replace
from typing import Any

import pytest
from tests.operator.build import STDIO, server
from tests.operator.cluster_state import NOW
from tests.operator.gateway_state import GROUP
from tests.operator.status.test_group import BOTH, HEALTHY
from tests.operator.status.test_privacy import observed

from ostiary_operator.api import MCPServer
from ostiary_operator.render.expose import Exposure
from ostiary_operator.status import Observed, server_status
from ostiary_operator.status.conditions import find
from ostiary_operator.status.group import group_status
from ostiary_operator.status.outside import exposed_url, taken, unrouted

URL = "https://mcp.example.com/time"
VIA = {"gateway": {"name": "public", "namespace": "edge"}}


def exposed(via: Any = VIA) -> MCPServer:
    return server(STDIO | {"expose": {"url": URL} | ({"via": via} if via else {})})


ROOT = exposed()
WELL = Exposure(ROOT.spec.expose)
TAKEN = Exposure(taken_by="MCPServer shop/time")
MISSING = Exposure(ROOT.spec.expose, has_routes=False)


def route(*conditions: dict[str, Any], generation: int = 2) -> dict[str, Any]:
    ref = {"name": "public", "namespace": "edge"}
    return {
        "metadata": {"name": "time", "namespace": "tools", "generation": generation},
        "status": {"parents": [{"parentRef": ref, "conditions": list(conditions)}]},
    }


def condition(kind: str, status: str, reason: str = "R", generation: int = 2) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "why",
        "observedGeneration": generation,
    }


REFUSED = route(condition("Accepted", "False", "NotAllowedByListeners"))


def status_of(kind: str, exposure: Exposure, *routes: dict[str, Any]) -> dict[str, Any]:
    if kind == "server":
        seen = observed(ROOT, exposure=exposure, routes=routes)
        return server_status(ROOT, seen, {}, NOW)
    seen = replace(HEALTHY, exposure=exposure, routes=routes)
    return group_status(GROUP, BOTH, seen, {}, NOW)


def said(status: dict[str, Any], kind: str) -> tuple[str, str] | None:
    found = find(status["conditions"], kind)
    return (found["status"], found["reason"]) if found else None


@pytest.mark.parametrize("kind", ["server", "group"])
def test_an_exposed_object_tells_its_url(kind: str) -> None:
    status = status_of(kind, WELL)

    assert status["exposedURL"] == URL
    assert status["url"].startswith("http://")
    assert said(status, "Accepted") == ("True", "Accepted")
    assert said(status, "Stalled") is None


@pytest.mark.parametrize("kind", ["server", "group"])
def test_a_taken_url_is_told_and_is_nobodys_here(kind: str) -> None:
    status = status_of(kind, TAKEN)

    assert "exposedURL" not in status
    assert said(status, "Accepted") == ("False", "URLTaken")
    assert said(status, "Ready") == ("False", "Invalid")
    assert said(status, "Stalled") == ("True", "InvalidSpec")
    found = find(status["conditions"], "Accepted")
    assert found is not None
    assert "MCPServer shop/time" in found["message"]


@pytest.mark.parametrize("kind", ["server", "group"])
def test_a_cluster_without_http_routes_is_waited_for(kind: str) -> None:
    status = status_of(kind, MISSING)

    assert status["exposedURL"] == URL
    assert said(status, "ResolvedRefs") == ("False", "GatewayAPIMissing")
    assert said(status, "Ready") == ("False", "RefsNotResolved")
    assert said(status, "Reconciling") == ("True", "WaitingForDependency")


@pytest.mark.parametrize("kind", ["server", "group"])
def test_a_gateway_that_refuses_the_route_is_quoted(kind: str) -> None:
    status = status_of(kind, WELL, REFUSED)

    assert said(status, "ResolvedRefs") == ("False", "RouteRefused")
    found = find(status["conditions"], "ResolvedRefs")
    assert found is not None
    assert found["message"] == "Gateway edge/public: NotAllowedByListeners: why"


@pytest.mark.parametrize(
    "live",
    [
        {"metadata": {"name": "time", "generation": 1}},
        route(),
        route(condition("Accepted", "True"), condition("ResolvedRefs", "True")),
        route(condition("Accepted", "Unknown")),
        route(condition("Accepted", "False", generation=1)),
        route(condition("PartiallyInvalid", "False")),
    ],
    ids=["unseen", "silent", "accepted", "unknown", "of an older generation", "another word"],
)
def test_what_no_gateway_refuses_is_no_trouble(live: dict[str, Any]) -> None:
    assert unrouted(Observed(exposure=WELL, routes=(live,))) is None


def test_who_asks_for_nothing_is_told_nothing() -> None:
    seen = Observed()

    assert exposed_url(seen) == {}
    assert taken(seen) is None
    assert unrouted(seen) is None


def test_what_is_wrong_with_the_server_itself_comes_first() -> None:
    seen = observed(ROOT, exposure=TAKEN, deployment=None)

    status = server_status(ROOT, seen, {}, NOW)

    assert said(status, "Ready") == ("False", "Progressing")
