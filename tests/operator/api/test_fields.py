"""Shared field types: patterns as RE2 reads them, quantities, selectors."""

from typing import Any

import pytest
import re2
from tests.operator.build import STDIO, accounts, policy_manifest, rule, server_manifest

from ostiary_operator.api import Invalid, fields, parse_policy, parse_server

PATTERNS = {name: getattr(fields, name) for name in dir(fields) if name.endswith("_PATTERN")}


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_a_pattern_is_re2_and_anchored(pattern: str) -> None:
    re2.compile(pattern)

    assert pattern.startswith("^")
    assert pattern.endswith("$")


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (fields.DNS_LABEL_PATTERN, ["a", "a-1", "0a"], ["", "-a", "a-", "A", "a.b", "a\n"]),
        (fields.SUBDOMAIN_PATTERN, ["a", "a.b-c.d"], ["", ".a", "a..b", "a.", "A"]),
        (fields.LABEL_KEY_PATTERN, ["a", "A_b.c", "example.com/a"], ["", "/a", "a/", "a b", "-a"]),
        (fields.LABEL_VALUE_PATTERN, ["", "a", "A_b.c-1"], ["-a", "a-", "a b"]),
        (fields.GLOB_PATTERN, ["*", "get_*", "a b", "time://**"], ["", " a", "a ", "a\tb", "ä"]),
        (fields.ACCOUNT_GLOB_PATTERN, ["*", "agent-*", "a.b"], ["", "A", "a/b"]),
        (fields.QUANTITY_PATTERN, ["1", "100m", "1.5Gi", "1e3"], ["", "1MB", "lots", "1 Gi"]),
    ],
)
def test_a_pattern_takes_what_it_should(pattern: str, good: list[str], bad: list[str]) -> None:
    compiled = re2.compile(pattern)

    assert [text for text in good if not compiled.fullmatch(text)] == []
    assert [text for text in bad if compiled.fullmatch(text)] == []


@pytest.mark.parametrize("quantity", [0.5, True, "lots", -1, "1" * 33, None], ids=repr)
def test_what_is_no_quantity_is_refused_with_an_example(quantity: Any) -> None:
    parsed = parse_server(server_manifest(STDIO | {"resources": {"limits": {"cpu": quantity}}}))

    assert isinstance(parsed, Invalid)
    assert "write a quantity such as 500m, 2 or 256Mi" in str(parsed)


@pytest.mark.parametrize("port", [True, 1.5, "x" * 64], ids=repr)
def test_what_is_no_port_is_refused(port: Any) -> None:
    egress = {"mode": "Custom", "to": [{"podSelector": {}, "ports": [{"port": port}]}]}

    parsed = parse_server(server_manifest(STDIO | {"network": {"egress": egress}}))

    assert isinstance(parsed, Invalid)
    assert "write a whole number, or a name of 63 characters" in str(parsed)


def test_a_label_key_of_a_selector_is_checked() -> None:
    entry = accounts("a", selector={"matchLabels": {"no key": "x"}})

    parsed = parse_policy(policy_manifest(rule(entry)))

    assert isinstance(parsed, Invalid)
    assert "write [prefix/]name" in str(parsed)
