"""A Service, read for the pods and the port behind it."""

from typing import Any

import pytest
from tests.operator.build import LEGACY, service

from ostiary_operator.api.source import ServiceSource
from ostiary_operator.render.workload import Unusable, Workload, read_service


def read(spec: dict[str, Any] | None) -> Workload | Unusable:
    wanted = service().spec.service
    assert isinstance(wanted, ServiceSource)
    found = None if spec is None else {"spec": {**LEGACY["spec"], **spec}}
    return read_service(wanted, "tools", found)


def test_the_pods_are_those_of_its_selector_and_the_port_is_theirs() -> None:
    assert read({}) == Workload({"app": "legacy"}, "web", 80)
    assert read({"ports": [{"port": 80, "targetPort": 8000}]}) == Workload(
        {"app": "legacy"}, 8000, 80
    )
    assert read({"ports": [{"port": 80}]}) == Workload({"app": "legacy"}, 80, 80)


def test_a_headless_service_is_dialled_on_the_pods_own_port() -> None:
    found = read({"clusterIP": "None", "ports": [{"port": 80, "targetPort": 8000}]})

    assert found == Workload({"app": "legacy"}, 8000, 8000)


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        (None, "ServiceNotFound", "Service tools/legacy-mcp not found: create it"),
        ({"selector": {}}, "ServiceUnusable", "selects no pods"),
        ({"selector": None}, "ServiceUnusable", "selects no pods"),
        (
            {"type": "ExternalName", "externalName": "metadata.google.internal"},
            "ServiceUnusable",
            "is an ExternalName",
        ),
        ({"ports": [{"port": 81}, {"port": 82}]}, "ServiceUnusable", "its ports: 81, 82"),
        ({"ports": [{"port": 80, "protocol": "UDP"}]}, "ServiceUnusable", "no TCP port 80"),
        ({"ports": None}, "ServiceUnusable", "its ports: none"),
        ({"clusterIP": "None"}, "ServiceUnusable", "write targetPort as a number"),
    ],
)
def test_a_service_that_names_no_pods_or_no_port_says_so(
    spec: dict[str, Any] | None, reason: str, words: str
) -> None:
    found = read(spec)

    assert isinstance(found, Unusable)
    assert found.reason == reason
    assert words in found.message
