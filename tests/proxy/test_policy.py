"""The decision: rules add up, a deny wins, and a list never shows what a call would refuse."""

import fnmatch
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy import config
from ostiary_proxy.conditions import Budget
from ostiary_proxy.observations import observe
from ostiary_proxy.policy import (
    Allow,
    Caller,
    Decision,
    Deny,
    Kind,
    Rules,
    Target,
    compile_rules,
    decide,
)

PLANNER = Caller.service_account("agents", "planner")
STRANGER = Caller.service_account("shop", "stranger")
NOBODY = Caller.anonymous()


def server(*policies: config.Policy, tools: config.ToolFilter | None = None) -> config.Server:
    return config.Server(
        namespace="tools",
        name="time",
        uid="u1",
        url="http://time.tools.svc/mcp",
        audiences=("http://time.tools.svc/mcp",),
        hosts=("time.tools.svc",),
        backend=config.StdioBackend(),
        policies=policies,
        tools=tools or config.ToolFilter(),
    )


def policy(
    *rules: config.Rule, deny: tuple[config.Deny, ...] = (), name: str = "p"
) -> config.Policy:
    return config.Policy(namespace="tools", name=name, rules=rules, deny=deny)


def rule(
    *subjects: config.Subject,
    tools: tuple[str, ...] | None = None,
    resources: tuple[str, ...] | None = None,
    prompts: tuple[str, ...] | None = None,
) -> config.Rule:
    allow = config.Allow(tools=tools, resources=resources, prompts=prompts)
    return config.Rule(name="r", subjects=subjects, allow=allow)


def account(name: str, namespaces: tuple[str, ...] | None) -> config.Subject:
    return config.Subject(kind="serviceAccount", names=(name,), namespaces=namespaces)


ANONYMOUS = config.Subject(kind="anonymous")
PLANNERS = account("plan*", ("agents",))


def rules_of(*policies: config.Policy, tools: config.ToolFilter | None = None) -> Rules:
    return compile_rules(server(*policies, tools=tools))


def allowed(rules: Rules, caller: Caller, kind: Kind, name: str = "") -> bool:
    return isinstance(decide(Target(kind, name), caller, rules), Allow)


@pytest.mark.parametrize("kind", ["tool", "resource", "prompt", "list", "protocol", "unknown"])
@pytest.mark.parametrize("caller", [PLANNER, NOBODY], ids=["account", "anonymous"])
def test_without_a_policy_everybody_is_refused(kind: Kind, caller: Caller) -> None:
    decision = decide(Target(kind, "x"), caller, rules_of())

    assert isinstance(decision, Deny)
    assert decision.reason == "NotAdmitted"


def test_a_rule_allows_what_its_lists_name_and_says_which_rule_it_was() -> None:
    rules = rules_of(policy(rule(PLANNERS, tools=("get_*",))))

    assert decide(Target("tool", "get_time"), PLANNER, rules) == Allow("tools/p", "r")
    assert not allowed(rules, PLANNER, "tool", "set_time")


def test_an_absent_list_grants_none_of_that_kind() -> None:
    rules = rules_of(policy(rule(PLANNERS, tools=("*",))))

    assert not allowed(rules, PLANNER, "resource", "time://now")
    assert not allowed(rules, PLANNER, "prompt", "now")


def test_resources_and_prompts_have_lists_of_their_own() -> None:
    rules = rules_of(policy(rule(PLANNERS, resources=("time://*",), prompts=("now",))))

    assert allowed(rules, PLANNER, "resource", "time://now")
    assert not allowed(rules, PLANNER, "resource", "file:///etc/passwd")
    assert allowed(rules, PLANNER, "prompt", "now")
    assert not allowed(rules, PLANNER, "tool", "now")


def test_rules_of_all_policies_add_up() -> None:
    rules = rules_of(
        policy(rule(PLANNERS, tools=("a",)), name="one"),
        policy(rule(PLANNERS, tools=("b",)), name="two"),
    )

    assert allowed(rules, PLANNER, "tool", "a")
    assert decide(Target("tool", "b"), PLANNER, rules) == Allow("tools/two", "r")


