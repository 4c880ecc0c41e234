"""The steps to Ready that every root has."""

from datetime import timedelta

import pytest
from tests.operator.build import stdio
from tests.operator.cluster_state import JUST_STARTED, NOW, healthy, pod, running
from tests.operator.gateway_state import GROUP, gateway_pod, ready, told, watched

from ostiary_operator.status import Conflict, Unreachable, ladder
from ostiary_operator.status.conditions import Verdict
from ostiary_operator.status.scene import AnyScene, look

SERVER = stdio()
SCENES: list[AnyScene] = [
    look(SERVER, healthy(SERVER), {}, NOW),
    look(GROUP, watched(told(ready())), {}, NOW),
]
STEPS = (
    ladder.name_taken,
    ladder.refused_write,
    ladder.no_deployment,
    ladder.scaled_to_zero,
    ladder.references,
    ladder.image,
    ladder.crash,
    ladder.refused_pods,
    ladder.placement,
    ladder.rollout,
    ladder.last_word,
    ladder.not_reporting,
)


@pytest.mark.parametrize("scene", SCENES, ids=["server", "group"])
def test_nothing_stands_in_the_way_of_what_is_well(scene: AnyScene) -> None:
    assert ladder.climb(scene, STEPS) == Verdict("True", "Ready")


def test_the_first_step_that_has_something_to_say_says_it() -> None:
    taken = (Conflict("Service", "time"),)
    scene = look(SERVER, healthy(SERVER, conflicts=taken, deployment=None), {}, NOW)

    assert ladder.climb(scene, STEPS).reason == "NameTaken"
    assert ladder.climb(scene, STEPS[2:]).reason == "Progressing"


@pytest.mark.parametrize(("generation", "stands"), [(2, True), (1, False)])
def test_the_last_word_stands_for_the_generation_that_it_was_said_of(
    generation: int, stands: bool
) -> None:
    before = {"type": "Ready", "status": "False", "reason": "BackendUnavailable", "message": "m"}
    said = {"conditions": [before | {"observedGeneration": generation}]}
    scene = look(SERVER, healthy(SERVER, reports={}), said, NOW)

    found = ladder.last_word(scene)

    assert found == (Verdict("False", "BackendUnavailable", "m") if stands else None)


def test_pods_of_which_none_answers_are_not_reporting() -> None:
    scene = look(GROUP, watched(told(), reports={"uid-g-1": Unreachable("refused")}), {}, NOW)

    found = ladder.not_reporting(scene)

    assert found
    assert (found.status, found.reason) == ("Unknown", "NotReporting")


def test_a_gateways_pod_has_as_long_to_start_as_a_servers_by_default() -> None:
    pods = (pod(server=running(JUST_STARTED)), gateway_pod(**running(JUST_STARTED)))

    ends = {ladder.startup_end(*it) for it in zip((SERVER, GROUP), pods, strict=True)}

    assert ends == {NOW + timedelta(seconds=50)}
