"""Which scopes would have helped."""

from typing import Any

import pytest
from tests.proxy import documents, signing

from ostiary_proxy import config
from ostiary_proxy.callers import Caller
from ostiary_proxy.policy import Rules, Target, compile_rules
from ostiary_proxy.scopes import missing

ANYTHING = Target("protocol")


def subject(**claims: tuple[str, ...]) -> config.Subject:
    return config.Subject(kind="oidc", issuer=signing.OIDC, claims=claims)


def rules(*pairs: tuple[config.Subject, str], deny: tuple[str, ...] = ()) -> Rules:
    policy = config.Policy(
        namespace="tools",
        name="p",
        rules=tuple(
            config.Rule(name=f"r{n}", subjects=(who,), allow=config.Allow(tools=(tool,)))
            for n, (who, tool) in enumerate(pairs)
        ),
        deny=(config.Deny(tools=deny),) if deny else (),
    )
    return compile_rules(documents.server(policies=(policy,)))


def somebody(issuer: str = signing.OIDC, **claims: Any) -> Caller:
    groups = claims.pop("groups", ())
    return Caller.user("alice", issuer=issuer, subject="s", groups=groups, claims=claims)


def test_every_scope_of_the_rule_is_named() -> None:
    found = rules((subject(scope=("mcp.write", "mcp.admin")), "*"))

    assert missing(ANYTHING, somebody(scope="mcp.read"), found) == ("mcp.admin", "mcp.write")


def test_a_scope_as_entra_writes_it_counts_too() -> None:
    found = rules((subject(scp=("call",)), "*"))

    assert missing(ANYTHING, somebody(scp=["read"]), found) == ("call",)


def test_a_call_is_told_what_its_own_rule_asks_for() -> None:
    found = rules((subject(scope=("read",)), "get_*"), (subject(scope=("write",)), "set_*"))

    assert missing(Target("tool", "set_time"), somebody(scope="read"), found) == ("write",)
    assert missing(Target("tool", "drop_time"), somebody(scope="read"), found) == ()


@pytest.mark.parametrize(
    ("who", "caller"),
    [
        (subject(scope=("w",), groups=("admins",)), somebody()),
        (subject(groups=("admins",)), somebody()),
        (subject(scope=("w",)), somebody("https://other.example")),
        (subject(scope=("w",)), Caller.user("alice")),
        (subject(scope=("w",)), Caller.service_account("agents", "planner")),
        (subject(scope=('w"', "two words", "")), somebody()),
    ],
    ids=["group-too", "no-scope", "issuer", "personal", "account", "unfit"],
)
def test_where_scopes_would_not_help_none_is_named(who: config.Subject, caller: Caller) -> None:
    assert missing(ANYTHING, caller, rules((who, "*"))) == ()


def test_a_deny_is_not_cured_by_a_scope() -> None:
    found = rules((subject(scope=("w",)), "*"), deny=("drop_*",))

    assert missing(Target("tool", "drop_all"), somebody(), found) == ()
