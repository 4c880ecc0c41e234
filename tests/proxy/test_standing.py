"""A call that waited is decided again before anything of it is sent."""

import asyncio
import sys

from tests.proxy.conditions import until
from tests.proxy.peers.scripted import Reply, Scripted, event
from tests.proxy.rig import http_rig, policy, rig, stdio

SLOW = "import time; time.sleep(3); exec(open({path!r}).read())"


async def test_a_call_that_waits_for_the_first_look_is_decided_again() -> None:
    """access.md section 2: revoked means not carried out, whatever it was waiting for."""
    path = stdio().command[1]
    command = (sys.executable, "-c", SLOW.format(path=path))
    async with rig(stdio(*command)) as made, made.raw() as raw, asyncio.TaskGroup() as group:
        call = group.create_task(raw.modern("tools/call", name="pid", arguments={}))
        (waiting,) = made.proxy.backends._by_path.values()
        await until(lambda: waiting._looked._waiters)
        made.apply(policies=())
        await call

    assert call.result().status_code == 403
    assert "result" not in call.result().json()


async def test_a_stream_outlives_no_revocation_because_its_backend_was_replaced() -> None:
    """The rules of what stands at its path now are its rules."""
    first = event(b'{"jsonrpc":"2.0","method":"notifications/vendor"}')
    hanging = Reply(body=[first], kind="text/event-stream", hang=True)
    peer = Scripted(answers={"tools/call": lambda _: hanging})
    async with http_rig(peer) as made, made.raw() as raw:
        content = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}'
        headers = {"content-type": "application/json"}
        async with raw.http.stream("POST", made.url, content=content, headers=headers) as answer:
            chunks = answer.aiter_bytes()
            assert await anext(chunks) == first
            backend = made.values["backend"].model_copy(update={"path": "/other"})
            made.apply(backend=backend, policies=(policy(deny=("echo",)),))
            async with asyncio.timeout(20):
                rest = b"".join([chunk async for chunk in chunks])

    assert b"revoked" in rest
