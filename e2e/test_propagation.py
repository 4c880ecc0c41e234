"""How soon an edited policy is enforced by every pod: 200 edits, with pods replaced mid-change.

The figures are printed and written to build/e2e-propagation.json: they are reported, not judged.
What fails is a change that is not enforced at all."""

import json
import statistics
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from e2e.cluster.paths import ROOT, kubectl_binary
from e2e.cluster.waiting import eventually
from e2e.samples import STDIO
from e2e.world import HERE, Caller, World, accounts, policy, server, url

TRIES: Final = 200
REPLACED_EVERY: Final = 10
"""One of the two pods is deleted just before every tenth edit."""


class Pods:
    """What each pod last answered, and when, as the watcher in the caller's pod tells it."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[float, bool]] = {}
        self.lock = threading.Lock()

    def read(self, lines: Any) -> None:
        for line in lines:
            told = json.loads(line)
            with self.lock:
                if told["ok"] is None:
                    self.seen.pop(told["ip"], None)
                else:
                    self.seen[told["ip"]] = (told["t"], told["ok"])

    def all_say(self, wanted: bool) -> float | None:
        """When the last of them came to say so; None while one does not, or none is there."""
        with self.lock:
            states = list(self.seen.values())
        if not states or any(ok != wanted for _, ok in states):
            return None
        return max(t for t, _ in states)


@contextmanager
def watching(world: World, caller: Caller, namespace: str) -> Iterator[Pods]:
    script = (HERE / "flips.py").read_text()
    hosts = (f"it-pods.{namespace}.svc", f"it.{namespace}.svc")
    token = caller.token(url(namespace, "it"))
    command = [
        *(kubectl_binary(), "--kubeconfig", str(world.kubectl.kubeconfig)),
        *("-n", caller.namespace, "exec", caller.pod, "--", "env", f"TOKEN={token}"),
        *("timeout", "900", "python3", "-uc", script),
        *(*hosts, STDIO.tool, json.dumps(STDIO.arguments)),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    pods = Pods()
    reader = threading.Thread(target=pods.read, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        yield pods
    finally:
        process.kill()
        process.wait()
        reader.join(10)


@contextmanager
def plain_api(world: World) -> Iterator[str]:
    """The API server's address without TLS, so that an edit costs one request."""
    process = subprocess.Popen(
        [kubectl_binary(), "--kubeconfig", str(world.kubectl.kubeconfig), "proxy", "--port=0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        yield "http://" + process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.wait()


def edit(api: str, namespace: str, tools: list[str]) -> float:
    """Change what the policy's rule allows; when the API server had accepted it."""
    path = f"{api}/apis/ostiary.dev/v1alpha1/namespaces/{namespace}/mcpaccesspolicies/all"
    body = [{"op": "replace", "path": "/spec/rules/0/allow/tools", "value": tools}]
    request = urllib.request.Request(
        path,
        data=json.dumps(body).encode(),
        method="PATCH",
        headers={"Content-Type": "application/json-patch+json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()
    return time.time()


@pytest.mark.timeout(1200)
def test_policy_edits_reach_every_pod(world: World, namespace: str, capsys: Any) -> None:
    spec = STDIO.spec | {"replicas": 2}
    world.kubectl.apply(
        server(namespace, "it", spec), policy(namespace, "all", "it", [accounts(["*"])])
    )
    world.ready(namespace, "it")
    world.enforced(namespace, "all")
    caller = world.caller(namespace)
    seconds: list[float] = []

    with watching(world, caller, namespace) as pods, plain_api(world) as api:
        eventually(lambda: pods.all_say(True) and len(pods.seen) == 2, seconds=90)
        for tried in range(TRIES):
            wanted = tried % 2 == 1
            if tried % REPLACED_EVERY == REPLACED_EVERY - 1:
                victim = world.pods(namespace, "it")[0]["metadata"]["name"]
                world.kubectl("-n", namespace, "delete", "pod", victim, "--wait=false")
            accepted = edit(api, namespace, ["*"] if wanted else ["nothing"])
            enforced = eventually(
                lambda wanted=wanted: pods.all_say(wanted),
                seconds=120,
                what=f"edit {tried} enforced by every pod: {pods.seen}",
                every=0.01,
            )
            seconds.append(max(0.0, enforced - accepted))

    report(seconds, capsys)


def report(seconds: list[float], capsys: Any) -> None:
    ranked = sorted(seconds)
    figures = {
        "tries": len(ranked),
        "p50": round(statistics.median(ranked), 3),
        "p99": round(ranked[int(len(ranked) * 0.99) - 1], 3),
        "max": round(ranked[-1], 3),
    }
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "e2e-propagation.json").write_text(json.dumps(figures) + "\n")
    with capsys.disabled():
        print(f"\npolicy edit to enforcement on every pod, seconds: {figures}")
