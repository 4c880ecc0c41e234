"""Answers as lines: what comes from outside begins no line of its own."""

from ostiary_cli.access.can_i import Answer
from ostiary_cli.access.compared import Change
from ostiary_cli.access.diff import Difference, Doors
from ostiary_cli.access.review import Finding
from ostiary_cli.access.words import of_can, of_difference, of_findings, table
from ostiary_proxy.callers import Caller

HOSTILE = "x\n\x1b[31my"


def test_a_name_from_outside_stays_on_its_line() -> None:
    answer = Answer("t/s", False, "NotAllowed", message=HOSTILE)
    finding = Finding("low", "MCPServer t/s", "What", HOSTILE, HOSTILE)

    lines = [*of_can([answer], HOSTILE, "call x"), *of_findings([finding])]
    lines += table([("A", "B"), (HOSTILE, "b")])

    assert not [it for it in lines if "\n" in it or "\x1b" in it]


def test_a_difference_line_by_line() -> None:
    bob = Caller.user("bob")
    found = Difference(
        changes=[
            Change("t/s", "gains", bob, "user:bob", "tool", ("a", "b*"), (), ("x", "y")),
            Change("t/s", "loses", bob, "user:bob", "unknown", ("*",)),
            Change("t/s", "changes", bob, "user:bob", "prompt", ("p",), ("x",), ("y",)),
        ],
        network=[Doors("t/s", ("namespace a",), ("every namespace",))],
        undecided=["t/s: who knows"],
    )

    assert list(of_difference(found)) == [
        "t/s",
        "  + user:bob gains tools a, b* (if x and y)",
        "  - user:bob loses methods that the proxy does not know",
        "  ~ user:bob changes prompts p (x -> y)",
        "t/s network + from namespace a",
        "t/s network - from every namespace",
        "undecided: t/s: who knows",
    ]
    assert list(of_difference(Difference())) == ["Nobody gains or loses anything."]


def test_findings_are_counted() -> None:
    findings = [Finding("high", "a", "b", "c", "d"), Finding("low", "a", "b", "c", "d")]

    assert list(of_findings(findings))[-1] == "2 findings: 1 high, 0 medium, 1 low"
    assert list(of_findings([])) == ["No findings."]
