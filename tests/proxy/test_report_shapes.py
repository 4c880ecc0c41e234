"""The status report: an older operator reads a newer proxy's."""

from ostiary_proxy.report_shapes import StatusReport


def test_what_is_not_known_yet_is_passed_over() -> None:
    body = {"etag": "1", "version": "9", "generation": 3, "weather": "fine"}
    body["servers"] = [{"namespace": "a", "name": "b", "state": "Ready", "mood": "good"}]
    report = StatusReport.model_validate(body)
    assert report.generation == 3
    assert report.servers[0].state == "Ready"
    assert "weather" not in report.model_dump()
