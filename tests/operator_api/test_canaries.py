"""Security row 20: thirty planted secrets, and everything that the operator says.

The real operator process before a real API server.  Each secret is put where people put secrets;
afterwards none may be in the operator's log, its metrics, an Event or a status.  In the objects
that bear them for the pod (Deployment, ConfigMap) they may be: whoever may read those may read the
spec.  What the proxy says is tests/proxy/test_canaries.py.
"""

import base64
import json
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from e2e.cluster.kubectl import Kubectl, Manifest
from e2e.cluster.waiting import eventually
from tests.operator_api.installed import NAMESPACE, Launcher, Running, leads
from tests.operator_api.manifests import API, condition, group, member, policy, says, server
from tests.operator_api.test_proxy_rollout import SETTINGS, write

CANARIES = [f"canary-{number:02d}-s3cr3t" for number in range(30)]
HTTP = {"streamableHTTP": {"port": 8000}}
KINDS = ("mcpservers", "mcpgroups", "mcpaccesspolicies", "mcpaccesstokens")


@pytest.fixture
def settings(kubectl: Kubectl) -> Iterator[str]:
    """The cluster's, put back afterwards."""
    found = kubectl.get("configmap", SETTINGS, NAMESPACE)
    assert found
    text = found["data"]["settings.yaml"]
    yield text
    write(kubectl, text)


def secret(namespace: str, name: str, **data: str) -> Manifest:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def noted(manifest: Any, **annotations: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}


