"""An audit line in sentences."""

from ostiary_cli.trail.words import told


def test_a_refusal_says_who_asked_what_and_what_decided() -> None:
    said = "\n".join(
        told(
            {
                "id": "01M8B2V761SSB3E2XFSFYR8M66",
                "time": "2026-11-26T10:00:00Z",
                "outcome": "denied",
                "subject": "system:serviceaccount:agents:planner",
                "source": "10.0.0.7",
                "namespace": "tools",
                "server": "time",
                "method": "tools/call",
                "name": "delete_all",
                "policy": "tools/p",
                "rule": "deny[0]",
                "reason": "Denied",
                "status": 400,
                "generation": 7,
            }
        )
    )
    for words in ("denied", "agents:planner", "delete_all", "tools/time", "tools/p, deny[0]", "7"):
        assert words in said
    assert "always wins" in said


def test_little_is_said_of_little() -> None:
    assert told({"id": "X", "event": "refusal", "time": "T"})[0] == "X: refusal at T"
