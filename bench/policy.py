"""What a decision costs, and what compiling the rules does: `make bench`.

Figures are processor time of one thread, so that other work on the machine does not lengthen them;
they are for comparing two versions on one machine, never for a test.
"""

import statistics
import time
from collections.abc import Callable, Sequence

from ostiary_proxy import config
from ostiary_proxy.callers import Caller
from ostiary_proxy.policy import Allow, Target, compile_rules, decide

RULES = 1_000
NAMESPACES = 200
COMPILED = 10_000
CALLS = 20_000
WHEN = "args.timezone.startsWith('Europe/') && caller.namespace != 'ns-0'"


def server(rules: int, *, when: str = "") -> config.Server:
    """Policies of 50 rules each; every rule speaks of accounts of all namespaces."""
    namespaces = tuple(f"ns-{number}" for number in range(NAMESPACES))
    policies = tuple(
        config.Policy(
            namespace="tools",
            name=f"policy-{start}",
            rules=tuple(rule(number, namespaces, when) for number in range(start, start + 50)),
            deny=(config.Deny(tools=(f"drop_{start}_*",)),),
        )
        for start in range(0, rules, 50)
    )
    return config.Server(
        namespace="tools",
        name="time",
        uid="u1",
        url="http://time.tools.svc/mcp",
        audiences=("http://time.tools.svc/mcp",),
        hosts=("time.tools.svc",),
        backend=config.StdioBackend(),
        policies=policies,
    )


def rule(number: int, namespaces: tuple[str, ...], when: str) -> config.Rule:
    subject = config.Subject(
        kind="serviceAccount", names=(f"agent-{number}", f"team-{number}-*"), namespaces=namespaces
    )
    allow = config.Allow(tools=(f"get_{number}", f"list_{number}_*"), prompts=("*",))
    return config.Rule(name=f"rule-{number}", subjects=(subject,), allow=allow, when=when)


def timed(once: Callable[[int], object], times: int) -> Sequence[float]:
    """Microseconds of each."""
    found = []
    for number in range(times):
        started = time.thread_time_ns()
        once(number)
        found.append((time.thread_time_ns() - started) / 1000)
    return found


def say(what: str, found: Sequence[float]) -> None:
    ordered = sorted(found)
    p99 = ordered[int(len(ordered) * 0.99) - 1]
    print(f"{what:<58} p50 {statistics.median(found):>9.1f} us   p99 {p99:>9.1f} us")


def caller(number: int) -> Caller:
    return Caller.service_account(f"ns-{number % NAMESPACES}", f"agent-{number % RULES}")


def decisions() -> None:
    rules = compile_rules(server(RULES))
    callers = [caller(number) for number in range(CALLS)]
    tools = [Target("tool", f"get_{number % RULES}", {}) for number in range(CALLS)]
    assert isinstance(decide(tools[7], callers[7], rules), Allow)

    def fresh(number: int) -> object:
        rules.selected.clear()
        rules.decided.clear()
        return decide(tools[number], callers[number], rules)

    say("a caller's first call (nothing remembered)", timed(fresh, 2_000))

    def known(number: int) -> object:
        return decide(tools[number], callers[0], rules)

    say("a known caller, another tool each time", timed(known, RULES))
    say("a known caller and tool", timed(lambda _: decide(tools[0], callers[0], rules), CALLS))
    say(
        "20,000 callers, each its own tool (more than are remembered)",
        timed(lambda number: decide(tools[number], callers[number], rules), CALLS),
    )
    listed = [Target("tool", f"get_{number}") for number in range(100)]

    def lists(number: int) -> object:
        rules.decided.clear()
        return [decide(target, callers[0], rules) for target in listed]

    say("a list of 100 tools, filtered for a known caller", timed(lists, 500))


def conditions() -> None:
    rules = compile_rules(server(RULES, when=WHEN))
    target = Target("tool", "get_7", {"timezone": "Europe/Paris", "body": ["x" * 100] * 10_000})
    assert isinstance(decide(target, caller(7), rules), Allow)
    say(
        "the same with a `when` (1 MB of arguments beside it)",
        timed(lambda _: decide(target, caller(7), rules), 5_000),
    )


def compiling() -> None:
    for what, when in ((f"compiling {COMPILED:,} rules", ""), ("  each with a `when`", WHEN)):
        big = server(COMPILED, when=when)
        found = timed(lambda _, big=big: compile_rules(big), 3)
        print(f"{what:<58} {min(found) / 1000:>9.1f} ms")


if __name__ == "__main__":
    print(f"{RULES:,} rules, {NAMESPACES} namespaces in each")
    decisions()
    conditions()
    compiling()
