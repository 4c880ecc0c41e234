"""Security row 20: thirty planted secrets, and everything that a proxy says of itself.

A real sidecar process with a real child.  Each secret is put where people put secrets; afterwards
none may be in the audit, the log, the metrics, the status, or the words of an error.
"""

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.proxy.documents import session_key
from tests.proxy.rig import META, PLANNER, modern, modern_headers, peer_command, stdio
from tests.proxy.signing import bearer, claims, operator_token, sign
from tests.proxy.test_sidecar import MASTER, Pod
from tests.proxy.volumes import project
from tests.proxy.wire import Answer, Wire, ask

CANARIES = [f"canary-{number:02d}-s3cr3t" for number in range(30)]
TYPES = {"Content_Type": "application/json", "Accept": "application/json, text/event-stream"}


@pytest.fixture
async def pod(tmp_path: Path) -> Any:
    made = Pod(tmp_path)
    yield made
    await made.close()


async def sent(pod: Pod, body: Any, **headers: str | bytes) -> Answer:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    given: dict[str, str | bytes] = {
        **TYPES,
        "Authorization": bearer(sign(claims(PLANNER))),
        **headers,
    }
    async with Wire(pod.mcp_port) as wire:
        return await wire.ask("POST", "/mcp", content, **given)


def plants(use: Any) -> list[tuple[Any, dict[str, str]]]:
    """Requests that bear a secret each: in a token, a header, an argument, an id, a name."""
    token = bearer(sign(claims(PLANNER))).decode()
    call = lambda **params: modern("tools/call", **params)  # noqa: E731
    named = {
        k.replace("_", "-"): v for k, v in modern_headers("tools/call", {"name": "pid"}).items()
    }
    heads = {name.replace("-", "_"): value for name, value in named.items()}
    plain = call(name="pid", arguments={})
    shapes = [
        (plain, {"Authorization": f"Bearer {use()}"}),
        (plain, {"Authorization": f"Bearer ost_{use()}"}),
        (plain, {"Authorization": f"Basic {base64.b64encode(use().encode()).decode()}"}),
        (plain, {"Authorization": token + use()}),
        (plain, {"Cookie": f"session={use()}"}),
        (plain, {"X_Api_Key": use()}),
        (plain, {"Proxy_Authorization": f"Bearer {use()}"}),
        (call(name="pid", arguments={"password": use()}), {}),
        (call(name="pid", arguments={"deep": [{"er": use()}]}), {}),
        (call(name="echo", arguments={use(): 1}), {}),
        (call(name="crash", arguments={"key": use()}), {}),
        (call(name="pid", arguments=use()), {}),
        (call(name="pid", arguments={}, inputResponses={"q": {"content": use()}}), {}),
        (call(name="pid", arguments={}, requestState=use()), {}),
        (call(name="pid", arguments={}, _meta={**META, "vendor/secret": use()}), {}),
        (f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"{use()}'.encode(), {}),
        (f"not json {use()}".encode(), {}),
        (b"[" * 100 + use().encode(), {}),
        (call(name="pid", arguments={"x": "a" * 5_000_000 + use()}), {}),
        (modern("prompts/get", name="greet", arguments={"secret": use()}), {}),
        (
            modern(
                "completion/complete",
                ref={"type": "ref/prompt", "name": "greet"},
                argument={"name": "a", "value": use()},
            ),
            {},
        ),
        (modern("sampling/unknown", secret=use()), {}),
        ({"jsonrpc": "2.0", "id": 7, "result": {"secret": use()}}, {}),
        ({"jsonrpc": "2.0", "method": "notifications/x", "params": {"secret": use()}}, {}),
    ]
    return [(body, {**heads, **headers}) for body, headers in shapes]


async def test_thirty_planted_secrets_are_in_nothing_that_is_said(pod: Pod) -> None:
    left = iter(CANARIES)
    backend = stdio(*peer_command("plain.py"), env={f"SECRET_{n}": next(left) for n in range(6)})
    project(pod.keys_dir, {"0": MASTER})
    pod.write(1, backend=backend, keys=(session_key(0, MASTER),))
    await pod.start()
    await pod.becomes(200)

    answers = [await sent(pod, body, **headers) for body, headers in plants(lambda: next(left))]
    assert next(left, None) is None, "all thirty are planted"
    metrics = (await ask(pod.admin_port, "GET", "/metrics")).body
    status = (await pod.status()).body
    pod.process.terminate()
    _, log = await pod.process.communicate()
    log = bytes(log) + "".join(pod.said).encode()
    audit = pod.out.read_bytes()

    said = {"audit": audit, "log": log, "metrics": metrics, "status": status}
    assert audit.count(b'"event"') > 20
    for canary in CANARIES:
        for where, text in said.items():
            assert canary.encode() not in text, (where, canary)
            assert base64.b64encode(canary.encode()) not in text, (where, canary)
    refused = [answer for answer in answers if answer.status >= 400]
    assert len(refused) > 8
    for answer in refused:
        assert b"s3cr3t" not in answer.body, answer.body[:300]
    assert operator_token().encode() not in audit + log
