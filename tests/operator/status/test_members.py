"""How each member of a group stands."""

from typing import Any

import pytest
from tests.operator.cluster_state import NOW
from tests.operator.gateway_state import GROUP, accepted, ready, told, unhealthy, watched

from ostiary_operator.render.memberships import Membership
from ostiary_operator.status import Observed
from ostiary_operator.status.members import Standing, standings, tools_of
from ostiary_operator.status.scene import look
from ostiary_proxy.config import MemberReport

WAITING = MemberReport(alias="time", state="Waiting")


def one(observed: Observed, found: Membership | None = None, previous: Any = None) -> Standing:
    (standing,) = standings(look(GROUP, observed, previous or {}, NOW), [found or accepted()])
    return standing


def test_a_member_brings_the_tools_that_the_gateway_saw() -> None:
    assert one(watched(told(ready()))) == Standing(
        "tools/time", "time", "Ready", tools=2, digest="sha256:time"
    )


@pytest.mark.parametrize(
    "observed", [watched(), watched(told()), watched(told(WAITING))], ids=["no pod", "none", "said"]
)
def test_a_member_that_nobody_heard_of_yet_waits(observed: Observed) -> None:
    found = one(observed)

    assert (found.state, found.tools) == ("Waiting", None)
    assert found.message == "no gateway pod has heard of it yet"


def test_a_member_that_does_not_answer_keeps_the_tools_that_are_served_as_stale() -> None:
    stale = unhealthy(toolCount=2, toolsDigest="sha256:time")

    found = one(watched(told(stale)))

    assert (found.state, found.tools, found.digest) == ("Unhealthy", 2, "sha256:time")
    assert found.message == "NoAnswer: it does not answer"


def test_a_member_that_never_answered_brings_no_tools() -> None:
    assert one(watched(told(unhealthy()))).tools is None


def test_a_member_that_one_pod_of_two_reaches_is_ready_and_its_message_says_so() -> None:
    found = one(watched(told(unhealthy()), told(ready())))

    assert (found.state, found.tools) == ("Ready", 2)
    assert found.message == "1 of 2 gateway pods reach it: NoAnswer: it does not answer"


def test_names_that_another_member_has_are_told() -> None:
    found = one(watched(told(ready(conflicts=("now", "then")))))

    assert found.state == "Ready"
    assert found.message == "left out, for another member has the name too: now, then"


def test_of_many_such_names_some_are_told() -> None:
    found = one(watched(told(ready(conflicts=tuple(f"t{it}" for it in range(20))))))

    assert found.message.endswith("t7 and 12 more")


@pytest.mark.parametrize("state", ["NoConsent", "NameConflict", "NotFound"])
def test_who_is_no_member_is_so_whatever_a_gateway_still_says(state: Any) -> None:
    refused = Membership("tools", "time", "time", state, message="why")

    found = one(watched(told(ready())), refused)

    assert found == Standing("tools/time", "time", state, message="why")


def test_the_last_word_stands_until_the_proxies_were_asked() -> None:
    before = {"members": [{"server": "tools/time", "alias": "time", "state": "Ready", "tools": 2}]}
    unasked = watched(told(), reports={})

    assert one(unasked, previous=before).state == "Ready"
    assert one(unasked, accepted(alias="clock"), before).state == "Waiting"
    assert one(watched(told()), previous=before).state == "Waiting"


def test_a_status_leaves_out_what_there_is_not() -> None:
    assert Standing("tools/time", "time", "Waiting").as_status() == {
        "server": "tools/time",
        "alias": "time",
        "state": "Waiting",
    }


def test_words_of_a_member_add_no_line_and_are_cut() -> None:
    said = Standing("a/b", "b", "Unhealthy", message="x\ny" * 1000).as_status()["message"]

    assert said.startswith("x y")
    assert len(said) == 1024


def test_the_tools_of_a_group_are_those_of_its_members_in_any_order() -> None:
    a = Standing("t/a", "a", "Ready", tools=2, digest="sha256:a")
    b = Standing("t/b", "b", "Unhealthy", tools=3, digest="sha256:b")
    none = Standing("t/c", "c", "Waiting")

    found = tools_of([a, b, none])

    assert found == tools_of([none, b, a])
    assert found
    assert found["count"] == 5
    assert found != tools_of([a])
    assert tools_of([none]) is None
