"""Which rules allow something, and on what conditions."""

from hypothesis import given
from tests.cli.access.written import world, written_policies
from tests.proxy.test_policy import arguments, callers, filters, names, rules_of

from ostiary_cli.access.engine import Engine, Grant, Granted, is_left_open, looks_at_arguments
from ostiary_proxy import config
from ostiary_proxy.policy import Allow, Caller, Target, decide

PLANNER = Caller.service_account("agents", "planner")
PLANNERS = config.Subject(kind="serviceAccount", names=("plan*",), namespaces=("agents",))


def rule(name: str, when: str = "", *tools: str) -> config.Rule:
    allow = config.Allow(tools=tools or ("*",))
    return config.Rule(name=name, subjects=(PLANNERS,), allow=allow, when=when)


def engine(*policies: config.Policy, **more: object) -> Engine:
    standing = world(policies)
    return Engine(standing.section(standing.servers["tools/time"]), **more)  # type: ignore[arg-type]


def policy(*rules: config.Rule, name: str = "p", top: bool = False) -> config.Policy:
    return config.Policy(namespace="tools", name=name, rules=rules, ceiling=top, caps=top)


@given(written_policies, filters.filter(lambda it: it.allow != ()), callers, names, arguments)
def test_what_is_allowed_is_allowed_by_what_is_named(
    policies: list[config.Policy],
    tools: config.ToolFilter,
    caller: Caller,
    name: str,
    args: dict[str, object],
) -> None:
    standing = world(policies, tools)
    section = standing.section(standing.servers["tools/time"])
    asked = Engine(section)
    target = Target("tool", name, args)

    outcome = asked.ask(target, caller)
    decision = asked.live(target, caller)

    assert decision == decide(target, caller, rules_of(*policies, tools=tools))
    if isinstance(decision, Allow):
        assert isinstance(outcome, Granted)
        assert (decision.policy, decision.rule) in {(it.policy, it.rule) for it in outcome.grants}
    elif isinstance(outcome, Granted):
        assert outcome.conditions


def test_a_condition_that_waits_for_the_call_is_carried_along() -> None:
    found = engine(
        policy(rule("a", "args.n == 1"), rule("b", "tool.name == 'x'"), rule("c", "", "y")),
        policy(rule("top", "caller.name == 'planner'"), name="top", top=True),
    )

    x, y = (found.ask(Target("tool", name), PLANNER) for name in "xy")

    assert isinstance(x, Granted)
    assert x.grants == (Grant("tools/p", "a", "args.n == 1"), Grant("tools/p", "b"))
    assert x.ceilings == (("tools/top", ("caller.name == 'planner'",)),)
    assert x.conditions == {frozenset({"caller.name == 'planner'"})}
    assert isinstance(y, Granted)
    assert {it.rule for it in y.grants} == {"a", "c"}
    assert found.admitting(PLANNER)


def test_without_rules_there_are_conditions_alone() -> None:
    found = engine(policy(rule("a", "args.n == 1"), rule("b", "args.n == 2")), by_rule=False)

    outcome = found.ask(Target("tool", "x"), PLANNER)

    assert isinstance(outcome, Granted)
    assert outcome.conditions == {frozenset({"args.n == 1", "args.n == 2"})}


def test_which_conditions_wait() -> None:
    texts = ("args.n == 1", "caller.name == 'x'", "tool.name == 'x'", "true")

    assert [is_left_open(it) for it in texts] == [True, True, False, False]
    assert [looks_at_arguments(it) for it in texts] == [True, False, False, False]


def test_a_method_that_nobody_knows_has_no_conditions() -> None:
    found = engine(policy(rule("a")))
    bound = engine(policy(rule("a", "args.n == 1")))

    assert found.ask(Target("unknown", "x"), PLANNER) == Granted((Grant("tools/p", "a"),))
    assert not isinstance(bound.ask(Target("unknown", "x"), PLANNER), Granted)
