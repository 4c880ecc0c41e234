"""What observed policies would have changed; that it changes nothing is in test_policy."""

from tests.proxy.test_policy import PLANNER, PLANNERS, policy, rule, rules_of

from ostiary_proxy import config
from ostiary_proxy.observations import Observations, observe
from ostiary_proxy.policy import Target, decide


def watching(name: str, *rules: config.Rule, deny: tuple[config.Deny, ...] = ()) -> config.Policy:
    return policy(*rules, deny=deny, name=name).model_copy(update={"mode": "Observe"})


def test_each_observed_policy_is_asked_by_itself() -> None:
    rules = rules_of(
        policy(rule(PLANNERS, tools=("get_*",))),
        watching("opens", rule(PLANNERS, tools=("*",))),
        watching("closes", deny=(config.Deny(tools=("get_time",)),)),
        watching("same", rule(PLANNERS, tools=("get_*",))),
    )

    def seen(tool: str) -> object:
        target = Target("tool", tool, {})
        return observe(target, PLANNER, rules, decide(target, PLANNER, rules))

    assert seen("get_time") == (("tools/closes", "deny"),)
    assert seen("drop") == (("tools/opens", "allow"),)
    assert seen("get_zone") == ()


def test_counts_are_kept_per_policy_while_it_is_observed() -> None:
    counts = Observations()
    counts.add("tools/time", (("tools/a", "deny"), ("tools/b", "allow")))
    counts.add("tools/time", (("tools/a", "deny"),))
    counts.add("tools/other", (("tools/a", "deny"),))

    both = counts.of("tools/time")
    counts.keep("tools/time", frozenset({"tools/b"}))

    assert [(it.policy, it.allow, it.deny) for it in both] == [
        ("tools/a", 0, 2),
        ("tools/b", 1, 0),
    ]
    assert [it.policy for it in counts.of("tools/time")] == ["tools/b"]
    assert counts.of("nothing") == ()
