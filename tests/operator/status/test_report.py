"""Fields that only the proxies know."""

from tests.operator.cluster_state import READY, pod, report, unavailable

from ostiary_operator.status import Observed
from ostiary_operator.status.report import reported


def test_the_first_pod_that_answers_speaks_for_all() -> None:
    observed = Observed(
        pods=(pod("b"), pod("a")),
        reports={"uid-a": report(unavailable("NoAnswer")), "uid-b": report()},
    )

    assert reported(observed, {}) == {
        "protocol": {"backend": "2025-11-25", "served": ["2025-06-18", "2025-11-25"]},
        "server": {"name": "mcp-time", "version": "1.4"},
        "tools": {
            "count": 2,
            "digest": "sha256:all",
            "items": [{"name": "a", "digest": "sha256:a"}, {"name": "b", "digest": "sha256:b"}],
        },
        "proxyVersion": "0.1.0",
    }


def test_what_was_known_stays_while_no_pod_answers() -> None:
    known = {"tools": {"count": 2}, "proxyVersion": "0.1.0", "url": "not this"}

    assert reported(Observed(pods=(pod(),)), known) == {
        "tools": {"count": 2},
        "proxyVersion": "0.1.0",
    }


def test_without_pods_nothing_is_known() -> None:
    assert reported(Observed(), {"tools": {"count": 2}}) == {}


def test_what_a_server_says_of_itself_is_cut() -> None:
    long = READY.model_copy(update={"serverName": "n" * 999, "served": ("v" * 99,) * 99})

    found = reported(Observed(pods=(pod(),), reports={"uid-time-1": report(long)}), {})

    assert len(found["server"]["name"]) == 256
    assert found["protocol"]["served"] == ["v" * 64] * 16


def test_what_no_bridge_can_carry_is_listed() -> None:
    """protocol.md 6.12."""
    legacy = READY.model_copy(update={"notBridged": ("Tasks", "ElicitationIds")})

    found = reported(Observed(pods=(pod(),), reports={"uid-time-1": report(legacy)}), {})

    assert found["protocol"]["notBridged"] == ["Tasks", "ElicitationIds"]