def plants(namespace: str, digest: str, use: Any) -> Iterator[Manifest]:
    """Objects that bear a secret each, or several; in the order in which they are made."""
    yield noted(secret(namespace, "saas", token=f"Bearer {use()}", other=use()), note=use())
    yield secret(namespace, "front-tls", **{"tls.key": use(), "tls.crt": use()})
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": "cfg"},
        "data": {"password": use()},
    }
    # Somebody else's, in the way of a child: both the conflict and the object are looked at.
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": "taken", "annotations": {"note": use()}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "taken"}},
            "template": {
                "metadata": {"labels": {"app": "taken"}},
                "spec": {
                    "containers": [
                        {"name": "a", "image": "a:1", "env": [{"name": "A", "value": use()}]}
                    ]
                },
            },
        },
    }
    yield noted(
        server(
            namespace,
            "time",
            command=["mcp-server-time", "--password", use()],
            args=[f"--token={use()}", use()],
            env=[{"name": "KEY", "value": use()}, {"name": "DSN", "value": f"db://u:{use()}@db"}],
            podMetadata={"annotations": {"example.com/note": use()}},
        ),
        note=use(),
    )
    yield server(namespace, "taken", env=[{"name": "KEY", "value": use()}])
    yield server(
        namespace,
        "refused",
        transport=HTTP,
        # The API server refuses the Deployment, whose text it might repeat.
        resources={"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}},
        args=[use()],
        env=[{"name": "KEY", "value": use()}],
    )
    yield noted(
        {
            "apiVersion": API,
            "kind": "MCPServer",
            "metadata": {"namespace": namespace, "name": "front"},
            "spec": {
                "remote": {"url": f"https://mcp.example.com/mcp?key={use()}"},
                "upstream": {
                    "headers": [
                        {
                            "name": "Authorization",
                            "secretKeyRef": {"name": "saas", "key": "token"},
                        }
                    ]
                },
                "tls": {"secretName": "front-tls"},
            },
        },
        note=use(),
    )
    who = {"serviceAccounts": {"names": ["planner"]}}
    rules = [
        {
            "name": "a",
            "from": [who],
            "allow": {"tools": ["*"]},
            "when": f"args.key == '{use()}'",
        },
        {
            "name": "b",
            "from": [
                {"oidc": {"issuer": "https://id.example.com", "claims": {"code": [use()]}}},
                {"tokens": {"names": ["ci", "ci-too"]}},
            ],
            "allow": {"tools": ["*"]},
        },
        {"name": "broken", "from": [who], "allow": {"tools": ["*"]}, "when": f"nosuch('{use()}')"},
    ]
    yield noted(policy(namespace, rules=rules), note=use())
    yield group(namespace, member(namespace))
    for name in ("ci", "ci-too"):
        yield noted(
            {
                "apiVersion": API,
                "kind": "MCPAccessToken",
                "metadata": {"namespace": namespace, "name": name},
                "spec": {
                    "sha256": digest,
                    "expirationTime": "2027-01-01T00:00:00Z",
                    "restrictTo": [{"kind": "MCPServer", "namespace": namespace, "name": "time"}],
                },
            },
            note=use(),
        )


def port_of(running: Running) -> int:
    lines = [json.loads(it) for it in running.logged().splitlines() if it.startswith("{")]
    return next(int(it["port"]) for it in lines if it["message"] == "serving metrics")


def everything_was_said(kubectl: Kubectl, running: Running, namespace: str) -> None:
    """Good and bad: conflicts, refusals, what is invalid."""
    for name in ("time", "front", "refused", "taken"):
        kubectl.eventually(
            "mcpserver", name, lambda it: condition(it, "Ready"), namespace=namespace
        )
    kubectl.eventually(
        "mcpserver", "taken", lambda it: "NameTaken" in str(it.get("status")), namespace=namespace
    )
    kubectl.eventually(
        "mcpserver", "refused", lambda it: "Invalid" in str(it.get("status")), namespace=namespace
    )
    eventually(lambda: kubectl.get("deployment", "time", namespace), what="the pod's template")
    kubectl.eventually(
        "mcpgroup", "everyday", lambda it: condition(it, "Ready"), namespace=namespace
    )
    kubectl.eventually(
        "mcpaccesspolicy", "callers", lambda it: condition(it, "Accepted"), namespace=namespace
    )
    kubectl.eventually(
        "mcpaccesstoken",
        "ci-too",
        lambda it: says(it, "Accepted", "DuplicateToken"),
        namespace=namespace,
    )


def test_thirty_planted_secrets_are_in_nothing_that_the_operator_says(
    launcher: Launcher, kubectl: Kubectl, namespace: str, settings: str
) -> None:
    left = iter(CANARIES)
    token = f"ost_abcdefgh_{next(left)}"
    digest = sha256(token.encode()).hexdigest()
    kubectl("annotate", "namespace", namespace, f"example.com/note={next(left)}")

    with launcher.running() as running:
        leads(running)
        for manifest in plants(namespace, digest, lambda: next(left)):
            kubectl.apply(manifest)
        everything_was_said(kubectl, running, namespace)
        for broken in (f"proxyImage: a\nhidden: {next(left)}: x\n", f"password: {next(left)}\n"):
            before = running.logged().count("settings are broken")
            write(kubectl, broken)
            kubectl(
                "-n", namespace, "annotate", "--overwrite", "mcpserver", "time", f"again=a{before}"
            )
            eventually(
                lambda seen=before: running.logged().count("settings are broken") > seen,
                what="broken settings in the log",
            )
        url = f"http://127.0.0.1:{port_of(running)}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            metrics = answer.read().decode()
    assert next(left, None) is None, "all thirty are planted"

    said = {"log": running.logged(), "metrics": metrics}
    for kind in KINDS:
        listed = kubectl.json("-n", namespace, "get", kind)["items"]
        said[f"status of {kind}"] = json.dumps([it["status"] for it in listed])
    said["events"] = kubectl("get", "events", "-A", "-o", "json")
    found = [
        (where, canary)
        for where, text in said.items()
        for canary in CANARIES
        if canary in text or base64.b64encode(canary.encode()).decode() in text
    ]
    assert found == []
    assert [where for where, text in said.items() if digest in text] == []
    assert all(len(text) > 200 for text in said.values())
    assert namespace in said["events"]
