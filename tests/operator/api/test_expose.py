"""`spec.expose`: which URLs a way in from outside may have, and what they are made of.

Each rule stands on the real API server too: tests/crds/fixtures."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.operator.build import STDIO, server, server_manifest

from ostiary_operator.api import Invalid, parse_policy, parse_server

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "exposed" / "time.yaml"

URL = "https://mcp.example.com:8443/team/time"


def parsed(**expose: Any) -> Any:
    return parse_server(server_manifest(STDIO | {"expose": {"url": URL, **expose}}))


def test_a_url_has_a_host_and_a_path() -> None:
    expose = server(STDIO | {"expose": {"url": URL}}).spec.expose

    assert expose is not None
    assert (expose.host, expose.path) == ("mcp.example.com", "/team/time")


def test_peers_are_copied_verbatim() -> None:
    peers = [
        {
            "namespaceSelector": {"matchLabels": {"team": "edge"}},
            "podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
        },
        {"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.8/29"]}},
    ]

    found = parsed(allowFrom=peers)

    assert found.spec.expose.peers() == peers


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://mcp.example.com/time\n", "write https://HOST/PATH"),
        ("https://mcp.example.com/time\r\nx: y", "write https://HOST/PATH"),
        ("https://mcp.example.com@evil.example/time", "write https://HOST/PATH"),
        ("https://mcp.example.com\\evil/time", "write https://HOST/PATH"),
        ("https://mcp.example.com/time%0d%0a", "write https://HOST/PATH"),
        ("https://1.2.3/time", "write https://HOST/PATH"),
        ("https://0x7f000001/time", "write https://HOST/PATH"),
        ("https://kubernetes.default.svc/time", "belongs to the cluster"),
        ("https://tools/time", "belongs to the cluster"),
        ("https://mcp.example.com:443/time", "leave :443 out"),
        ("https://mcp.example.com/" + "a" * 490, "512"),
    ],
    ids=repr,
)
def test_a_hostile_url_is_refused_with_what_to_write(url: str, words: str) -> None:
    found = parsed(url=url)

    assert isinstance(found, Invalid)
    assert words in str(found)


def test_the_example_keeps_the_rules() -> None:
    exposed, people = yaml.safe_load_all(EXAMPLE.read_text())

    assert not isinstance(parse_server(exposed), Invalid)
    assert not isinstance(parse_policy(people), Invalid)
