"""What a test does behind the API server's back."""

import base64
import json
from urllib.request import urlopen

from e2e.cluster.controlplane import ControlPlane


def vanish(plane: ControlPlane, key: str) -> None:
    """Out of etcd, past the API server: while that is down, no event will ever tell of it."""
    body = json.dumps({"key": base64.b64encode(key.encode()).decode()}).encode()
    with urlopen(f"{plane.layout.etcd_url}/v3/kv/deleterange", data=body, timeout=10) as answer:
        assert json.load(answer)["deleted"] == "1"
