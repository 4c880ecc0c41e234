"""MCPAccessToken: what can be written."""

from typing import Any

import pytest
from tests.operator.build import token, token_manifest

from ostiary_operator.api import Invalid, parse_token
from ostiary_operator.crdgen import KINDS, definition


def test_the_time_it_ends_is_read_in_any_offset() -> None:
    assert token(expires="2030-01-01T00:00:00Z").spec.expires == 1893456000
    assert token(expires="2030-01-01T02:00:00+02:00").spec.expires == 1893456000


WRONG: dict[str, dict[str, Any]] = {
    "no hash": {"sha256": None},
    "the token itself": {"sha256": "ost_abcdefgh_" + "a" * 38},
    "capitals": {"sha256": "A" * 64},
    "short": {"sha256": "a" * 63},
    "no end": {"expirationTime": None},
    "a day": {"expirationTime": "2030-01-01"},
    "no offset": {"expirationTime": "2030-01-01T00:00:00"},
    "no such month": {"expirationTime": "2030-13-01T00:00:00Z"},
    "never": {"expirationTime": "never"},
    "no reach": {"restrictTo": None},
    "an empty reach": {"restrictTo": []},
    "another kind": {"restrictTo": [{"kind": "MCPThing", "namespace": "a", "name": "b"}]},
    "a glob": {"restrictTo": [{"kind": "MCPServer", "namespace": "a", "name": "b*"}]},
    "every namespace": {"restrictTo": [{"kind": "MCPServer", "namespace": "*", "name": "b"}]},
    "twice the same": {"restrictTo": [{"kind": "MCPServer", "namespace": "a", "name": "b"}] * 2},
    "a user with a line break": {"user": "alice\n"},
    "a user of blanks": {"user": " "},
    "a secret": {"secret": "x"},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_what_is_no_token_is_refused(change: dict[str, Any]) -> None:
    manifest = token_manifest()
    manifest["spec"] |= change
    manifest["spec"] = {key: value for key, value in manifest["spec"].items() if value is not None}

    assert isinstance(parse_token(manifest), Invalid)


@pytest.mark.parametrize("user", ["", "alice@example.com", "CN=Alice Doe", "oidc:alice", "a" * 256])
def test_a_user_is_whatever_kubernetes_calls_them(user: str) -> None:
    assert token(user=user).spec.user == user


def test_its_spec_never_changes() -> None:
    kind = next(it for it in KINDS if it.kind == "MCPAccessToken")
    (version,) = definition(kind)["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]

    assert [it["rule"] for it in spec["x-kubernetes-validations"]] == ["self == oldSelf"]
