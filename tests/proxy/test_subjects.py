"""Whom an entry of a policy speaks of: each kind of subject against each kind of caller."""

import pytest

from ostiary_proxy import config
from ostiary_proxy.callers import Caller
from ostiary_proxy.subjects import compile_subject

ISSUER = "https://id.example"
ACCOUNT = Caller.service_account("agents", "planner")
TOKEN = Caller.token("agents", "planner")
PERSONAL = Caller.user("planner")
ALICE = Caller.user(
    "alice@example.com",
    issuer=ISSUER,
    subject="1",
    groups=("readers", "staff"),
    claims={
        "groups": ["not-what-the-settings-map"],
        "scope": "mcp:read mcp:write",
        "tenant": "blue",
        "roles": ["a b", 7],
        "email_verified": True,
        "deep": {"tenant": "blue"},
    },
)
NOBODY = Caller.anonymous()
EVERYBODY = {
    "account": ACCOUNT,
    "token": TOKEN,
    "personal": PERSONAL,
    "alice": ALICE,
    "nobody": NOBODY,
    "gateway": Caller.catalogue("agents", "everyday", "g-1"),
}


def test_no_network_stands_for_what_a_gateway_sends() -> None:
    walled = compile_subject(config.Subject(kind="anonymous", network=True))
    anywhere = compile_subject(config.Subject(kind="anonymous"))
    relayed = [Caller.relayed_anonymous(), Caller.relayed_anonymous("g-1")]

    assert walled.matches(NOBODY)
    assert not any(walled.matches(caller) for caller in relayed)
    assert all(anywhere.matches(caller) for caller in relayed)


def admitted(subject: config.Subject) -> set[str]:
    compiled = compile_subject(subject)
    return {name for name, caller in EVERYBODY.items() if compiled.matches(caller)}


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (config.Subject(kind="serviceAccount", names=("*",), namespaces=None), {"account"}),
        (config.Subject(kind="token", names=("*",), namespaces=None), {"token"}),
        (config.Subject(kind="user", names=("*",)), {"personal", "alice"}),
        (config.Subject(kind="oidc", issuer=ISSUER), {"alice"}),
        (config.Subject(kind="anonymous"), {"nobody"}),
    ],
    ids=lambda it: it.kind if isinstance(it, config.Subject) else "",
)
def test_a_subject_never_speaks_of_another_kind_of_caller(
    subject: config.Subject, expected: set[str]
) -> None:
    assert admitted(subject) == expected


@pytest.mark.parametrize("kind", ["serviceAccount", "token"])
@pytest.mark.parametrize(
    ("names", "namespaces", "matches"),
    [
        (("planner",), ("agents",), True),
        (("plan*",), ("shop", "agents"), True),
        (("planner",), None, True),
        (("planner",), (), False),
        (("planner",), ("agent",), False),
        (("Planner",), ("agents",), False),
        ((), None, False),
    ],
)
def test_accounts_and_tokens_are_a_name_in_a_namespace(
    kind: str, names: tuple[str, ...], namespaces: tuple[str, ...] | None, matches: bool
) -> None:
    subject = config.Subject.model_validate(
        {"kind": kind, "names": names, "namespaces": namespaces}
    )

    assert bool(admitted(subject)) is matches


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("alice@example.com",), {"alice"}),
        (("*@example.com",), {"alice"}),
        (("planner",), {"personal"}),
        (("ALICE@example.com",), set()),
        (("corp:alice@example.com",), set()),
        ((), set()),
    ],
)
def test_users_are_known_by_name_whether_by_an_issuer_or_a_personal_token(
    names: tuple[str, ...], expected: set[str]
) -> None:
    assert admitted(config.Subject(kind="user", names=names)) == expected


@pytest.mark.parametrize(
    ("claims", "matches"),
    [
        ({}, True),
        ({"groups": ("readers",)}, True),
        ({"groups": ("writers", "staff")}, True),
        ({"groups": ("not-what-the-settings-map",)}, False),
        ({"groups": ("readers",), "tenant": ("blue",)}, True),
        ({"groups": ("readers",), "tenant": ("red",)}, False),
        ({"scope": ("mcp:write",)}, True),
        ({"scope": ("mcp:read mcp:write",)}, False),
        ({"scope": ("mcp",)}, False),
        ({"tenant": ("blu",)}, False),
        ({"roles": ("a b",)}, True),
        ({"roles": ("a",)}, False),
        ({"roles": ("7",)}, False),
        ({"email_verified": ("true",)}, True),
        ({"deep": ("blue",)}, False),
        ({"absent": ("x",)}, False),
        ({"tenant": ()}, False),
    ],
    ids=str,
)
def test_a_token_must_bear_one_value_of_every_claim_named(
    claims: dict[str, tuple[str, ...]], matches: bool
) -> None:
    subject = config.Subject(kind="oidc", issuer=ISSUER, claims=claims)

    assert ("alice" in admitted(subject)) is matches


@pytest.mark.parametrize("issuer", ["https://id.example/", "https://id.exampl", ""])
def test_another_issuers_token_is_nobodys(issuer: str) -> None:
    assert admitted(config.Subject(kind="oidc", issuer=issuer)) == set()