@pytest.mark.parametrize(
    ("subject", "admitted"),
    [
        (account("planner", ("agents",)), True),
        (account("planner", ("shop", "agents")), True),
        (account("planner", None), True),
        (account("planner", ()), False),
        (account("planner", ("agent",)), False),
        (account("*", ("agents",)), True),
        (account("Planner", ("agents",)), False),
        (config.Subject(kind="serviceAccount", names=(), namespaces=None), False),
        (ANONYMOUS, False),
    ],
    ids=str,
)
def test_a_subject_is_a_name_in_a_namespace(subject: config.Subject, admitted: bool) -> None:
    assert allowed(rules_of(policy(rule(subject, tools=("*",)))), PLANNER, "list") is admitted


def test_an_anonymous_rule_admits_nobody_else_and_only_such_a_rule_admits_nobody() -> None:
    open_rules = rules_of(policy(rule(ANONYMOUS, tools=("now",))))
    closed = rules_of(policy(rule(account("*", None), tools=("*",))))

    assert open_rules.admits_anonymous
    assert allowed(open_rules, NOBODY, "tool", "now")
    assert not allowed(open_rules, PLANNER, "list")
    assert not closed.admits_anonymous
    assert not allowed(closed, NOBODY, "list")


def test_lists_and_the_protocol_are_for_anybody_admitted() -> None:
    rules = rules_of(policy(rule(PLANNERS, prompts=("now",))))

    assert allowed(rules, PLANNER, "list", "tools/list")
    assert allowed(rules, PLANNER, "protocol", "ping")
    assert not allowed(rules, STRANGER, "list", "tools/list")


@pytest.mark.parametrize(
    ("tools", "passes"),
    [(("*",), True), (("get_*", "*"), True), (("**",), False), (("get_*",), False), (None, False)],
)
def test_an_unknown_method_needs_a_rule_for_every_tool(
    tools: tuple[str, ...] | None, passes: bool
) -> None:
    rules = rules_of(policy(rule(PLANNERS, tools=tools, prompts=("*",))))

    decision = decide(Target("unknown", "x/y"), PLANNER, rules)

    assert isinstance(decision, Allow) is passes
    if isinstance(decision, Deny):
        assert decision.reason == "UnknownMethod"


def test_a_deny_wins_over_every_rule_and_names_itself() -> None:
    rules = rules_of(
        policy(rule(PLANNERS, tools=("*",)), deny=(config.Deny(tools=("delete_*",)),)),
    )

    decision = decide(Target("tool", "delete_all"), PLANNER, rules)

    assert isinstance(decision, Deny)
    assert (decision.reason, decision.policy, decision.rule) == ("Denied", "tools/p", "deny[0]")
    assert allowed(rules, PLANNER, "tool", "get_all")


def test_a_deny_of_every_tool_denies_methods_that_nobody_knows() -> None:
    rules = rules_of(policy(rule(PLANNERS, tools=("*",)), deny=(config.Deny(tools=("*",)),)))
    some = rules_of(policy(rule(PLANNERS, tools=("*",)), deny=(config.Deny(tools=("x*",)),)))

    assert not allowed(rules, PLANNER, "unknown", "x/y")
    assert allowed(some, PLANNER, "unknown", "x/y")


def test_a_deny_by_subject_cuts_that_one_off_from_everything() -> None:
    rules = rules_of(
        policy(rule(account("*", None), tools=("*",)), deny=(config.Deny(subjects=(PLANNERS,)),)),
    )

    for kind in ("tool", "list", "protocol", "unknown"):
        assert not allowed(rules, PLANNER, kind, "x")
    assert allowed(rules, STRANGER, "tool", "x")


def test_a_deny_may_be_for_some_subjects_and_some_names() -> None:
    deny = config.Deny(tools=("delete_*",), subjects=(PLANNERS,))
    rules = rules_of(policy(rule(account("*", None), tools=("*",)), deny=(deny,)))

    assert not allowed(rules, PLANNER, "tool", "delete_all")
    assert allowed(rules, PLANNER, "tool", "get_all")
    assert allowed(rules, STRANGER, "tool", "delete_all")


def test_the_servers_own_filter_holds_for_everybody() -> None:
    tools = config.ToolFilter(allow=("get_*",), deny=("get_secret",))
    rules = rules_of(policy(rule(PLANNERS, tools=("*",))), tools=tools)

    assert allowed(rules, PLANNER, "tool", "get_time")
    assert not allowed(rules, PLANNER, "tool", "get_secret")
    assert not allowed(rules, PLANNER, "tool", "set_time")


