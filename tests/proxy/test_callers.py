"""Callers: what stays the same about one, and what makes two of them differ."""

import pytest

from ostiary_proxy.callers import Caller

ALICE = "alice@example.com"


@pytest.mark.parametrize(
    ("caller", "principal"),
    [
        (Caller.service_account("agents", "planner"), "system:serviceaccount:agents:planner"),
        (Caller.token("tools", "ci"), "token:tools:ci"),
        (Caller.user(ALICE), f"user:{ALICE}"),
        (Caller.anonymous(), "anonymous"),
        (Caller.relayed_anonymous("g-1"), "anonymous"),
        (Caller.catalogue("agents", "everyday", "g-1"), "catalogue:agents/everyday"),
    ],
    ids=["account", "token", "user", "anonymous", "relayed", "catalogue"],
)
def test_a_principal_says_what_kind_of_caller_it_is(caller: Caller, principal: str) -> None:
    assert caller.principal == principal
    assert len(caller.digest) == 16
    assert caller.key


def test_no_two_kinds_of_caller_are_ever_the_same() -> None:
    callers = [
        Caller.service_account("a", "b"),
        Caller.token("a", "b"),
        Caller.user("token:a:b"),
        Caller.user("system:serviceaccount:a:b"),
        Caller.user("anonymous"),
        Caller.anonymous(),
        Caller.user("b", issuer="https://id.example", subject="1"),
        Caller.user("b", issuer="https://id.example", subject="2"),
        Caller.user("b"),
        Caller.user("catalogue:a/b"),
        Caller.catalogue("a", "b", "g-1"),
    ]

    assert len({caller.key for caller in callers}) == len(callers)
    assert len({caller.digest for caller in callers}) == len(callers)


def test_nobody_through_a_gateway_is_nobody_and_yet_decided_apart() -> None:
    straight, relayed = Caller.anonymous(), Caller.relayed_anonymous("g-1")

    assert straight.digest == relayed.digest
    assert straight.key != relayed.key
    assert (straight.through, relayed.through) == ("", "g-1")


def test_a_renewed_token_keeps_its_users_sessions_and_other_claims_are_decided_anew() -> None:
    before, after = (
        Caller.user(
            ALICE,
            issuer="https://id.example",
            subject="248289761001",
            groups=groups,
            claims={"groups": list(groups), "nested": {"a": [1]}},
        )
        for groups in (("readers",), ())
    )

    assert before.digest == after.digest
    assert before.key != after.key


def test_a_user_whose_name_was_given_to_somebody_else_is_somebody_else() -> None:
    one = Caller.user(ALICE, issuer="https://id.example", subject="1")
    other = Caller.user(ALICE, issuer="https://id.example", subject="2")

    assert one.principal == other.principal
    assert one.digest != other.digest


def test_a_name_that_is_no_text_still_makes_a_caller() -> None:
    assert Caller.user("\ud800").digest


def test_claims_cannot_be_changed_afterwards() -> None:
    claims: dict[str, object] = {"scope": "a"}
    caller = Caller.user(ALICE, claims=claims)

    claims["scope"] = "b"

    assert caller.claims["scope"] == "a"
