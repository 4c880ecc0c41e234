"""Entries of `from`: what stands in each kind, and what is said of a wrong one."""

from typing import Any

import pytest
import re2
from tests.operator.build import policy, policy_manifest, rule

from ostiary_operator.api import Invalid, parse_policy
from ostiary_operator.api.subjects import CLAIM_PATTERN, ISSUER_PATTERN

ISSUER = "https://id.example"


@pytest.mark.parametrize("pattern", [CLAIM_PATTERN, ISSUER_PATTERN])
def test_a_pattern_is_re2(pattern: str) -> None:
    re2.compile(pattern)


def test_claims_are_lists_of_values() -> None:
    (found,) = (
        policy(
            rule({"oidc": {"issuer": ISSUER, "claims": {"groups": ["readers", "staff"]}}})
        ).spec.rules
        or ()
    )

    assert found.from_[0].oidc is not None
    assert found.from_[0].oidc.claims == {"groups": ("readers", "staff")}


@pytest.mark.parametrize(
    ("entry", "path", "words"),
    [
        ({"oidc": {"claims": {}}}, "spec.rules[0].from[0].oidc.issuer", "required"),
        ({"oidc": {"issuer": "id.example"}}, "oidc.issuer", "does not match"),
        ({"oidc": {"issuer": ISSUER, "claims": {"groups": []}}}, "claims", "at least one"),
        ({"oidc": {"issuer": ISSUER, "claims": {"a b": ["c"]}}}, "claims", "printable"),
        ({"users": {"names": []}}, "users.names", "at least one"),
        ({"users": {"names": ["a"], "namespaces": {"from": "All"}}}, "namespaces", "no such"),
        ({"tokens": {"names": ["A"]}}, "tokens.names[0]", "does not match"),
        ({"anonymous": {}, "network": {}}, "network.namespaces", "required"),
    ],
    ids=str,
)
def test_a_wrong_entry_is_named_with_what_is_wrong(
    entry: dict[str, Any], path: str, words: str
) -> None:
    parsed = parse_policy(policy_manifest(rule(entry)))

    assert isinstance(parsed, Invalid)
    assert path in str(parsed)
    assert words in str(parsed)


def test_an_invalid_denial_denies_everything_to_everybody() -> None:
    parsed = parse_policy(policy_manifest(deny=[{"from": [{"users": {"names": "mallory"}}]}]))

    assert isinstance(parsed, Invalid)
    assert parsed.usable is not None
    (deny,) = parsed.usable.spec.deny or ()
    assert deny.from_ is None
    assert deny.tools == ("*",)


def test_a_denial_is_to_somebody_in_particular_or_to_everybody() -> None:
    found = policy(deny=[{"tools": ["x"]}, {"from": [{"users": {"names": ["mallory"]}}]}])

    everybody, mallory = found.spec.deny or ()
    assert everybody.from_ is None
    assert mallory.tools is None
