"""What a group's endpoint decides: its members' own rules, under its own policies."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from ostiary_proxy import config
from ostiary_proxy.group_rules import compile_group
from ostiary_proxy.pins import Book
from ostiary_proxy.policy import Allow, Caller, Decision, Deny, Rules, Target, decide

PLANNER = Caller.service_account("agents", "planner")
STRANGER = Caller.service_account("shop", "stranger")
NOBODY = Caller.anonymous()
ANYBODY = config.Subject(kind="anonymous")


class Prefixed:
    """`<alias>_<name>`, for all there may be."""

    def place(self, kind: str, name: str) -> tuple[str, str] | None:
        alias, _, own = name.partition("_")
        return (alias, own) if own else None


def account(name: str, namespace: str = "agents") -> config.Subject:
    return config.Subject(kind="serviceAccount", names=(name,), namespaces=(namespace,))


def policy(
    *subjects: config.Subject,
    tools: tuple[str, ...] = ("*",),
    servers: tuple[str, ...] | None = None,
    deny: tuple[config.Deny, ...] = (),
    rate: config.Rate | None = None,
    mode: str = "Enforce",
) -> config.Policy:
    allow = config.Allow(tools=tools, servers=servers)
    rule = config.Rule(name="r", subjects=subjects, allow=allow, rate=rate)
    rules = (rule,) if subjects else ()
    return config.Policy(namespace="agents", name="p", mode=mode, rules=rules, deny=deny)


def group(
    members: Mapping[str, tuple[config.Policy, ...]],
    *policies: config.Policy,
    tools: config.ToolFilter | None = None,
    books: Mapping[str, Book] | None = None,
) -> Rules:
    server = config.Server(
        namespace="agents",
        name="everyday",
        uid="g",
        url="http://everyday-group.agents.svc/mcp",
        audiences=(),
        hosts=(),
        policies=policies,
        backend=config.GroupBackend(
            members=tuple(
                config.Member(
                    alias=alias,
                    namespace="tools",
                    name=alias,
                    uid=alias,
                    policies=own,
                    tools=tools or config.ToolFilter(),
                )
                for alias, own in members.items()
            )
        ),
    )
    return compile_group(server, books or {}, Prefixed())


def tool(name: str, caller: Caller, rules: Rules) -> Decision:
    return decide(Target("tool", name), caller, rules)


def test_without_a_policy_of_its_own_the_members_decide() -> None:
    rules = group({"clock": (policy(account("planner")),), "notes": ()})
    assert isinstance(tool("clock_get", PLANNER, rules), Allow)
    assert isinstance(tool("clock_get", STRANGER, rules), Deny)
    assert isinstance(tool("notes_get", PLANNER, rules), Deny)
    assert isinstance(decide(Target("list"), PLANNER, rules), Allow)
    refused = decide(Target("list"), STRANGER, rules)
    assert isinstance(refused, Deny)
    assert refused.reason == "NotAdmitted"
    assert "agents/everyday" in refused.message


def test_a_member_that_does_not_admit_a_caller_looks_like_one_without_the_tool() -> None:
    rules = group({"clock": (policy(account("planner")),), "notes": (policy(account("x")),)})
    hidden, absent = tool("notes_get", PLANNER, rules), tool("nowhere_get", PLANNER, rules)
    assert isinstance(hidden, Deny)
    assert isinstance(absent, Deny)
    assert (hidden.reason, hidden.message) == (absent.reason, absent.message)


def test_the_groups_policy_is_a_ceiling() -> None:
    members = {"clock": (policy(account("planner")),), "notes": (policy(account("planner")),)}
    rules = group(members, policy(account("planner"), tools=("get*",), servers=("clo*",)))
    assert isinstance(tool("clock_get_time", PLANNER, rules), Allow)
    assert isinstance(tool("clock_set_time", PLANNER, rules), Deny)
    assert isinstance(tool("notes_get", PLANNER, rules), Deny)
    # and widens nothing
    wide = group({"clock": (policy(account("x")),)}, policy(account("planner")))
    assert isinstance(tool("clock_get", PLANNER, wide), Deny)
    nobody = group(members, policy(deny=(config.Deny(tools=("x",)),)))
    assert isinstance(tool("clock_get", PLANNER, nobody), Deny)


def test_an_observed_policy_is_no_ceiling() -> None:
    members = {"clock": (policy(account("planner")),)}
    rules = group(members, policy(account("x"), mode="Observe"))
    assert isinstance(tool("clock_get", PLANNER, rules), Allow)


def test_what_the_groups_policy_denies_is_denied_by_the_members_own_name() -> None:
    denied = config.Deny(tools=("delete*",))
    rules = group(
        {"clock": (policy(account("planner")),)},
        policy(account("planner"), deny=(denied,)),
    )
    assert isinstance(tool("clock_get", PLANNER, rules), Allow)
    assert isinstance(tool("clock_delete", PLANNER, rules), Deny)


def test_nobody_in_particular_needs_the_groups_own_word() -> None:
    members = {"clock": (policy(ANYBODY),)}
    assert isinstance(tool("clock_get", NOBODY, group(members)), Deny)
    assert not group(members).admits_anonymous
    open_ = group(members, policy(ANYBODY))
    assert isinstance(tool("clock_get", NOBODY, open_), Allow)
    assert open_.admits_anonymous
    assert isinstance(tool("clock_get", NOBODY, group({"clock": ()}, policy(ANYBODY))), Deny)


def test_the_groups_rate_counts_here_and_the_members_there() -> None:
    rate = config.Rate(requestsPerSecond=3, burst=6)
    members = {"clock": (policy(account("planner"), rate=rate),)}
    found = tool("clock_get", PLANNER, group(members))
    assert isinstance(found, Allow)
    assert found.rate is None
    found = tool("clock_get", PLANNER, group(members, policy(account("planner"), rate=rate)))
    assert isinstance(found, Allow)
    assert found.rate == rate


def test_a_tool_that_exists_for_nobody_exists_in_no_group() -> None:
    members = {"clock": (policy(account("planner")),)}
    rules = group(members, tools=config.ToolFilter(deny=("debug*",)))
    assert isinstance(tool("clock_debug", PLANNER, rules), Deny)


def test_what_a_pinned_member_lists_to_its_gateway_is_approved() -> None:
    """The digest of the whole is of more than the gateway may read: it would hold nothing."""
    book = Book()
    seen = [config.ToolReport(name=name, digest="sha256:2") for name in ("get", "set")]
    book.saw("sha256:part", seen, hints={"get": ("ReadOnly",)}, twins={})
    tools = config.ToolFilter(
        deny=("debug*",), pin=config.Pin(mode="Enforce", digest=f"sha256:{'0' * 64}")
    )
    who = account("planner")
    rule = config.Rule(name="r", subjects=(who,), allow=config.Allow(effects=("ReadOnly",)))
    reading = config.Policy(namespace="agents", name="p", rules=(rule,))
    for policies in ((), (policy(who),)):
        rules = group({"clock": (reading,)}, *policies, tools=tools, books={"clock": book})
        assert isinstance(tool("clock_get", PLANNER, rules), Allow)
        assert isinstance(tool("clock_set", PLANNER, rules), Deny)


def test_what_nobody_knows_passes_to_no_member() -> None:
    rules = group({"clock": (policy(account("planner")),)})
    found = decide(Target("unknown", "x/y"), PLANNER, rules)
    assert isinstance(found, Deny)
    assert found.reason == "UnknownMethod"


names = st.sampled_from(["get", "set", "delete"])
policies = st.builds(
    lambda who, tools, denied: policy(
        *(account(name) for name in who),
        tools=tuple(tools),
        deny=(config.Deny(tools=tuple(denied)),) if denied else (),
    ),
    st.sets(st.sampled_from(["planner", "other"])),
    st.sets(names),
    st.sets(names),
)


@given(own=st.lists(policies, max_size=2), over=st.lists(policies, max_size=2), name=names)
def test_nothing_is_allowed_that_either_side_refuses(
    own: list[config.Policy], over: list[config.Policy], name: str
) -> None:
    def alone(found: list[config.Policy]) -> bool:
        rules = group({"clock": tuple(found)})
        return isinstance(tool(f"clock_{name}", PLANNER, rules), Allow)

    decision = tool(f"clock_{name}", PLANNER, group({"clock": tuple(own)}, *over))
    assert isinstance(decision, Allow) == (alone(own) and (not over or alone(over)))


def test_a_members_anonymous_entry_with_a_network_grants_nothing_in_a_group() -> None:
    walled = config.Subject(kind="anonymous", network=True)
    over = policy(ANYBODY)
    for own, expected in ((walled, Deny), (ANYBODY, Allow)):
        rules = group({"a": (policy(own),)}, over)
        assert isinstance(decide(Target("tool", "a_x"), NOBODY, rules), expected)