def test_a_refused_name_says_the_same_whatever_refused_it() -> None:
    rules = rules_of(
        policy(rule(PLANNERS, tools=("a",)), deny=(config.Deny(tools=("b",)),)),
        tools=config.ToolFilter(deny=("c",)),
    )

    messages = set()
    for name in ("b", "c", "absent"):
        decision = decide(Target("tool", name), PLANNER, rules)
        assert isinstance(decision, Deny)
        messages.add(decision.message)

    assert len(messages) == 1


@pytest.mark.parametrize(
    "caller",
    [PLANNER, NOBODY, Caller.service_account("tools", "neighbour")],
    ids=["account", "anonymous", "same-namespace"],
)
def test_a_refusal_prints_a_policy_that_would_admit_the_caller(caller: Caller) -> None:
    decision = decide(Target("protocol", "initialize"), caller, rules_of())

    assert isinstance(decision, Deny)
    document = yaml.safe_load(decision.message[decision.message.index("apiVersion") :])
    assert document["kind"] == "MCPAccessPolicy"
    assert document["metadata"]["namespace"] == "tools"
    assert document["spec"]["targetRefs"] == [{"kind": "MCPServer", "name": "time"}]
    [entry] = document["spec"]["rules"][0]["from"]
    if caller is NOBODY:
        assert entry == {"anonymous": {}}
    else:
        assert entry["serviceAccounts"]["names"] == [caller.name]
    assert ("namespaces" in str(entry)) is (caller is PLANNER)


def test_names_from_outside_do_not_fill_the_memory() -> None:
    rules = rules_of(policy(rule(PLANNERS, tools=("*",))))

    for number in range(10_000):
        decide(Target("tool", f"t{number}"), PLANNER, rules)
        decide(Target("list"), Caller.service_account("agents", f"a{number}"), rules)

    assert len(rules.decided) <= 4096
    assert len(rules.selected) <= 4096


def users(*names: str) -> config.Subject:
    return config.Subject(kind="user", names=names)


def narrowed(name: str = "r", **more: Any) -> config.Rule:
    allow = more.pop("allow", {"tools": ("*",)})
    return config.Rule(
        name=name, subjects=(PLANNERS,), allow=config.Allow.model_validate(allow), **more
    )


def ceiling(*rules: config.Rule, deny: tuple[config.Deny, ...] = (), **more: Any) -> config.Policy:
    values: dict[str, Any] = {"name": "top", "caps": bool(rules), "mode": "Enforce"} | more
    return config.Policy(namespace="admin", ceiling=True, rules=rules, deny=deny, **values)


def test_people_are_admitted_by_name_and_denied_by_name() -> None:
    alice, mallory = Caller.user("alice"), Caller.user("mallory")
    rules = rules_of(
        policy(rule(users("*"), tools=("*",)), deny=(config.Deny(subjects=(users("mallory"),)),))
    )

    assert allowed(rules, alice, "tool", "x")
    assert not allowed(rules, mallory, "tool", "x")
    assert not allowed(rules, mallory, "list")


def test_two_tokens_of_one_user_are_decided_each_by_its_claims() -> None:
    subject = config.Subject(
        kind="oidc", issuer="https://id.example", claims={"groups": ("readers",)}
    )
    rules = rules_of(policy(rule(subject, tools=("*",))))
    reader, other = (
        Caller.user("alice", issuer="https://id.example", subject="1", groups=groups)
        for groups in (("readers",), ())
    )

    assert allowed(rules, reader, "tool", "x")
    assert not allowed(rules, other, "tool", "x")


EFFECTS = config.ToolFilter(effects={"ReadOnly": ("get_*",), "Idempotent": ("*_time",)})


