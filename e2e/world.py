"""What the product tests say and ask: manifests, pods that call, conditions.  No assertions.

Everything goes through kubectl, so that the same tests run on any cluster that has the images."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from e2e.cluster.kubectl import Kubectl
from e2e.cluster.waiting import eventually

HERE: Final = Path(__file__).resolve().parent
API: Final = "ostiary.dev/v1alpha1"
MODERN: Final = "2026-07-28"
GRANTED: Final = "e2e-granted"
"""The namespace whose servers the chart's values let have a Kubernetes token."""


def server(namespace: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": "MCPServer",
        "metadata": {"namespace": namespace, "name": name},
        "spec": dict(spec),
    }


def policy(
    namespace: str,
    name: str,
    target: str,
    subjects: Sequence[Mapping[str, Any]],
    tools: Sequence[str] = ("*",),
    deny: Sequence[str] = (),
) -> dict[str, Any]:
    """One rule for one server."""
    allow = {"tools": list(tools), "resources": ["*"], "prompts": ["*"]}
    spec: dict[str, Any] = {
        "targetRefs": [{"kind": "MCPServer", "name": target}],
        "rules": [{"name": "callers", "from": list(subjects), "allow": allow}],
    }
    if deny:
        spec["deny"] = [{"tools": list(deny)}]
    return {
        "apiVersion": API,
        "kind": "MCPAccessPolicy",
        "metadata": {"namespace": namespace, "name": name},
        "spec": spec,
    }


