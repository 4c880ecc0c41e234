"""What goes wrong in a pod is said in the status within seconds, and harms no neighbour."""

import json
from dataclasses import dataclass
from typing import Any, Final

import pytest
from e2e.cluster.plugin import NamespaceFactory
from e2e.cluster.waiting import eventually
from e2e.samples import HTTP, STDIO, Sample
from e2e.world import (
    HERE,
    Caller,
    World,
    accounts,
    condition,
    modern_call,
    policy,
    says,
    server,
    url,
)

KILLED: Final = (STDIO, HTTP)
VICTIMS: Final = ("backend", "proxy")
BROKEN = {
    "an image that does not exist": (
        STDIO.spec | {"image": "localhost/no-such-image:1"},
        {"ImagePullFailed"},
    ),
    "a command that exits": (
        STDIO.spec | {"command": ["python3", "-c", "raise SystemExit(3)"]},
        {"BackendUnavailable", "CrashLooping"},
    ),
    "a command that is not there": (
        STDIO.spec | {"command": ["no-such-command"]},
        {"BackendUnavailable", "CrashLooping"},
    ),
    "a server that never answers": (
        STDIO.spec
        | {"command": ["python3", "-c", "import time; time.sleep(10000)"], "startupSeconds": 10},
        {"BackendUnavailable"},
    ),
    "a server that writes garbage": (
        STDIO.spec
        | {
            "command": [
                "python3",
                "-uc",
                "import sys\nfor line in sys.stdin: print('garbage ' * 9)",
            ]
        },
        {"BackendUnavailable"},
    ),
    "an HTTP server that never listens": (
        HTTP.spec
        | {"command": ["python3", "-c", "import time; time.sleep(10000)"], "startupSeconds": 10},
        {"BackendUnavailable"},
    ),
}


@pytest.fixture(scope="module")
def broken(world: World, make_shared_namespace: NamespaceFactory) -> str:
    """The namespace of all of them, beside one that is fine."""
    namespace = make_shared_namespace("trouble")
    servers = [server(namespace, name(of), spec) for of, (spec, _) in BROKEN.items()]
    world.kubectl.apply(*servers, server(namespace, "fine", STDIO.spec))
    return namespace


def name(of: str) -> str:
    return of.lower().replace(" ", "-")


@pytest.mark.parametrize("which", BROKEN)
def test_a_broken_server_says_what_is_wrong(world: World, broken: str, which: str) -> None:
    _, reasons = BROKEN[which]

    found = world.eventually(
        broken,
        name(which),
        lambda o: (
            condition(o, "Ready").get("status") == "False"
            and condition(o, "Ready").get("reason") in reasons
        ),
        seconds=60,
    )

    assert len(condition(found, "Ready")["message"]) > 20
    world.ready(broken, "fine")


def test_a_missing_secret_is_waited_for(world: World, namespace: str) -> None:
    variable = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "late", "key": "key"}}}
    world.kubectl.apply(server(namespace, "it", STDIO.spec | {"env": [variable]}))
    found = world.eventually(namespace, "it", says("ResolvedRefs", "False", "SecretNotFound"), 120)
    assert "late" in condition(found, "ResolvedRefs")["message"]

    world.kubectl("-n", namespace, "create", "secret", "generic", "late", "--from-literal=key=x")

    world.ready(namespace, "it", seconds=240)


@dataclass(frozen=True, slots=True)
class Ward:
    """A server for each kill, and one pod that calls and one that kills."""

    namespace: str
    caller: Caller

    @staticmethod
    def name(sample: Sample, victim: str) -> str:
        return f"{victim}-{sample.name}"


@pytest.fixture(scope="module")
def ward(world: World, make_shared_namespace: NamespaceFactory) -> Ward:
    namespace = make_shared_namespace("ward")
    for sample in KILLED:
        for victim in VICTIMS:
            name = Ward.name(sample, victim)
            world.kubectl.apply(
                server(namespace, name, sample.spec),
                policy(namespace, name, name, [accounts(["*"])]),
            )
    world.kubectl.create(killer(namespace, world.client_image))
    world.kubectl.wait("condition=Ready", "pod/killer", namespace, 120)
    return Ward(namespace, world.caller(namespace))


@pytest.mark.parametrize("sample", KILLED, ids=lambda s: s.name)
@pytest.mark.parametrize("victim", VICTIMS)
def test_what_is_killed_comes_back(world: World, ward: Ward, sample: Sample, victim: str) -> None:
    namespace, name, caller = ward.namespace, ward.name(sample, victim), ward.caller
    world.ready(namespace, name)
    world.enforced(namespace, name)
    target = url(namespace, name)
    token = caller.token(target)
    # The node's network learns of the pod a moment after its status does.
    eventually(lambda: _called(caller, target, token, sample) == 200, what="a first call")
    (pod,) = world.pods(namespace, name)

    kill(world, namespace, pod, "proxy" if victim == "proxy" else "server")

    eventually(
        lambda: restarts(world, namespace, pod, victim) == 1,
        seconds=60,
        what="a restart of the container",
        every=0.3,
    )
    eventually(
        lambda: _called(caller, target, token, sample) == 200,
        seconds=120,
        what="a call after the kill",
        every=0.3,
    )
    world.ready(namespace, name)
    (same,) = world.pods(namespace, name)
    assert same["metadata"]["uid"] == pod["metadata"]["uid"]


def _called(caller, target: str, token: str, sample) -> int:
    answer = modern_call(caller, target, sample.tool, sample.arguments, token)
    return answer.status if answer.status == 200 and "result" in answer.json() else 0


def statuses(pod: Any) -> dict[str, Any]:
    found = pod["status"]
    both = found.get("initContainerStatuses", []) + found.get("containerStatuses", [])
    return {each["name"]: each for each in both}


def restarts(world: World, namespace: str, pod: Any, victim: str) -> int:
    now = world.kubectl.get("pod", pod["metadata"]["name"], namespace)
    return int(statuses(now)["proxy" if victim == "proxy" else "server"]["restartCount"])


def killer(namespace: str, image: str) -> dict[str, Any]:
    """A pod that sees the node's processes."""
    container = {
        "name": "killer",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "100000"],
        "securityContext": {"runAsUser": 0, "privileged": True},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": "killer"},
        "spec": {"hostPID": True, "terminationGracePeriodSeconds": 1, "containers": [container]},
    }


def kill(world: World, namespace: str, pod: Any, container: str) -> None:
    """SIGKILL to all of a container's processes."""
    ident = statuses(pod)[container]["containerID"]
    script = (HERE / "killer.py").read_text()
    killed = world.kubectl(
        *("-n", namespace, "exec", "-i", "killer", "--", "python3", "-", ident), stdin=script
    )
    assert int(killed) >= 1


def test_the_status_repeats_no_secret(world: World, namespace: str) -> None:
    canary = "canary-8f1c2d"
    world.kubectl("-n", namespace, "create", "secret", "generic", "s", f"--from-literal=k={canary}")
    variable = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    world.kubectl.apply(server(namespace, "it", STDIO.spec | {"env": [variable]}))
    world.ready(namespace, "it")

    seen = json.dumps(
        [
            world.kubectl.json("-n", namespace, "get", kind)
            for kind in ("mcpservers.ostiary.dev", "deployments", "configmaps", "pods", "events")
        ]
    )

    assert canary not in seen
