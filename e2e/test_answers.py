"""What the command line says of who may call, and what the proxy on the node then does."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from e2e.cluster.paths import kubectl_binary
from e2e.cluster.plugin import NamespaceFactory
from e2e.samples import STDIO
from e2e.world import Caller, World, accounts, labelled, modern_call, policy, server, url

ASKED = [("echo", STDIO.arguments), ("slow", STDIO.arguments), ("add", {"a": 1, "b": 2})]
"""Allowed on a condition, denied, and in nobody's list."""
CONDITION = "args.text == 'good morning'"


def ostiary(world: World, *words: str) -> tuple[int, Any]:
    """Exit code, and what was printed as JSON."""
    path = f"{kubectl_binary().parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "ostiary_cli", *words, "--output", "json"],
        env={**os.environ, "KUBECONFIG": str(world.kubectl.kubeconfig), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def served(
    world: World, make_shared_namespace: NamespaceFactory
) -> tuple[str, str, dict[str, Caller]]:
    """A server with a rule by label, a denial, and a condition; and callers of each kind."""
    tools = make_shared_namespace("tools")
    agents = make_shared_namespace("agents", labels={"team": tools})
    rules = policy(
        tools,
        "agents",
        "it",
        [accounts(["planner"], labelled(team=tools))],
        tools=["ec*", "slow"],
        deny=["slow"],
    )
    other = policy(tools, "some", "it", [accounts(["other"], labelled(team=tools))], tools=["echo"])
    other["spec"]["rules"][0]["when"] = CONDITION
    world.kubectl.apply(server(tools, "it", STDIO.spec), rules, other)
    world.ready(tools, "it")
    world.enforced(tools, "agents")
    world.enforced(tools, "some")
    names = ("planner", "other", "intruder")
    return tools, agents, {name: world.caller(agents, name) for name in names}


def live(caller: Caller, namespace: str, tool: str, arguments: dict[str, Any]) -> bool:
    """Whether the proxy let the call through; what the server makes of it does not matter."""
    target = url(namespace, "it")
    answer = modern_call(caller, target, tool, arguments, caller.token(target))
    assert answer.status, answer
    refused = "but not with these arguments" in answer.body
    return answer.status == 200 and "result" in answer.json() and not refused


@pytest.mark.timeout(300)
def test_can_i_is_what_the_proxy_does(world: World, served) -> None:
    tools, agents, callers = served
    other = {**STDIO.arguments, "text": "other"}
    for name, caller in callers.items():
        principal = f"system:serviceaccount:{agents}:{name}"
        for tool, arguments in [*ASKED, ("echo", other)]:
            where = ("-n", tools, "--server", "it", "--args", json.dumps(arguments))
            code, said = ostiary(world, "can-i", "call", tool, "--as", principal, *where)
            did = live(caller, tools, tool, arguments)

            assert (code == 0) is said["allowed"] is did, (name, tool, arguments, said)


def test_who_can_names_them_and_both_walls(world: World, served) -> None:
    tools, agents, _ = served

    _, said = ostiary(world, "who-can", "call", "echo", "-n", tools)

    [found] = said["servers"]
    by_rule = {it["policy"]: it for it in found["subjects"]}
    assert set(by_rule) == {f"{tools}/agents", f"{tools}/some"}
    first, second = by_rule[f"{tools}/agents"], by_rule[f"{tools}/some"]
    assert first["subject"] == f"system:serviceaccount:{agents}:planner"
    assert first["network"] == [f"namespaces with team={tools}"]
    assert (first["if"], second["if"]) == ([], [CONDITION])
    assert any("verified offline" in note for note in found["notes"])


def test_what_allow_prints_lets_them_in(world: World, served) -> None:
    tools, agents, callers = served
    principal = f"system:serviceaccount:{agents}:intruder"

    _, manifest = ostiary(world, "allow", "it", "--to", principal, "--tools", "add", "-n", tools)
    world.kubectl.apply(manifest)
    world.enforced(tools, manifest["metadata"]["name"])
    try:
        assert live(callers["intruder"], tools, "add", {"a": 1, "b": 2})
        assert not live(callers["intruder"], tools, "echo", STDIO.arguments)
    finally:
        name = manifest["metadata"]["name"]
        world.kubectl("-n", tools, "delete", "mcpaccesspolicies.ostiary.dev", name)


def test_review_sees_what_stands(world: World, served) -> None:
    tools, _, _ = served

    code, said = ostiary(world, "review", "-n", tools)

    assert code == 0
    assert ("low", "OpenEgress") in {(it["severity"], it["what"]) for it in said["findings"]}
