"""How soon an edited policy is enforced by every pod, with pods replaced while edits go on.

The figures are printed and written to build/e2e-propagation.json: they are reported, not judged.
What fails is a change that is not enforced at all, and a new pod that answers by an older policy
than another pod has already enforced.  OSTIARY_EDITS says how many edits."""

import json
import os
import statistics
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

import pytest
from e2e.cluster.paths import ROOT, kubectl_binary
from e2e.cluster.waiting import eventually
from e2e.enforcement import Edit, Told, Verdict, judge
from e2e.samples import HTTP
from e2e.world import HERE, Caller, World, accounts, policy, server, url

EDITS: Final = int(os.environ.get("OSTIARY_EDITS", "60"))
REPLACED_EVERY: Final = 10
"""One of the two pods is deleted before every tenth edit; the edits go on while another starts."""


class Pods:
    """What the watcher in the caller's pod told, and what each pod last answered."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.last: dict[str, bool] = {}
        self.served: set[str] = set()
        """Pods that have let a call through: of others, the server may still be starting."""
        self.lock = threading.Lock()

    def read(self, lines: Any) -> None:
        for line in lines:
            told = Told(**json.loads(line))
            with self.lock:
                self.told.append(told)
                if told.ok is None:
                    self.last.pop(told.ip, None)
                    self.served.discard(told.ip)
                else:
                    self.last[told.ip] = told.ok
                if told.ok:
                    self.served.add(told.ip)

    def all_say(self, wanted: bool, at_least: int = 1) -> bool:
        """Of those that serve: so many do, and all of them answer so."""
        with self.lock:
            return len(self.served) >= at_least and all(
                self.last[ip] == wanted for ip in self.served
            )


@contextmanager
def watching(world: World, caller: Caller, namespace: str) -> Iterator[Pods]:
    script = (HERE / "flips.py").read_text()
    hosts = (f"it-pods.{namespace}.svc", f"it.{namespace}.svc")
    token = caller.token(url(namespace, "it"))
    command = [
        *(kubectl_binary(), "--kubeconfig", str(world.kubectl.kubeconfig)),
        *("-n", caller.namespace, "exec", caller.pod, "--", "env", f"TOKEN={token}"),
        *("timeout", "900", "python3", "-uc", script),
        *(*hosts, HTTP.tool, json.dumps(HTTP.arguments)),
    ]
    pods, over = Pods(), threading.Event()

    def watch() -> None:
        while not over.is_set():  # a stream through the API server may break off on a busy machine
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                running.append(process)
                pods.read(process.stdout)

    running: list[subprocess.Popen[str]] = []
    reader = threading.Thread(target=watch, daemon=True)
    reader.start()
    try:
        yield pods
    finally:
        over.set()
        running[-1].kill()
        reader.join(10)


@contextmanager
def plain_api(world: World) -> Iterator[str]:
    """The API server's address without TLS, so that an edit costs one request."""
    command = [kubectl_binary(), "--kubeconfig", str(world.kubectl.kubeconfig), "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield "http://" + process.stdout.readline().split()[-1]
        finally:
            process.kill()


def edit(api: str, namespace: str, wanted: bool) -> Edit:
    """Change what the policy's rule allows: everything, or nothing that is asked for."""
    path = f"{api}/apis/ostiary.dev/v1alpha1/namespaces/{namespace}/mcpaccesspolicies/all"
    tools = ["*"] if wanted else ["nothing"]
    body = [{"op": "replace", "path": "/spec/rules/0/allow/tools", "value": tools}]
    request = urllib.request.Request(
        path,
        data=json.dumps(body).encode(),
        method="PATCH",
        headers={"Content-Type": "application/json-patch+json"},
    )
    sent = time.time()
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()
    return Edit(sent, time.time(), wanted)


@pytest.mark.timeout(EDITS * 6 + 120)
def test_policy_edits_reach_every_pod(world: World, namespace: str, capsys: Any) -> None:
    # an HTTP server, so that each pod answers for itself: calls of a process may change pods
    spec = HTTP.spec | {"replicas": 2}
    world.kubectl.apply(
        server(namespace, "it", spec), policy(namespace, "all", "it", [accounts(["*"])])
    )
    world.ready(namespace, "it")
    world.enforced(namespace, "all")
    caller = world.caller(namespace)
    edits: list[Edit] = []

    with watching(world, caller, namespace) as pods, plain_api(world) as api:
        eventually(lambda: pods.all_say(True, at_least=2), seconds=90)
        for tried in range(EDITS):
            wanted = tried % 2 == 1
            if tried % REPLACED_EVERY == 0:
                replace_one(world, namespace, pods, not wanted)
            edits.append(edit(api, namespace, wanted))
            eventually(
                lambda wanted=wanted: pods.all_say(wanted),
                seconds=60,
                what=f"edit {tried} enforced by every pod: {pods.last}",
                every=0.01,
            )
        eventually(lambda: pods.all_say(wanted, at_least=2), seconds=90, what="the last new pod")
    seen = {"edits": [asdict(e) for e in edits], "told": [asdict(t) for t in pods.told]}
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "e2e-propagation-seen.json").write_text(json.dumps(seen))
    verdict = judge(edits, pods.told)
    report(verdict, capsys)
    assert len(verdict.seconds) == EDITS
    assert verdict.born >= EDITS // REPLACED_EVERY
    assert not verdict.wrong


def replace_one(world: World, namespace: str, pods: Pods, now: bool) -> None:
    """Once both pods answer, one is deleted; edits go on while its successor starts."""
    eventually(lambda: pods.all_say(now, at_least=2), seconds=90, what="two pods")
    victim = world.pods(namespace, "it")[0]["metadata"]["name"]
    world.kubectl("-n", namespace, "delete", "pod", victim, "--wait=false")


def report(verdict: Verdict, capsys: Any) -> None:
    ranked = sorted(verdict.seconds)
    figures = {
        "edits": len(ranked),
        "p50": round(statistics.median(ranked), 3),
        "p99": round(ranked[int(len(ranked) * 0.99) - 1], 3),
        "max": round(ranked[-1], 3),
        "on_their_way_out_max": round(max(verdict.leaving, default=0.0), 3),
        "pods_born": verdict.born,
        "wrong": verdict.wrong,
    }
    (ROOT / "build" / "e2e-propagation.json").write_text(json.dumps(figures) + "\n")
    with capsys.disabled():
        print(f"\npolicy edit to enforcement on every pod, seconds: {figures}")
