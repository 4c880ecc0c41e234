"""The decision: rules add up, a deny wins, and a list never shows what a call would refuse."""

import fnmatch

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy import config
from ostiary_proxy.policy import Allow, Caller, Deny, Kind, Rules, Target, compile_rules, decide

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

    assert len(rules._decided) <= 4096
    assert len(rules._selected) <= 4096


names = st.sampled_from(["get_time", "get_zone", "set_time", "delete_all", "x"])
globs = st.lists(
    st.one_of(names, st.sampled_from(["*", "get_*", "*_time", "d*l", "nothing"])), max_size=3
).map(tuple)
lists = st.one_of(st.none(), globs)
subjects = st.lists(
    st.one_of(
        st.just(ANONYMOUS),
        st.builds(
            account,
            st.sampled_from(["planner", "*", "plan*", "other"]),
            st.sampled_from([None, (), ("agents",), ("shop", "agents")]),
        ),
    ),
    max_size=2,
).map(tuple)
some_policies = st.lists(
    st.builds(
        lambda given, denials: config.Policy(
            namespace="tools",
            name="p",
            rules=tuple(
                config.Rule(name=f"r{n}", subjects=who, allow=config.Allow(tools=what))
                for n, (who, what) in enumerate(given)
            ),
            deny=tuple(config.Deny(tools=what, subjects=who) for who, what in denials),
        ),
        st.lists(st.tuples(subjects, lists), max_size=3),
        st.lists(st.tuples(subjects, lists), max_size=2),
    ),
    max_size=3,
)
filters = st.builds(config.ToolFilter, allow=lists, deny=globs)
callers = st.sampled_from([PLANNER, STRANGER, NOBODY])


@given(some_policies, filters, callers, st.lists(names, unique=True))
def test_what_is_listed_is_exactly_what_may_be_called(
    policies: list[config.Policy],
    tools: config.ToolFilter,
    caller: Caller,
    catalogue: list[str],
) -> None:
    listing, calling = (rules_of(*policies, tools=tools) for _ in range(2))

    listed = {name for name in catalogue if allowed(listing, caller, "tool", name)}
    callable_ones = {name for name in reversed(catalogue) if allowed(calling, caller, "tool", name)}

    assert listed == callable_ones
    assert listed == {name for name in catalogue if by_the_book(name, caller, policies, tools)}


def by_the_book(
    tool: str, caller: Caller, policies: list[config.Policy], tools: config.ToolFilter
) -> bool:
    """The rules of access.md once more, without memory, compilation or order."""
    if not (tools.allow is None or glob(tool, tools.allow)) or glob(tool, tools.deny):
        return False
    denials = [deny for each in policies for deny in each.deny]
    rules = [one for each in policies for one in each.rules]
    return any(
        glob(tool, one.allow.tools) and speak_of(one.subjects, caller) for one in rules
    ) and not any(
        (deny.tools is None or glob(tool, deny.tools))
        and (not deny.subjects or speak_of(deny.subjects, caller))
        for deny in denials
    )


def glob(name: str, patterns: tuple[str, ...] | None) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns or ())


def speak_of(subjects: tuple[config.Subject, ...], caller: Caller) -> bool:
    return any(
        subject.kind == caller.kind
        and (
            caller.kind == "anonymous"
            or (
                (subject.namespaces is None or caller.namespace in subject.namespaces)
                and glob(caller.name, subject.names)
            )
        )
        for subject in subjects
    )


@given(some_policies, callers, st.lists(names, unique=True))
def test_one_more_deny_never_adds_a_tool(
    policies: list[config.Policy], caller: Caller, catalogue: list[str]
) -> None:
    before = rules_of(*policies)
    after = rules_of(*policies, policy(deny=(config.Deny(tools=("get_*",)),), name="more"))

    for name in catalogue:
        assert allowed(before, caller, "tool", name) or not allowed(after, caller, "tool", name)
