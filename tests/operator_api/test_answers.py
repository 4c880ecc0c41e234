"""The answers on a real API server, beside a real operator: what it ships is what is asked."""

import json
from pathlib import Path
from typing import Any

import pytest
from e2e.cluster.controlplane import ControlPlane
from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually
from tests.operator_api.installed import Running, ostiary
from tests.operator_api.manifests import policy, server

from ostiary_proxy.config import ProxyConfig
from ostiary_proxy.policy import Allow, Caller, Target, compile_rules, decide


def shipped(kubectl: Kubectl, namespace: str, name: str) -> ProxyConfig | None:
    found = kubectl.get("configmap", f"{name}-proxy", namespace)
    return ProxyConfig.model_validate_json(found["data"]["config.json"]) if found else None


def rule(name: str, *tools: str, **entry: Any) -> dict[str, Any]:
    return {"name": name, "from": [entry], "allow": {"tools": list(tools)}}


def test_the_answers_are_those_of_the_document_that_the_proxy_has(
    control_plane: ControlPlane, kubectl: Kubectl, operator: Running, namespace: str
) -> None:
    admin = control_plane.admin_kubeconfig
    labelled = {"from": "Selector", "selector": {"matchLabels": {"team": namespace}}}
    kubectl("label", "namespace", namespace, f"team={namespace}")
    kubectl.apply(
        server(namespace, "time", tools={"deny": ["get_secret"]}),
        policy(
            namespace,
            "readers",
            rules=[
                rule("own", "get_*", serviceAccounts={"names": ["r*"], "namespaces": labelled}),
                rule("people", "set_*", users={"names": ["alice"]}),
            ],
            deny=[{"tools": ["get_all"]}],
        ),
    )

    def in_force() -> ProxyConfig | None:
        found = shipped(kubectl, namespace, "time")
        return found if found and len(found.servers[0].policies) == 1 else None

    document = eventually(in_force, what="the policy in the document")
    rules = compile_rules(document.servers[0])
    callers = {
        f"system:serviceaccount:{namespace}:reader": Caller.service_account(namespace, "reader"),
        f"system:serviceaccount:{namespace}:other": Caller.service_account(namespace, "other"),
        "system:serviceaccount:default:reader": Caller.service_account("default", "reader"),
        "user:alice": Caller.user("alice"),
        "anonymous": Caller.anonymous(),
    }
    where = ("-n", namespace, "--output", "json")
    for who, caller in callers.items():
        for tool in ("get_time", "get_secret", "get_all", "set_time"):
            decision = decide(Target("tool", tool), caller, rules)
            done = ostiary(admin, "can-i", "call", tool, "--as", who, *where)

            assert done.returncode == int(not isinstance(decision, Allow)), done.stderr
            answer = json.loads(done.stdout)
            assert (answer["policy"], answer["rule"]) == (decision.policy, decision.rule)

    done = ostiary(admin, "who-can", "call", "get_time", *where)
    [found] = json.loads(done.stdout)["servers"]
    assert [it["subject"] for it in found["subjects"]] == [f"system:serviceaccount:{namespace}:r*"]
    done = ostiary(admin, "review", "-n", namespace, "--output", "json")
    assert "OpenEgress" in {it["what"] for it in json.loads(done.stdout)["findings"]}


@pytest.mark.parametrize(
    "who",
    ["system:serviceaccount:default:planner", "user:alice", "token:default:ci-*", "anonymous"],
)
def test_the_api_server_takes_what_allow_prints(
    control_plane: ControlPlane, kubectl: Kubectl, operator: Running, namespace: str, who: str
) -> None:
    admin = control_plane.admin_kubeconfig
    kubectl.apply(server(namespace, "time"))

    done = ostiary(admin, "allow", "time", "--to", who, "--tools", "get_*", "-n", namespace)
    kubectl.apply(done.stdout)

    assert (done.returncode, done.stderr) == (0, "")
    if not who.startswith("token:"):
        words = ("can-i", "call", "get_time", "--as", who, "-n", namespace)
        assert ostiary(admin, *words).returncode == 0


def test_who_may_not_read_the_cluster_gets_no_answer(
    kubectl: Kubectl, operator: Running, namespace: str, tmp_path: Path
) -> None:
    kubectl("-n", namespace, "create", "serviceaccount", "nobody")
    token = kubectl("-n", namespace, "create", "token", "nobody").strip()
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    config["users"] = [{"name": it["name"], "user": {"token": token}} for it in config["users"]]
    limited = tmp_path / "kubeconfig"
    limited.write_text(json.dumps(config))

    done = ostiary(limited, "who-can", "call", "x", "-n", namespace)

    assert done.returncode == 3
    assert "An answer needs all mcpservers.ostiary.dev" in done.stderr
    assert done.stdout == ""
