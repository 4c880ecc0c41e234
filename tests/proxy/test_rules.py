"""Policies compiled; what they decide is in test_policy."""

from tests.proxy.test_policy import ANONYMOUS, PLANNERS, ceiling, policy, rule, rules_of

from ostiary_proxy import config
from ostiary_proxy.callers import Caller


def test_only_rules_in_force_make_a_request_without_a_token_worth_deciding() -> None:
    open_rule = rule(ANONYMOUS, tools=("now",))
    watching = policy(open_rule).model_copy(update={"mode": "Observe"})

    assert rules_of(policy(open_rule)).admits_anonymous
    assert not rules_of(ceiling(open_rule)).admits_anonymous
    assert not rules_of(watching).admits_anonymous


def test_an_observed_policy_has_rules_of_its_own_beside_those_in_force() -> None:
    watching = policy(rule(PLANNERS, tools=("*",)), name="w").model_copy(
        update={"mode": "Observe", "deny": (config.Deny(tools=("x",)),)}
    )
    rules = rules_of(policy(rule(PLANNERS, tools=("a",))), watching)

    (observed,) = rules.observed
    assert (len(rules.rules), len(rules.denials)) == (1, 0)
    assert (len(observed.rules.rules), len(observed.rules.denials)) == (2, 1)
    assert observed.rules.observed == ()


def test_a_tool_has_every_effect_whose_globs_name_it() -> None:
    tools = config.ToolFilter(effects={"ReadOnly": ("get_*",), "OpenWorld": ("*_url", "get_x")})
    rules = rules_of(tools=tools)

    assert rules.effects_of("get_x") == ("ReadOnly", "OpenWorld")
    assert rules.effects_of("set") == ()


def test_nobody_escapes_a_denial_by_the_network_that_it_names() -> None:
    subject = config.Subject(kind="anonymous", network=True)
    denying = config.Policy(namespace="tools", name="d", deny=(config.Deny(subjects=(subject,)),))
    [denial] = rules_of(denying).denials

    assert denial.concerns(Caller.anonymous())
    assert denial.concerns(Caller.relayed_anonymous("g-1"))
