"""Two hundred servers from cold: all of them, in the end, and then silence, in bounded memory.

The figures are printed and written to build/operator-200.json; the seconds are not judged."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.installed import Launcher, Running, leads
from tests.operator_api.manifests import condition, policy, server
from tests.operator_api.silence import deletions_are_done, stays_silent, writes

SERVERS = 200
NAMESPACES = 10
LONGEST = 240
"""Seconds: a bound of the wait, far beyond what it takes."""
QUIET_SECONDS = 8
LARGEST_MIB = 300
"""The budget of a thousand servers."""
FIGURES = Path(__file__).resolve().parents[2] / "build" / "operator-200.json"


@pytest.fixture
def namespaces(kubectl: Kubectl) -> Any:
    deletions_are_done(kubectl)
    prefix = f"many-{uuid4().hex[:6]}"
    names = [f"{prefix}-{number}" for number in range(NAMESPACES)]
    apply_all(
        kubectl,
        [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": it}} for it in names],
    )
    yield names
    kubectl("delete", "ns", "--wait=false", *names)


def apply_all(kubectl: Kubectl, manifests: list[Any]) -> None:
    whole = {"apiVersion": "v1", "kind": "List", "items": manifests}
    kubectl("create", "-f", "-", stdin=json.dumps(whole), seconds=120)


def unsettled(kubectl: Kubectl, namespaces: list[str]) -> list[str]:
    """Servers whose last word is not said."""
    listed = kubectl.json("get", "mcpservers", "-A")["items"]
    ours = [it for it in listed if it["metadata"]["namespace"] in namespaces]
    assert len(ours) == SERVERS
    return [
        it["metadata"]["name"]
        for it in ours
        if condition(it, "Programmed").get("status") != "False"
        or it["status"].get("replicas") != 1
        or it["status"].get("callers") != 1
    ]


def count(kubectl: Kubectl, kind: str, namespaces: list[str]) -> int:
    names = kubectl("get", kind, "-A", "-l", "ostiary.dev/server", "-o", "name", "--no-headers")
    return len(names.split())


@pytest.mark.timeout(420)
def test_two_hundred_servers_are_made_from_cold_and_then_nothing_is_written(
    launcher: Launcher,
    control_plane: ControlPlane,
    kubectl: Kubectl,
    namespaces: list[str],
) -> None:
    each = SERVERS // NAMESPACES
    apply_all(kubectl, [server(ns, f"s{number}") for ns in namespaces for number in range(each)])
    apply_all(kubectl, [policy(ns) for ns in namespaces])

    mark, began = control_plane.audit.mark(), time.monotonic()
    with launcher.running("many", OSTIARY_RESYNC_SECONDS="3") as running:
        leads(running)
        eventually(
            lambda: not unsettled(kubectl, namespaces),
            seconds=LONGEST,
            every=1,
            what="a last word on every server",
        )
        seconds = time.monotonic() - began
        written = len(writes(control_plane, mark))

        settle(control_plane)
        # Several resyncs of everything go by.
        stays_silent(control_plane, running, QUIET_SECONDS)
        tell(running, seconds=seconds, written=written)
        assert running.resident_mib < LARGEST_MIB

    for kind in ("deployments", "networkpolicies", "serviceaccounts"):
        assert count(kubectl, kind, namespaces) >= SERVERS
    assert "Traceback" not in running.logged()


def settle(plane: ControlPlane) -> None:
    """The controllers' own last writes to Deployments are in, and what follows from them."""
    quiet = 2.0
    state = {"writes": -1, "since": time.monotonic()}

    def look() -> bool:
        found = len(plane.audit.writes())
        if found != state["writes"]:
            state.update(writes=found, since=time.monotonic())
        return time.monotonic() - state["since"] > quiet

    eventually(look, seconds=120, every=0.5, what="the end of all writes")


def tell(running: Running, *, seconds: float, written: int) -> None:
    figures = {
        "servers": SERVERS,
        "seconds": round(seconds, 1),
        "residentMiB": round(running.resident_mib, 1),
        "writes": written,
    }
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures) + "\n")
    print(figures)
