"""ToolsPinned and ToolsSuspect."""

from typing import Any

import pytest
from tests.operator.build import policy, rule, stdio
from tests.operator.cluster_state import NOW, READY, healthy, report, unavailable

from ostiary_operator.publish import transitions
from ostiary_operator.status import server_status
from ostiary_operator.status.conditions import find
from ostiary_proxy.config import ServerReport, SuspectReport, ToolReport

A, B, C, ALL = (f"sha256:{letter * 64}" for letter in "abcd")
CALLERS = (policy(rule()),)


def listing(digest: str = ALL, **tools: str) -> ServerReport:
    reports = tuple(ToolReport(name=name, digest=it) for name, it in tools.items())
    changed = {"tools": reports, "toolCount": len(reports), "toolsDigest": digest}
    return READY.model_copy(update=changed)


def status(
    backend: ServerReport, pin: dict[str, Any] | None, previous: dict[str, Any] | None = None
) -> dict[str, Any]:
    server = stdio(tools={"pin": pin}) if pin else stdio()
    observed = healthy(server, policies=CALLERS, reports={"uid-time-1": report(backend)})
    return server_status(server, observed, previous or {}, NOW)


def said(*given: Any, kind: str = "ToolsPinned") -> tuple[str, str, str]:
    found = find(status(*given)["conditions"], kind)
    assert found is not None
    return found["status"], found["reason"], found["message"]


def pins(**digests: str) -> list[dict[str, str]]:
    return [{"name": name, "digest": it} for name, it in digests.items()]


@pytest.mark.parametrize("pin", [None, {"mode": "Off", "digest": ALL}])
def test_nobody_asked_for_it(pin: dict[str, Any] | None) -> None:
    assert said(listing(a=A), pin)[:2] == ("False", "NotRequested")
    assert find(transitions([], status(listing(a=A), pin)["conditions"]), "ToolsPinned") is None


@pytest.mark.parametrize(
    "pin", [{"digest": ALL}, {"tools": pins(a=A, b=B)}, {"digest": C, "tools": pins(a=A, b=B)}]
)
def test_all_as_approved(pin: dict[str, Any]) -> None:
    assert said(listing(a=A, b=B), {"mode": "Enforce", **pin}) == (
        "True",
        "Pinned",
        "all 2 tools are as approved",
    )


def test_drift_names_what_changed_and_says_what_to_write() -> None:
    pin = {"mode": "Enforce", "tools": pins(a=A, b=B, gone=C)}
    state, reason, message = said(listing(a=A, b=C, new=B), pin)
    assert (state, reason) == ("False", "Drifted")
    assert message == (
        "changed: b; new: new; gone: gone; what is not approved is hidden and refused; "
        f'to approve them one by one, write into spec.tools.pin.tools: {{name: "b", digest: {C}}}'
        f', {{name: "new", digest: {B}}}; '
        f"to approve all as they stand, write spec.tools.pin.digest: {ALL}"
    )


def test_a_tool_that_is_gone_is_said_and_hides_nothing() -> None:
    message = said(listing(a=A), {"mode": "Enforce", "tools": pins(a=A, b=B)})[2]
    assert message == "gone: b; if that is meant, take them out of spec.tools.pin.tools"


def test_warn_hides_nothing() -> None:
    message = said(listing(a=B), {"mode": "Warn", "tools": pins(a=A)})[2]
    assert message.startswith("changed: a; to approve them")


def test_nothing_approved_says_what_to_write() -> None:
    state, reason, message = said(listing(a=A), {"mode": "Enforce"})
    assert (state, reason) == ("False", "Drifted")
    assert message.startswith("nothing is approved yet; what is not approved is hidden and refused")
    assert f"spec.tools.pin.digest: {ALL}" in message


def test_one_digest_tells_only_that_the_set_is_another() -> None:
    message = said(listing(a=A, b=B), {"mode": "Warn", "digest": C})[2]
    assert message.startswith(
        "the tool set is another than the approved one: it is now a, b; to approve all"
    )


def test_before_anybody_listed_nothing_is_claimed_and_a_last_word_stands() -> None:
    pin = {"mode": "Enforce", "digest": ALL}
    silent = unavailable("NoAnswer")
    assert said(silent, pin)[:2] == ("Unknown", "Progressing")
    assert "every tool is hidden" in said(silent, pin)[2]
    before = status(listing(a=A), pin)
    assert said(silent, pin, before)[:2] == ("True", "Pinned")


def test_drift_is_worth_an_event_and_what_a_server_calls_a_tool_stays_in_its_line() -> None:
    pin = {"mode": "Warn", "tools": pins(a=A)}
    before = status(listing(a=A), pin)
    after = status(listing(**{"a\n\u202eb": A, "a": A}), pin, before)
    told = find(transitions(before["conditions"], after["conditions"]), "ToolsPinned")
    assert told is not None
    assert told["message"].startswith(r"new: a\n\u202eb;")


def test_ever_so_many_tools_make_no_longer_message_or_status() -> None:
    many = listing(**{f"{number:0128}": A for number in range(2000)})
    found = status(many, {"mode": "Enforce", "tools": pins(a=A)})
    assert len(said(many, {"mode": "Enforce", "tools": pins(a=A)})[2]) < 4096
    assert len(found["tools"]["items"]) == 512


def test_suspects_are_a_warning_only_while_there_are_some() -> None:
    assert find(status(listing(a=A), None)["conditions"], "ToolsSuspect") is None
    bad = listing(a=A).model_copy(
        update={"suspects": (SuspectReport(name="a", findings=("control characters",)),)}
    )
    assert said(bad, None, kind="ToolsSuspect") == (
        "True",
        "SuspectText",
        "read these tools before you let a model see them: a: control characters",
    )