@pytest.mark.parametrize(
    ("allow", "tools"),
    [
        ({"effects": ("ReadOnly",)}, ["get_time", "get_zone"]),
        ({"effects": ("ReadOnly",), "tools": ("*_zone", "set_*")}, ["get_zone"]),
        ({"effects": ("ReadOnly", "Idempotent")}, ["get_time", "get_zone", "set_time"]),
        ({"effects": ("Destructive",)}, []),
        ({"effects": (), "tools": ("*",)}, []),
        ({"effects": ("ReadOnly",), "prompts": ("*",)}, []),
    ],
    ids=str,
)
def test_effects_narrow_tools_and_alone_they_are_all_tools_of_these_effects(
    allow: dict[str, Any], tools: list[str]
) -> None:
    rules = rules_of(policy(narrowed(allow=allow)), tools=EFFECTS)

    every = ("get_time", "get_zone", "set_time", "drop")
    found = [it for it in every if allowed(rules, PLANNER, "tool", it)]

    assert found == tools
    assert not allowed(rules, PLANNER, "unknown", "x/y")


def test_effects_say_nothing_of_prompts() -> None:
    rules = rules_of(policy(narrowed(allow={"effects": ("ReadOnly",), "prompts": ("p",)})))

    assert allowed(rules, PLANNER, "prompt", "p")


EUROPE = narrowed(when="args.timezone.startsWith('Europe/')")


def called(rules: Rules, **args: Any) -> Decision:
    return decide(Target("tool", "get_time", args), PLANNER, rules)


def test_a_tool_with_a_condition_is_listed_and_its_arguments_are_asked_at_each_call() -> None:
    rules = rules_of(policy(EUROPE))

    refused = called(rules, timezone="Asia/Tokyo")

    assert allowed(rules, PLANNER, "tool", "get_time")
    assert isinstance(called(rules, timezone="Europe/Paris"), Allow)
    assert isinstance(refused, Deny)
    assert (refused.reason, refused.policy, refused.rule) == ("Condition", "tools/p", "r")
    assert isinstance(called(rules), Deny)
    assert not allowed(rules, PLANNER, "unknown", "x/y")


def test_a_rule_without_a_condition_is_enough() -> None:
    rules = rules_of(policy(EUROPE, narrowed("plain", allow={"tools": ("get_*",)})))

    assert called(rules, timezone="Asia/Tokyo") == Allow("tools/p", "plain")


@pytest.mark.parametrize("when", ["args.", "1 +", "nothing.x == 1", "args.a.matches(args.b)"])
def test_a_condition_that_is_not_understood_allows_nothing_and_lists_nothing(when: str) -> None:
    rules = rules_of(policy(narrowed(when=when)))

    assert not allowed(rules, PLANNER, "tool", "get_time")
    assert isinstance(called(rules, a="x", b="x"), Deny)


def test_a_condition_on_the_caller_alone_decides_what_is_listed() -> None:
    subject = config.Subject(kind="user", names=("*",))
    open_to = config.Rule(
        name="r",
        subjects=(subject,),
        allow=config.Allow(tools=("*",)),
        when="'readers' in caller.groups && tool.name != 'drop'",
    )
    rules = rules_of(policy(open_to))
    reader, other = Caller.user("a", groups=["readers"]), Caller.user("b")

    assert allowed(rules, reader, "tool", "get_time")
    assert not allowed(rules, reader, "tool", "drop")
    assert allowed(rules, reader, "list")
    assert not allowed(rules, other, "tool", "get_time")


def test_a_caller_whom_every_condition_keeps_out_is_not_admitted() -> None:
    rules = rules_of(policy(narrowed(when="caller.name == 'somebody'")))

    assert not allowed(rules, PLANNER, "list")


def test_all_that_is_decided_for_one_request_shares_a_budget() -> None:
    """Security row 27: not each observed policy has one of its own."""
    strict = policy(narrowed(when="args.timezone == 'x'"), name="w")
    watching = [
        strict.model_copy(
            update={"mode": "Observe", "ceiling": True, "caps": True, "name": f"w{n}"}
        )
        for n in range(5)
    ]
    rules = rules_of(policy(EUROPE), *watching)
    target, budget = Target("tool", "get_time", {"timezone": "Europe/Paris"}), Budget(250.0)

    decision = decide(target, PLANNER, rules, budget)
    some = observe(target, PLANNER, rules, decision, budget)

    assert isinstance(decision, Allow)
    assert 0 < len(some) < 5
    assert len(observe(target, PLANNER, rules, decision)) == 5


