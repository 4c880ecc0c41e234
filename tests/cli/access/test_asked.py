"""Whom the command line asks about."""

from dataclasses import replace

import pytest
from tests.cli.access.written import world

from ostiary_cli.access.asked import arguments_of, asker, parse_principal, target_of
from ostiary_cli.endpoint import CallFailed
from ostiary_operator.trusted_issuers import TrustedIssuer
from ostiary_proxy.callers import Caller
from ostiary_proxy.policy import Target

PRIMARY = TrustedIssuer(name="corp", url="https://corp.x", primary=True, groupsClaim="roles")
OTHER = TrustedIssuer(name="ext", url="https://ext.x")


@pytest.mark.parametrize(
    ("text", "caller"),
    [
        ("system:serviceaccount:a:b", Caller.service_account("a", "b")),
        ("token:a:b", Caller.token("a", "b")),
        ("user:alice", Caller.user("alice")),
        ("user:ext:alice", Caller.user("ext:alice")),
        ("anonymous", Caller.anonymous()),
    ],
)
def test_a_principal_is_written_as_the_audit_writes_it(text: str, caller: Caller) -> None:
    assert parse_principal(text, "--as") == caller


@pytest.mark.parametrize(
    "text",
    ["", "alice", "user:", "token:a", "token::b", "system:serviceaccount:a", "system:node:x"],
)
def test_what_is_no_principal_is_refused(text: str) -> None:
    with pytest.raises(CallFailed, match="write system:serviceaccount:NAMESPACE:NAME"):
        parse_principal(text, "--as")


@pytest.mark.parametrize(
    ("text", "claims", "issuer", "groups"),
    [
        ("user:alice", ["roles=a", "roles=b"], "https://corp.x", ("a", "b")),
        ("user:alice", ['roles=["a"]'], "https://corp.x", ("a",)),
        ("user:ext:alice", ["groups=a"], "https://ext.x", ("a",)),
        ("user:alice", ["iss=https://other", "groups=a"], "https://other", ("a",)),
        ("user:alice", [], "https://corp.x", ()),
    ],
)
def test_the_issuer_follows_from_the_name_or_is_given(
    text: str, claims: list[str], issuer: str, groups: tuple[str, ...]
) -> None:
    standing = replace(world([]), issuers=(PRIMARY, OTHER))

    found = asker(text, [], claims, standing).caller

    assert (found.issuer, found.groups) == (issuer, groups)


def test_arguments_are_an_object() -> None:
    assert arguments_of(None) is None
    assert arguments_of('{"a": 1}') == {"a": 1}
    assert target_of("read", "x://y", {}) == Target("resource", "x://y")
