import socket

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ostiary_operator.metrics import Metrics, serve


async def ask(port: int, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        return answer.status, await answer.text()


async def test_the_metrics_page_tells_what_was_counted() -> None:
    metrics = Metrics()
    metrics.writes.labels("Deployment", "apply").inc(3)
    metrics.reconciles.labels("MCPServer", "ok").observe(0.02)

    async with serve(metrics, port=0, ready=lambda: True, host="127.0.0.1") as port:
        status, text = await ask(port, "/metrics")

    families = {family.name: family for family in text_string_to_metric_families(text)}
    written = families["ostiary_writes"].samples[0]
    assert status == 200
    assert written.labels == {"kind": "Deployment", "verb": "apply"}
    assert written.value == 3
    assert "ostiary_reconcile_seconds" in families
    assert "process_resident_memory_bytes" in families


async def test_every_metric_of_ours_says_what_it_means() -> None:
    ours = [f for f in Metrics().registry.collect() if f.name.startswith("ostiary_")]

    assert len(ours) == 10
    assert all(family.documentation.endswith(".") for family in ours)


async def test_a_process_that_starts_is_alive_and_not_ready() -> None:
    is_ready = False

    async with serve(Metrics(), port=0, ready=lambda: is_ready, host="127.0.0.1") as port:
        alive = await ask(port, "/healthz")
        early = await ask(port, "/readyz")
        is_ready = True
        late = await ask(port, "/readyz")

    assert alive == (200, "ok\n")
    assert early == (503, "starting\n")
    assert late == (200, "ok\n")


async def test_nobody_answers_once_it_was_left() -> None:
    async with serve(Metrics(), port=0, ready=lambda: True, host="127.0.0.1") as port:
        await ask(port, "/healthz")

    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(port, "/healthz")


async def test_a_port_that_is_taken_is_an_error_of_the_system() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]

        with pytest.raises(OSError, match="address already in use"):
            async with serve(Metrics(), port=taken, ready=lambda: True, host="127.0.0.1"):
                raise AssertionError("it began to answer")
