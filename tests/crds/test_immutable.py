"""What never changes once it is made, on a real API server."""

import json
from typing import Any

import pytest
from e2e.cluster.kubectl import Kubectl

pytestmark = pytest.mark.usefixtures("crds")


def token(namespace: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "ostiary.dev/v1alpha1",
        "kind": "MCPAccessToken",
        "metadata": {"name": "ci", "namespace": namespace},
        "spec": {
            "sha256": "a" * 64,
            "expirationTime": "2027-01-01T00:00:00Z",
            "restrictTo": [{"kind": "MCPServer", "namespace": namespace, "name": "time"}],
            **spec,
        },
    }


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "b" * 64},
        {"expirationTime": "2028-01-01T00:00:00Z"},
        {"user": "mallory"},
        {"restrictTo": [{"kind": "MCPServer", "namespace": "kube-system", "name": "*"}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_no_field_of_a_tokens_spec_can_be_changed(
    kubectl: Kubectl, namespace: str, change: dict[str, Any]
) -> None:
    kubectl.apply(token(namespace))

    done = kubectl.run("replace", "-f", "-", stdin=json.dumps(token(namespace, **change)))

    assert done.returncode != 0
    assert "a token's spec never changes" in done.stderr
    kubectl("-n", namespace, "label", "mcpaccesstoken", "ci", "team=shop")
    kubectl("-n", namespace, "delete", "mcpaccesstoken", "ci")
