"""Several modern requests on one process: every id comes back as it went in."""

import asyncio

import orjson
from tests.proxy.conditions import until
from tests.proxy.rig import (
    NEW,
    modern,
    stdio_rig,
)
from tests.proxy.test_stdio import BOTH, JSON, call, events


async def test_the_same_ids_of_two_requests_on_one_process_are_kept_apart() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        answers = await asyncio.gather(
            *(raw.modern("tools/call", ident, name="echo", n=n) for n, ident in enumerate((7,) * 9))
        )
        text = (await raw.modern("tools/call", "7", name="echo")).json()

    bodies = [answer.json() for answer in answers]
    assert [body["id"] for body in bodies] == [7] * 9
    assert [body["result"]["params"]["n"] for body in bodies] == list(range(9))
    assert len({body["result"]["id"] for body in bodies}) == 9
    assert text["id"] == "7"


async def test_progress_tokens_are_the_clients_own_whatever_the_process_saw() -> None:
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        answers = await asyncio.gather(
            *(
                raw.modern("tools/call", name="progress", _meta={"progressToken": token})
                for token in ("a", 5, "5")
            )
        )

    for answer, token in zip(answers, ("a", 5, "5"), strict=True):
        *progress, last = events(answer.content)
        assert [(p["params"]["progressToken"], p["params"]["progress"]) for p in progress] == [
            (token, 1),
            (token, 2),
        ]
        assert progress[0]["params"]["odd"] == [1]
        assert last["result"] == {"done": True}


async def test_a_subscription_carries_the_clients_own_id() -> None:
    body = modern("subscriptions/listen", "L", notifications={"toolsListChanged": True})
    headers = {**JSON, "mcp-protocol-version": NEW, "mcp-method": "subscriptions/listen"}
    async with stdio_rig(*BOTH) as made, made.raw() as raw:
        content = orjson.dumps(body)
        async with raw.http.stream("POST", made.url, content=content, headers=headers) as answer:
            chunks = answer.aiter_bytes()
            first = events(await anext(chunks))[0]

    key = "io.modelcontextprotocol/subscriptionId"
    assert first["params"]["_meta"][key] == "L"


async def test_a_modern_caller_that_leaves_cancels_at_the_process() -> None:
    body = orjson.dumps(modern("tools/call", name="wait"))
    headers = {
        **JSON,
        "mcp-protocol-version": NEW,
        "mcp-method": "tools/call",
        "mcp-name": "wait",
    }
    async with stdio_rig(*BOTH) as made, made.raw() as raw, made.raw() as second:
        await call(raw, "pid")  # its process runs
        async with asyncio.TaskGroup() as group:
            post = raw.http.post(made.url, content=body, headers=headers)
            task = group.create_task(post)
            await until(lambda: made.proxy.backends.in_flight)
            task.cancel()
        await until(lambda: not made.proxy.backends.in_flight)
        told = await call(second, "cancelled")

    assert len(told["cancelled"]) == 1
