"""Figures in the Prometheus format, with labels that nobody outside can multiply."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ostiary_proxy import metrics
from ostiary_proxy.metrics import Metrics, counter, gauge


def samples(figures: Metrics) -> dict[tuple[str, frozenset[str]], float]:
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(figures.text().decode())
        for sample in family.samples
    }


def test_requests_are_counted_and_timed() -> None:
    figures = Metrics()

    figures.request("tools/time", "tools/call", "allowed", 200, 0.02)
    figures.request("tools/time", "tools/call", "allowed", 200, 0.02)
    figures.request("tools/time", "tools/call", "denied", 403, 0.001)

    seen = samples(figures)
    by = frozenset({"tools/time", "tools/call"})
    assert seen["ostiary_requests_total", by | {"allowed", "200"}] == 2
    assert seen["ostiary_requests_total", by | {"denied", "403"}] == 1
    assert seen["ostiary_request_seconds_count", by] == 3
    assert seen["ostiary_request_seconds_bucket", by | {"0.001"}] == 1


def test_a_method_that_nobody_knows_is_counted_as_other() -> None:
    figures = Metrics()

    for number in range(100):
        figures.request("tools/time", f'evil/{number}"\n', "denied", -32601, 0.0)

    labels = frozenset({"tools/time", "other", "denied", "-32601"})
    assert samples(figures)["ostiary_requests_total", labels] == 100
    assert len(figures._bound) == 0


def test_series_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_CHILDREN", 5)
    figures = Metrics()

    for number in range(50):
        figures.request(f"ns/server-{number}", "tools/call", "allowed", 200, 0.0)

    counted = {
        labels: value
        for (name, labels), value in samples(figures).items()
        if name == "ostiary_requests_total"
    }
    assert len(counted) == 6
    assert counted[frozenset({"other", "tools/call", "allowed"})] == 45


@pytest.mark.parametrize("code", [0, 1, 99, 600, -31_999, -32_769, 2**70])
def test_a_code_of_a_servers_own_is_counted_as_other(code: int) -> None:
    figures = Metrics()

    figures.request("tools/time", "tools/call", "error", code, 0.0)
    figures.request("tools/time", "tools/call", "error", -32_603, 0.0)
    figures.request("tools/time", "tools/call", "error", 599, 0.0)

    named = {"tools/time", "tools/call", "error"}
    counted = [labels - named for name, labels in samples(figures) if name.endswith("_total")]
    assert counted == [{"other"}, {"-32603"}, {"599"}]


def test_gauges_go_up_and_down_and_are_bound_once() -> None:
    figures = Metrics()

    figures.inflight("tools/time").inc()
    figures.inflight("tools/time").inc()
    figures.inflight("tools/time").dec()
    figures.processes("tools/time", 3)

    assert figures.inflight("tools/time") is figures.inflight("tools/time")
    seen = samples(figures)
    assert seen["ostiary_requests_in_flight", frozenset({"tools/time"})] == 1
    assert seen["ostiary_backend_processes", frozenset({"tools/time"})] == 3


def test_figures_that_live_elsewhere_are_read_when_asked_for() -> None:
    figures = Metrics()
    state = {"lost": 1.0}
    figures.watch(
        lambda: iter([counter("x_lost", "Lost.", state["lost"]), gauge("x_now", "Now.", 7)])
    )

    before = samples(figures)
    state["lost"] = 5

    assert before["x_lost_total", frozenset()] == 1
    assert samples(figures)["x_lost_total", frozenset()] == 5
    assert before["x_now", frozenset()] == 7