def test_what_a_spent_budget_refused_is_not_remembered() -> None:
    rules = rules_of(policy(narrowed(when="tool.name == 'get_time'")))
    other = rules_of(policy(narrowed(when="caller.namespace == 'agents'")))

    for each in (rules, other):
        spent = decide(Target("tool", "get_time"), PLANNER, each, Budget(1.0))

        assert isinstance(spent, Deny)
        assert allowed(each, PLANNER, "tool", "get_time")


def test_the_rule_that_limits_the_least_is_the_one_that_counts() -> None:
    slow, fast = (config.Rate(requestsPerSecond=n, burst=n) for n in (1, 9))
    limited = (narrowed("slow", rate=slow), narrowed("fast", rate=fast))

    assert decide(Target("tool", "x"), PLANNER, rules_of(policy(*limited))) == Allow(
        "tools/p", "fast", fast
    )
    free = rules_of(policy(*limited, narrowed("free")))
    assert decide(Target("tool", "x"), PLANNER, free) == Allow("tools/p", "free")


def test_a_ceiling_grants_nothing_and_narrows_what_others_grant() -> None:
    top = ceiling(narrowed(allow={"tools": ("get_*",)}))

    assert not allowed(rules_of(top), PLANNER, "tool", "get_time")
    both = rules_of(top, policy(narrowed()))
    assert allowed(both, PLANNER, "tool", "get_time")
    assert not allowed(both, PLANNER, "tool", "set_time")
    assert not allowed(both, PLANNER, "unknown", "x/y")


def test_whom_a_ceiling_does_not_speak_of_it_does_not_admit() -> None:
    rules = rules_of(
        ceiling(rule(users("alice"), tools=("*",))), policy(rule(PLANNERS, tools=("*",)))
    )

    decision = decide(Target("protocol"), PLANNER, rules)

    assert isinstance(decision, Deny)
    assert (decision.reason, decision.policy) == ("NotAdmitted", "admin/top")


def test_a_ceiling_with_a_denial_alone_takes_away_that_and_nothing_else() -> None:
    rules = rules_of(ceiling(deny=(config.Deny(tools=("drop",)),)), policy(narrowed()))

    assert allowed(rules, PLANNER, "tool", "get_time")
    assert not allowed(rules, PLANNER, "tool", "drop")


def test_a_ceiling_whose_rules_are_all_invalid_lets_nobody_through() -> None:
    rules = rules_of(ceiling(caps=True), policy(narrowed()))

    assert not allowed(rules, PLANNER, "tool", "get_time")


def test_a_condition_of_a_ceiling_is_asked_too() -> None:
    rules = rules_of(
        ceiling(narrowed(when="args.timezone.startsWith('Europe/')")), policy(narrowed())
    )

    assert isinstance(called(rules, timezone="Europe/Paris"), Allow)
    refused = called(rules, timezone="Asia/Tokyo")
    assert isinstance(refused, Deny)
    assert (refused.reason, refused.policy) == ("Condition", "admin/top")


names = st.sampled_from(["get_time", "get_zone", "set_time", "delete_all", "x"])
globs = st.lists(
    st.one_of(names, st.sampled_from(["*", "get_*", "*_time", "d*l", "nothing"])), max_size=3
).map(tuple)
lists = st.one_of(st.none(), globs)
effects = st.sampled_from(["ReadOnly", "Idempotent", "Destructive", "OpenWorld"])
some_subjects = st.lists(
    st.one_of(
        st.just(ANONYMOUS),
        st.builds(
            account,
            st.sampled_from(["planner", "*", "plan*", "other"]),
            st.sampled_from([None, (), ("agents",), ("shop", "agents")]),
        ),
        st.builds(users, st.sampled_from(["alice", "*", "bob"])),
        st.builds(
            lambda issuer, claims: config.Subject(kind="oidc", issuer=issuer, claims=claims),
            st.sampled_from(["https://id.example", "https://other.example"]),
            st.sampled_from([{}, {"groups": ("readers",)}, {"groups": ("x",), "a": ("b",)}]),
        ),
        st.builds(
            lambda namespaces: config.Subject(kind="token", names=("ci",), namespaces=namespaces),
            st.sampled_from([None, ("tools",), ("shop",)]),
        ),
    ),
    max_size=2,
).map(tuple)
conditions = st.sampled_from(
    ["", "", "args.n == 1", "!has(args.n)", "caller.kind == 'user'", "tool.name != 'x'", "broken("]
)
some_rules = st.builds(
    lambda who, tools, prompts, effect, when: config.Rule(
        name="r",
        subjects=who,
        allow=config.Allow(tools=tools, prompts=prompts, effects=effect),
        when=when,
    ),
    some_subjects,
    lists,
    lists,
    st.one_of(st.none(), st.none(), st.lists(effects, max_size=2).map(tuple)),
    conditions,
)
some_denials = st.builds(
    lambda who, tools, prompts: config.Deny(subjects=who, tools=tools, prompts=prompts),
    some_subjects,
    lists,
    lists,
)


