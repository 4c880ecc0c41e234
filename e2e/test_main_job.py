"""From `kubectl apply` to an answered tools/call, with real servers and the real SDK client."""

import json

import pytest
from e2e.cluster.kubectl import namespace_manifest
from e2e.samples import ECHOING, Sample
from e2e.world import GRANTED, World, accounts, condition, labelled, policy, server, url


@pytest.mark.parametrize("sample", ECHOING, ids=lambda sample: sample.name)
def test_a_server_applied_is_a_tool_called(world: World, make_namespace, sample: Sample) -> None:
    tools = make_namespace("tools")
    agents = make_namespace("agents", labels={"team": tools})
    world.kubectl.apply(
        policy(tools, "agents", "it", [accounts(["planner"], labelled(team=tools))]),
        server(tools, "it", sample.spec),
    )

    world.ready(tools, "it")
    caller = world.caller(agents, "planner", audience=url(tools, "it"))

    for era in sample.eras:
        seen = caller.mcp(
            url(tools, "it"),
            *("call", sample.tool, json.dumps(sample.arguments)),
            token="@/var/run/secrets/mcp/token",
            era=era,
        )
        assert sample.expected in json.dumps(seen), (era, seen)


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
    with pytest.raises(AssertionError):
        caller.mcp(url(namespace, "small"), "list")


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
    sample = next(s for s in ECHOING if s.name == "go-stdio")
    world.kubectl.apply(server(namespace, "bare", sample.spec))

    world.ready(namespace, "bare")

    (pod,) = world.pods(namespace, "bare")
    (main,) = pod["spec"]["containers"]
    assert main["securityContext"]["readOnlyRootFilesystem"] is True
    assert (
        main["securityContext"]["runAsUser"] == 65532
        or pod["spec"]["securityContext"]["runAsUser"] == 65532
    )
