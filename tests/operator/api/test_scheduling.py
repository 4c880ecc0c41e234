"""Scheduling passes through as it was written."""

from typing import Any

from tests.operator.build import stdio

SCHEDULING: dict[str, Any] = {
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "gpu", "operator": "Exists", "tolerationSeconds": 0}],
    "affinity": {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 1,
                    "preference": {
                        "matchExpressions": [{"key": "n", "operator": "Gt", "values": ["3"]}]
                    },
                }
            ]
        },
        "podAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "zone", "namespaceSelector": {}, "namespaces": ["a"]}
            ]
        },
    },
    "priorityClassName": "high",
}


def test_what_was_written_is_what_the_pod_gets() -> None:
    parsed = stdio(scheduling=SCHEDULING)

    assert parsed.spec.scheduling is not None
    assert parsed.spec.scheduling.as_manifest() == SCHEDULING