def accounts(names: Sequence[str], namespaces: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A `from` entry; without namespaces: those of the policy's own namespace."""
    entry: dict[str, Any] = {"names": list(names)}
    if namespaces is not None:
        entry["namespaces"] = dict(namespaces)
    return {"serviceAccounts": entry}


def labelled(**labels: str) -> dict[str, Any]:
    return {"from": "Selector", "selector": {"matchLabels": labels}}


def url(namespace: str, name: str) -> str:
    return f"http://{name}.{namespace}.svc/mcp"


def condition(found: Mapping[str, Any] | None, kind: str) -> dict[str, Any]:
    """A condition by its type, or an empty one."""
    status = (found or {}).get("status") or {}
    return next((c for c in status.get("conditions", []) if c["type"] == kind), {})


def says(kind: str, status: str, reason: str | None = None) -> Any:
    """A test of an object: its condition is so."""

    def holds(found: Mapping[str, Any] | None) -> bool:
        seen = condition(found, kind)
        return seen.get("status") == status and reason in (None, seen.get("reason"))

    return holds


@dataclass(frozen=True, slots=True)
class World:
    """A cluster with the operator in it."""

    kubectl: Kubectl
    client_image: str

    def ready(self, namespace: str, name: str, seconds: int = 180) -> None:
        self.kubectl.wait("condition=Ready", f"mcpserver/{name}", namespace, seconds)

    def server(self, namespace: str, name: str) -> Any:
        return self.kubectl.get("mcpservers.ostiary.dev", name, namespace)

    def eventually(self, namespace: str, name: str, holds: Any, seconds: float = 90) -> Any:
        return self.kubectl.eventually(
            "mcpservers.ostiary.dev", name, holds, namespace=namespace, seconds=seconds
        )

    def enforced(self, namespace: str, name: str, seconds: float = 90) -> None:
        """Wait until a policy, as it stands now, is enforced by every pod it reaches."""

        def holds(found: Any) -> bool:
            seen = condition(found, "Programmed")
            current = (found or {}).get("metadata", {}).get("generation")
            return seen.get("status") == "True" and seen.get("observedGeneration") == current

        self.kubectl.eventually(
            "mcpaccesspolicies.ostiary.dev", name, holds, namespace=namespace, seconds=seconds
        )

    def pods(self, namespace: str, name: str) -> list[Any]:
        found = self.kubectl.json(
            "-n", namespace, "get", "pods", "-l", f"ostiary.dev/server={name}"
        )
        return [p for p in found["items"] if not p["metadata"].get("deletionTimestamp")]

    def caller(
        self, namespace: str, account: str = "default", audience: str = "", **more: Any
    ) -> "Caller":
        """A pod that calls as this ServiceAccount, made if need be, with a projected token.
        `more`: of its spec."""
        if account != "default":
            self.kubectl.apply(
                {
                    "apiVersion": "v1",
                    "kind": "ServiceAccount",
                    "metadata": {"namespace": namespace, "name": account},
                }
            )
        name = f"caller-{account}-{uuid.uuid4().hex[:5]}"
        pod = _caller_pod(namespace, name, account, audience, self.client_image)
        pod["spec"] |= more
        self.kubectl.create(pod)
        self.kubectl.wait("condition=Ready", f"pod/{name}", namespace, 180)
        return Caller(self.kubectl, namespace, name, account)


@dataclass(frozen=True, slots=True)
class Caller:
    kubectl: Kubectl
    namespace: str
    pod: str
    account: str

    def token(self, audience: str, seconds: int = 3600) -> str:
        return self.kubectl(
            *("-n", self.namespace, "create", "token", self.account),
            *(f"--audience={audience}", f"--duration={seconds}s"),
        ).strip()

    def python(self, script: Path, *arguments: str, env: Mapping[str, str], seconds: float) -> str:
        """The output of a script of ours run in this pod."""
        setting = [f"{key}={value}" for key, value in env.items()]
        return self.kubectl(
            *("-n", self.namespace, "exec", "-i", self.pod, "--"),
            *("env", *setting, "python3", "-", *arguments),
            stdin=script.read_text(),
            seconds=seconds,
        )

    def http(
        self,
        target: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 10,
        ca: str = "",
    ) -> "Answer":
        """One plain HTTP request from the pod; status 0 = no connection.  `ca`: a file there, of
        the only authority that it trusts."""
        asked = {"url": target, "body": body, "headers": dict(headers or {}), "timeout": seconds}
        printed = self.python(
            HERE / "ask.py", json.dumps(asked), env=_trusting(ca), seconds=seconds + 20
        )
        return Answer(**json.loads(printed))

    def mcp(
        self, target: str, *arguments: str, token: str = "", era: str = "auto", ca: str = ""
    ) -> Any:
        """What the real SDK client in the pod saw: its printed JSON."""
        given = token or self.token(target)
        printed = self.kubectl(
            *("-n", self.namespace, "exec", self.pod, "--", "env", f"TOKEN={given}"),
            *(f"{key}={value}" for key, value in _trusting(ca).items()),
            *("python3", "-m", "client", target, "--era", era, *arguments),
            seconds=120,
        )
        return json.loads(printed)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str
    error: str

    def json(self) -> Any:
        return json.loads(self.body)


def _trusting(ca: str) -> dict[str, str]:
    return {"SSL_CERT_FILE": ca} if ca else {}


def modern_call(
    caller: Caller,
    target: str,
    tool: str,
    arguments: Mapping[str, Any],
    token: str,
    *,
    ca: str = "",
) -> Answer:
    """One modern tools/call as plain HTTP, so that status and headers are seen."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": dict(arguments), "_meta": meta}
    return caller.http(
        target,
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
        {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": MODERN,
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        },
        ca=ca,
    )


def walled_off(answer: Answer) -> bool:
    """No answer came, and the address was known: the network refused, or swallowed, the try."""
    said = answer.error.lower()
    return answer.status == 0 and ("refused" in said or "timed out" in said or "reset" in said)


def within(seconds: float, look: Any, what: str) -> float:
    """Seconds until `look()` was true."""
    began = time.monotonic()
    eventually(look, seconds=seconds, what=what, every=0.1)
    return time.monotonic() - began


def _caller_pod(
    namespace: str, name: str, account: str, audience: str, image: str
) -> dict[str, Any]:
    volumes: list[Any] = [{"name": "tmp", "emptyDir": {}}]
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]
    if audience:
        token = {"audience": audience, "expirationSeconds": 3600, "path": "token"}
        volumes.append(
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}}
        )
        mounts.append({"name": "token", "mountPath": "/var/run/secrets/mcp"})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": "caller"}},
        "spec": {
            "serviceAccountName": account,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": volumes,
            "containers": [
                {
                    "name": "client",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sleep", "100000"],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": mounts,
                }
            ],
        },
    }