def one_policy(mode: str, top: bool, rules: Any, deny: Any) -> config.Policy:
    return config.Policy.model_validate(
        {
            "namespace": "tools",
            "name": f"{mode}-{top}",
            "mode": mode,
            "ceiling": top,
            "caps": top and bool(rules),
            "rules": rules,
            "deny": deny,
        }
    )


policy_of = st.builds(
    one_policy,
    st.sampled_from(["Enforce", "Enforce", "Observe"]),
    st.sampled_from([False, False, True]),
    st.lists(some_rules, max_size=3).map(tuple),
    st.lists(some_denials, max_size=2).map(tuple),
)
some_policies = st.lists(policy_of, max_size=4)
filters = st.builds(
    config.ToolFilter, allow=lists, deny=globs, effects=st.dictionaries(effects, globs, max_size=2)
)
READER = Caller.user(
    "alice", issuer="https://id.example", subject="1", groups=("readers",), claims={"a": "b"}
)
callers = st.sampled_from(
    [PLANNER, STRANGER, NOBODY, READER, Caller.user("bob"), Caller.token("tools", "ci")]
)
arguments = st.sampled_from([{}, {"n": 1}, {"n": 2}])


@given(some_policies, filters, callers, st.lists(names, unique=True), arguments)
def test_what_is_listed_is_exactly_what_may_be_called(
    policies: list[config.Policy],
    tools: config.ToolFilter,
    caller: Caller,
    catalogue: list[str],
    args: dict[str, object],
) -> None:
    listing, calling = (rules_of(*policies, tools=tools) for _ in range(2))

    for kind in KINDS:
        listed = {name for name in catalogue if allowed(listing, caller, kind, name)}
        callable_ones = {it for it in reversed(catalogue) if allowed(calling, caller, kind, it)}
        ran = {
            it
            for it in catalogue
            if isinstance(decide(Target(kind, it, args), caller, calling), Allow)
        }

        assert listed == callable_ones
        assert ran <= listed
        book = {it: by_the_book(kind, it, caller, policies, tools, args) for it in catalogue}
        assert {it for it in catalogue if book[it][0]} == listed
        assert {it for it in catalogue if book[it][1]} == ran


KINDS: tuple[Kind, ...] = ("tool", "prompt")


def by_the_book(
    kind: str,
    name: str,
    caller: Caller,
    policies: list[config.Policy],
    tools: config.ToolFilter,
    args: dict[str, object],
) -> tuple[bool, bool]:
    """The rules of access.md once more, without memory, compilation or order: listed, callable."""
    enforced = [each for each in policies if each.mode == "Enforce"]
    grants = [one for each in enforced if not each.ceiling for one in each.rules]
    ceilings = [each.rules for each in enforced if each.caps]
    if any(
        _speaks(deny, kind, name) and (not deny.subjects or speak_of(deny.subjects, caller))
        for each in enforced
        for deny in each.deny
    ):
        return False, False
    if kind == "tool" and (
        not (tools.allow is None or glob(name, tools.allow)) or glob(name, tools.deny)
    ):
        return False, False
    has = {effect for effect, patterns in tools.effects.items() if glob(name, patterns)}
    verdicts = [
        [_verdict(one, kind, name, caller, has, args) for one in rules]
        for rules in (grants, *ceilings)
    ]
    return (
        all(any(listed for listed, _ in found) for found in verdicts),
        all(any(runs for _, runs in found) for found in verdicts),
    )


