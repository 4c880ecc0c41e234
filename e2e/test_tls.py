"""TLS in, on a real node: a Secret that comes late, clients that verify, a pair that is renewed."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from e2e.cluster.pki import Authority
from e2e.cluster.waiting import eventually
from e2e.samples import STDIO
from e2e.world import (
    Answer,
    Caller,
    World,
    accounts,
    condition,
    modern_call,
    policy,
    says,
    server,
    url,
    walled_off,
)


def secret(namespace: str, authority: Authority) -> dict[str, Any]:
    hosts = [f"it.{namespace}.svc", f"it.{namespace}"]
    pair = authority.issue(hosts[0], hosts=hosts, server=True)
    files = {"tls.crt": pair.certificate, "tls.key": pair.key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"namespace": namespace, "name": "it-tls"},
        "data": {name: base64.b64encode(content).decode() for name, content in files.items()},
    }


def trusts(caller: Caller, authority: Authority, name: str) -> str:
    """The authority's certificate in a file of the pod."""
    path = f"/tmp/{name}.crt"
    caller.kubectl(
        *("-n", caller.namespace, "exec", "-i", caller.pod, "--", "tee", path),
        stdin=authority.path.read_text(),
    )
    return path


@pytest.mark.timeout(600)
def test_clients_come_over_tls_alone_and_a_new_certificate_needs_no_new_pod(
    world: World, namespace: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    old, new = Authority(tmp_path / "old", now=now), Authority(tmp_path / "new", now=now)
    world.kubectl.apply(
        server(namespace, "it", STDIO.spec | {"tls": {"secretName": "it-tls"}}),
        policy(namespace, "all", "it", [accounts(["*"])]),
    )
    missing = world.eventually(
        namespace, "it", says("ResolvedRefs", "False", "SecretNotFound"), 120
    )
    assert "it-tls" in condition(missing, "ResolvedRefs")["message"]
    world.kubectl.apply(secret(namespace, old))
    world.ready(namespace, "it")
    world.enforced(namespace, "all")
    found = world.eventually(namespace, "it", says("TransportEncrypted", "True", "TLS"))
    target = url(namespace, "it").replace("http://", "https://")
    assert found["status"]["url"] == target

    caller = world.caller(namespace)
    first, second = trusts(caller, old, "old"), trusts(caller, new, "new")
    for era in ("modern", "legacy"):
        seen = caller.mcp(target, "call", STDIO.tool, '{"text": "over TLS"}', era=era, ca=first)
        assert "over TLS" in str(seen["result"])
    assert plain(world, caller, namespace).status == 0

    (before,) = world.pods(namespace, "it")
    world.kubectl.apply(secret(namespace, new))
    eventually(
        lambda: over_tls(caller, target, second).status == 200,
        seconds=180,
        what="the new certificate",
        every=1,
    )
    (after,) = world.pods(namespace, "it")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert [it["restartCount"] for it in after["status"]["containerStatuses"]] == [0]
    assert over_tls(caller, target, first).status == 0, "the old authority vouches for it no more"


def over_tls(caller: Caller, target: str, ca: str) -> Answer:
    token = caller.token(target)
    return modern_call(caller, target, STDIO.tool, STDIO.arguments, token, ca=ca)


def plain(world: World, caller: Caller, namespace: str) -> Answer:
    """The port of the server's own pods, which the network keeps to them."""
    (pod,) = world.pods(namespace, "it")
    answer = caller.http(f"http://{pod['status']['podIP']}:8080/mcp", seconds=3)
    assert walled_off(answer)
    return answer
