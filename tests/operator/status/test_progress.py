"""Programmed, and the two conditions that stand only while true, of either kind of root."""

import pytest
from tests.operator.build import stdio
from tests.operator.cluster_state import NOW, healthy, pod, report
from tests.operator.gateway_state import GROUP, ready, told, watched

from ostiary_operator.status import Failure
from ostiary_operator.status.conditions import Verdict
from ostiary_operator.status.progress import abnormal, programmed
from ostiary_operator.status.scene import AnyScene, look

READY = Verdict("True", "Ready")
SCENES: list[AnyScene] = [
    look(stdio(), healthy(stdio()), {}, NOW),
    look(GROUP, watched(told(ready())), {}, NOW),
]


@pytest.mark.parametrize("scene", SCENES, ids=["server", "group"])
def test_every_pod_enforces_the_document(scene: AnyScene) -> None:
    found = programmed(scene)

    assert (found.status, found.message) == ("True", "1 of 1 pods enforce generation 3")


def test_a_document_that_a_pod_refuses_is_said_with_why() -> None:
    refusing = report(generation=2, configError="no such field", pod="time-1")
    scene = look(
        stdio(), healthy(stdio(), pods=(pod(),), reports={"uid-time-1": refusing}), {}, NOW
    )

    found = programmed(scene)

    assert found.reason == "PartiallyProgrammed"
    assert found.message.endswith("pod time-1 refuses the newest document: no such field")


@pytest.mark.parametrize(
    ("verdict", "reasons"),
    [
        (READY, {}),
        (Verdict("False", "NameTaken", "m"), {"Reconciling": "WaitingForDependency"}),
        (Verdict("False", "RefsNotResolved", "m"), {"Reconciling": "WaitingForDependency"}),
        (Verdict("False", "Progressing", "m"), {"Reconciling": "Rollout"}),
        (Verdict("False", "CrashLooping", "m"), {}),
    ],
    ids=lambda it: getattr(it, "reason", ""),
)
def test_what_ready_waits_for_is_being_reconciled(
    verdict: Verdict, reasons: dict[str, str]
) -> None:
    found = abnormal(SCENES[0], verdict)

    assert {kind: it.reason for kind, it in found.items()} == reasons


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("Retrying", "Reconciling"), ("Forbidden", "Stalled"), ("ConfigTooLarge", "Stalled")],
)
def test_a_refused_write_stalls_unless_it_is_tried_again(reason: str, kind: str) -> None:
    scene = look(stdio(), healthy(stdio(), failures=(Failure(reason, "m"),)), {}, NOW)

    assert abnormal(scene, READY) == {kind: Verdict("True", reason, "m")}