def _verdict(
    one: config.Rule, kind: str, name: str, caller: Caller, has: set[str], args: dict[str, object]
) -> tuple[bool, bool]:
    allow = one.allow
    given = {"tool": allow.tools, "prompt": allow.prompts}
    alone = allow.effects is not None and not any(
        it is not None for it in (allow.tools, allow.prompts, allow.resources)
    )
    named = (kind == "tool" and alone) or glob(name, given[kind])
    fits = kind != "tool" or allow.effects is None or bool(has & set(allow.effects))
    grants = named and fits and speak_of(one.subjects, caller)
    listed, runs = {
        "": (True, True),
        "args.n == 1": (True, args.get("n") == 1),
        "!has(args.n)": (True, "n" not in args),
        "caller.kind == 'user'": (caller.kind == "user",) * 2,
        "tool.name != 'x'": (name != "x",) * 2,
        "broken(": (False, False),
    }[one.when]
    return grants and listed, grants and runs


def _speaks(deny: config.Deny, kind: str, name: str) -> bool:
    given = {"tool": deny.tools, "prompt": deny.prompts}
    everything = not any(it is not None for it in (deny.tools, deny.prompts, deny.resources))
    return everything or glob(name, given[kind])


def glob(name: str, patterns: tuple[str, ...] | None) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns or ())


def speak_of(subjects: tuple[config.Subject, ...], caller: Caller) -> bool:
    return any(_is_meant(subject, caller) for subject in subjects)


def _is_meant(subject: config.Subject, caller: Caller) -> bool:
    if subject.kind == "oidc":
        bears = {"groups": set(caller.groups), "a": {caller.claims.get("a")}}
        return caller.issuer == subject.issuer and all(
            bears[claim] & set(values) for claim, values in subject.claims.items()
        )
    if subject.kind != caller.kind or subject.kind == "anonymous":
        return subject.kind == caller.kind
    lives = subject.namespaces is None or caller.namespace in subject.namespaces
    return glob(caller.name, subject.names) and (subject.kind == "user" or lives)


@given(some_policies, callers, st.lists(names, unique=True), arguments)
def test_one_more_deny_never_adds_a_tool(
    policies: list[config.Policy],
    caller: Caller,
    catalogue: list[str],
    args: dict[str, object],
) -> None:
    before = rules_of(*policies)
    after = rules_of(*policies, policy(deny=(config.Deny(tools=("get_*",)),), name="more"))

    for name in catalogue:
        target = Target("tool", name, args)
        was, is_now = (isinstance(decide(target, caller, it), Allow) for it in (before, after))
        assert was or not is_now
        assert not (is_now and name.startswith("get_"))


@given(some_policies, policy_of, callers, st.lists(names, unique=True), arguments)
def test_one_more_ceiling_never_adds_anything(
    policies: list[config.Policy],
    more: config.Policy,
    caller: Caller,
    catalogue: list[str],
    args: dict[str, object],
) -> None:
    top = more.model_copy(update={"ceiling": True, "caps": bool(more.rules), "mode": "Enforce"})
    before, after = rules_of(*policies), rules_of(*policies, top)

    for target in (Target("list"), *(Target("tool", name, args) for name in catalogue)):
        was, is_now = (isinstance(decide(target, caller, it), Allow) for it in (before, after))
        assert was or not is_now


@given(some_policies, policy_of, callers, st.lists(names, unique=True), arguments)
def test_a_policy_that_only_observes_changes_nothing_and_sees_what_it_would_change(
    policies: list[config.Policy],
    more: config.Policy,
    caller: Caller,
    catalogue: list[str],
    args: dict[str, object],
) -> None:
    enforced = [it for it in policies if it.mode == "Enforce"]
    watching = more.model_copy(update={"mode": "Observe"})
    in_force = more.model_copy(update={"mode": "Enforce"})
    before, observed, after = (
        rules_of(*enforced, *added) for added in ((), (watching,), (in_force,))
    )

    for target in (Target("list"), *(Target("tool", name, args) for name in catalogue)):
        decision = decide(target, caller, observed)
        assert decision == decide(target, caller, before)
        would = isinstance(decide(target, caller, after), Allow)
        expected = (
            ()
            if would == isinstance(decision, Allow)
            else ((f"tools/{more.name}", "allow" if would else "deny"),)
        )
        assert observe(target, caller, observed, decision) == expected
