"""Limits and tools of a server: what stands when little is said, and what is refused."""

import pytest
from tests.operator.build import STDIO, server, server_manifest

from ostiary_operator.api import Invalid, parse_server


def test_a_limit_per_caller_has_a_rate_and_may_leave_out_the_burst() -> None:
    found = server(STDIO | {"limits": {"perCaller": {"requestsPerSecond": 5}}}).spec.limits

    assert found is not None
    assert found.perCaller is not None
    assert (found.perCaller.requestsPerSecond, found.perCaller.burst) == (5, None)
    assert found.concurrency is None


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"limits": {"perCaller": {}}}, "spec.limits.perCaller.requestsPerSecond"),
        ({"limits": {"perCaller": {"requestsPerSecond": 0}}}, "requestsPerSecond"),
        ({"tools": {"effects": {"ReadOnly": []}}}, "spec.tools.effects.ReadOnly"),
        ({"tools": {"effects": {"Harmless": ["a"]}}}, "spec.tools.effects.Harmless"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_with_its_place(spec: dict[str, object], path: str) -> None:
    parsed = parse_server(server_manifest(STDIO | spec))

    assert isinstance(parsed, Invalid)
    assert path in str(parsed)
