"""Callers that stand for all others."""

import pytest

from ostiary_cli.access.witnesses import callers_in, covers, is_class, names_in, shown, subjects_in
from ostiary_proxy import config
from ostiary_proxy.callers import Caller


def section(*subjects: config.Subject, deny: tuple[config.Subject, ...] = ()) -> config.Server:
    rule = config.Rule(name="r", subjects=subjects, allow=config.Allow(tools=("get_*",)))
    denial = config.Deny(tools=("*_secret",), subjects=deny)
    policy = config.Policy(namespace="t", name="p", rules=(rule,), deny=(denial,))
    return config.Server(
        namespace="t",
        name="s",
        uid="",
        url="",
        audiences=(),
        hosts=(),
        backend=config.StdioBackend(),
        policies=(policy, policy.model_copy(update={"mode": "Observe", "name": "o"})),
        tools=config.ToolFilter(deny=("drop",), effects={"ReadOnly": ("list_*",)}),
    )


def account(name: str, *places: str) -> config.Subject:
    return config.Subject(kind="serviceAccount", names=(name,), namespaces=places or None)


def oidc(**claims: tuple[str, ...]) -> config.Subject:
    return config.Subject(kind="oidc", issuer="https://i", claims=claims)


def test_names_meet_in_each_namespace() -> None:
    found = callers_in([section(account("a*", "x"), deny=(account("*b"),))])

    assert found.complete
    assert {it.principal for it in found.callers} == {
        *(f"system:serviceaccount:x:{name}" for name in ("a*", "*b", "a*b")),
        "system:serviceaccount:*:*b",
    }


def test_claims_are_borne_value_by_value_and_together() -> None:
    user = config.Subject(kind="user", names=("mallory",))
    found = callers_in([section(oidc(groups=("a", "b")), oidc(org=("c",)), deny=(user,))])

    said = {shown(it) for it in found.callers}
    assert "user:mallory" in said
    assert {
        "oidc:https://i",
        "oidc:https://i with groups=a",
        "oidc:https://i with groups=b named mallory",
        "oidc:https://i with groups=a, org=c",
    } <= said


def test_every_name_that_is_mentioned_and_where_two_meet() -> None:
    found, complete = names_in([section(account("a"))])

    assert complete
    assert set(found["tool"]) == {
        *("*", "get_*", "*_secret", "drop", "list_*", "get_*_secret", "list_*_secret"),
        *("get_secret", "list_secret"),
    }
    assert len(subjects_in([section(account("a"))])) == 1


LABELS = {"a": {"team": "x"}, "{team=x}": {"team": "x"}, "{}": {}}


@pytest.mark.parametrize(
    ("general", "special", "does"),
    [
        (Caller.service_account("*", "a*"), Caller.service_account("n", "ab"), True),
        (Caller.service_account("n", "a*"), Caller.service_account("m", "ab"), False),
        (Caller.service_account("{team=x}", "*"), Caller.service_account("a", "b"), True),
        (Caller.service_account("{team=x}", "*"), Caller.service_account("b", "b"), False),
        (Caller.service_account("{}", "*"), Caller.service_account("b", "b"), True),
        (Caller.service_account("a", "b"), Caller.service_account("{team=x}", "b"), False),
        (Caller.token("n", "*"), Caller.service_account("n", "a"), False),
        (Caller.user("*"), Caller.user("a", issuer="https://i"), True),
        (Caller.user("*", issuer="https://i"), Caller.user("a"), False),
        (
            Caller.user("*", issuer="https://i", groups=["g"], claims={"o": "1"}),
            Caller.user("a", issuer="https://i", groups=["g", "h"], claims={"o": ["1", "2"]}),
            True,
        ),
        (
            Caller.user("*", issuer="https://i", groups=["g"]),
            Caller.user("a", issuer="https://i"),
            False,
        ),
        (Caller.anonymous(), Caller.anonymous(), True),
    ],
)
def test_one_stands_for_another(general: Caller, special: Caller, does: bool) -> None:
    assert covers(general, special, LABELS) is does


def test_too_many_is_said() -> None:
    many = [account(f"n{n}", *(f"p{place}" for place in range(60))) for n in range(350)]

    assert not callers_in([section(*many)]).complete
    assert is_class("{team=x}")
