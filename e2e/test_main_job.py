"""From `kubectl apply` to an answered tools/call, with real servers and the real SDK client."""

import json
from dataclasses import dataclass
from typing import Final

import pytest
from e2e.cluster.kubectl import Refused, namespace_manifest
from e2e.cluster.plugin import NamespaceFactory
from e2e.samples import ECHOING, GO, Sample
from e2e.world import (
    GRANTED,
    MODERN,
    Caller,
    World,
    accounts,
    condition,
    labelled,
    modern_call,
    policy,
    server,
    url,
    walled_off,
)

EVERY_WAY_IN: Final = {"clients": {"sse": True, "webSocket": True}}


@dataclass(frozen=True, slots=True)
class Street:
    """Every sample in one namespace, and one caller in another."""

    tools: str
    caller: Caller


@pytest.fixture(scope="module")
def street(world: World, make_shared_namespace: NamespaceFactory) -> Street:
    tools = make_shared_namespace("tools")
    agents = make_shared_namespace("agents", labels={"team": tools})
    world.kubectl.apply(
        *(
            policy(tools, sample.name, sample.name, [accounts(["planner"], labelled(team=tools))])
            for sample in ECHOING
        ),
        *(server(tools, sample.name, sample.spec | EVERY_WAY_IN) for sample in ECHOING),
    )
    return Street(tools, world.caller(agents, "planner"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("sample", ECHOING, ids=lambda sample: sample.name)
def test_a_server_applied_is_a_tool_called(world: World, street: Street, sample: Sample) -> None:
    """By clients of both eras, over every way in, whatever the server itself speaks."""
    world.ready(street.tools, sample.name)
    world.enforced(street.tools, sample.name)

    tour = street.caller.mcp(
        url(street.tools, sample.name), "tour", sample.tool, json.dumps(sample.arguments)
    )

    for seen in tour:
        assert sample.expected in json.dumps(seen["result"]), seen
        assert (seen["protocolVersion"] == MODERN) == (seen["era"] == "modern"), seen
    assert {(seen["way"], seen["era"]) for seen in tour} == {
        (way, era) for way in ("http", "sse", "ws") for era in ("legacy", "modern")
    }


def test_a_projected_token_is_all_that_a_caller_needs(world: World, street: Street) -> None:
    target = url(street.tools, GO.name)
    caller = world.caller(street.caller.namespace, "planner", audience=target)

    seen = caller.mcp(
        target,
        *("call", GO.tool, json.dumps(GO.arguments)),
        token="@/var/run/secrets/mcp/token",
    )

    assert GO.expected in json.dumps(seen)


def test_other_ways_in_are_closed_unless_the_manifest_opens_them(
    world: World, namespace: str
) -> None:
    world.kubectl.apply(
        server(namespace, "it", GO.spec), policy(namespace, "all", "it", [accounts(["*"])])
    )
    world.ready(namespace, "it")
    world.enforced(namespace, "all")
    caller = world.caller(namespace)
    target = url(namespace, "it")
    asked = ("call", GO.tool, json.dumps(GO.arguments))
    assert GO.expected in json.dumps(caller.mcp(target, *asked))

    for way, status in (("sse", "404"), ("ws", "426")):
        with pytest.raises(Refused, match=status):
            caller.mcp(target, "--way", way, *asked)


def test_the_four_line_minimum_is_ready_private_and_answers_nobody(
    world: World, namespace: str
) -> None:
    sample = ECHOING[0]
    minimum = {"image": sample.spec["image"], "command": sample.spec["command"]}
    world.kubectl.apply(server(namespace, "small", minimum))

    world.ready(namespace, "small")

    found = world.server(namespace, "small")
    ready = condition(found, "Ready")
    assert ready["reason"] == "PolicyMissing"
    assert "MCPAccessPolicy" in ready["message"]
    assert condition(found, "BackendPrivate")["reason"] == "NoListener"
    assert found["status"]["url"] == url(namespace, "small")
    caller = world.caller(namespace)
    target = url(namespace, "small")
    asked = modern_call(caller, target, sample.tool, sample.arguments, caller.token(target))
    assert walled_off(asked), asked


def test_pods_pass_restricted_pod_security_and_hold_no_kubernetes_token(
    world: World, request: pytest.FixtureRequest
) -> None:
    strict = GRANTED
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    world.kubectl.apply(namespace_manifest(strict, labels))
    request.addfinalizer(lambda: world.kubectl("delete", "ns", strict))
    sample = ECHOING[0]
    world.kubectl.apply(
        server(strict, "without", sample.spec),
        server(strict, "asking", sample.spec | {"identity": {"kubernetesToken": True}}),
    )
    world.ready(strict, "without")
    world.ready(strict, "asking")

    tokens = {
        name: [
            source
            for pod in world.pods(strict, name)
            for volume in pod["spec"]["volumes"]
            for source in volume.get("projected", {}).get("sources", [])
            if "serviceAccountToken" in source
        ]
        for name in ("without", "asking")
    }

    assert not tokens["without"]
    assert tokens["asking"]


def test_a_shim_runs_in_an_image_with_nothing_else_in_it(world: World, namespace: str) -> None:
    """The Go sample's image holds one static program: no shell, no libc, no writable root."""
    world.kubectl.apply(server(namespace, "bare", GO.spec))

    world.ready(namespace, "bare")

    (pod,) = world.pods(namespace, "bare")
    (main,) = pod["spec"]["containers"]
    assert main["securityContext"]["readOnlyRootFilesystem"] is True
    assert (
        main["securityContext"]["runAsUser"] == 65532
        or pod["spec"]["securityContext"]["runAsUser"] == 65532
    )
