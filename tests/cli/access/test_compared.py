"""One server on two sides."""

from tests.cli.access.test_engine import policy, rule
from tests.cli.access.written import world

from ostiary_cli.access.compared import Presence, Side, compare
from ostiary_proxy import config
from ostiary_proxy.callers import Caller


def side(*policies: config.Policy) -> Side:
    standing = world(policies)
    return Side(standing.section(standing.servers["tools/time"]))


def told(old: Side, new: Side, *others: Presence) -> list[tuple[str, str, tuple[str, ...]]]:
    found = compare("tools/time", old, new, {}, others)
    assert found.complete
    return [(it.direction, it.kind, it.names) for it in found.changes]


def test_a_wider_pattern_shows_although_no_tool_is_known() -> None:
    old, new = side(policy(rule("a", "", "get_a"))), side(policy(rule("a", "", "get_*")))

    assert told(old, new) == [("gains", "tool", ("get_*",))]
    assert told(new, old) == [("loses", "tool", ("get_*",))]
    assert told(old, old) == []


def test_what_two_patterns_have_in_common_may_be_all_that_changes() -> None:
    denied = policy(rule("a", "", "get_*")).model_copy(
        update={"deny": (config.Deny(tools=("*_secret",)),)}
    )

    assert told(side(policy(rule("a", "", "get_*"))), side(denied)) == [
        ("loses", "tool", ("get_*_secret", "get_secret"))
    ]


def test_a_condition_more_or_less_or_another() -> None:
    free, bound = side(policy(rule("a", "", "x"))), side(policy(rule("a", "args.n == 1", "x")))
    other = side(policy(rule("a", "args.n == 2", "x")))

    assert told(free, bound) == [("loses", "tool", ("x",))]
    assert told(bound, free) == [("gains", "tool", ("x",))]
    assert told(bound, other) == [("changes", "tool", ("x",))]


def test_every_tool_is_also_every_method() -> None:
    assert told(side(), side(policy(rule("a")))) == [
        ("gains", "tool", ("*",)),
        ("gains", "unknown", ("*",)),
    ]


def test_a_server_that_is_not_there_and_a_caller_who_is_not() -> None:
    it = side(policy(rule("a", "", "x")))
    planner = Presence(Caller.service_account("agents", "planner"), "he", new=False)

    assert told(Side(None), it) == [("gains", "tool", ("x",))]
    assert told(it, it, planner) == [("loses", "tool", ("x",))]
