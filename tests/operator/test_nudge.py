from datetime import UTC, datetime, timedelta
from typing import Any

from tests.operator.cluster_state import report
from tests.operator.fake_api import FakeApi, serving
from tests.operator.hand_clock import HandClock

from ostiary_operator.api import CONFIG_ANNOTATION
from ostiary_operator.cluster import Cluster
from ostiary_operator.nudge import LONGEST_PAUSE, Nudger, Target, holds_keys, is_enforced
from ostiary_operator.resources import PODS

CREATED = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)
TARGET = Target(
    generation=3, digest="sha256:new", keys=(1, 0), written=CREATED + timedelta(minutes=1)
)
BEHIND = report(generation=2, digest="sha256:old", keys=(1, 0))
CURRENT = report(generation=3, digest="sha256:new", keys=(1, 0))


def put_pod(api: FakeApi, name: str = "time-1", **metadata: Any) -> dict[str, Any]:
    """A scheduled pod, older than the document."""
    made = {"namespace": "tools", "creationTimestamp": "2026-07-01T12:00:00Z"}
    return api.put(
        PODS,
        {
            "metadata": {"name": name, "namespace": "tools", "uid": f"uid-{name}"}
            | made
            | metadata,
            "spec": {"nodeName": "n-1"},
            "status": {"phase": "Running"},
        },
    )


def nudger(cluster: Cluster) -> tuple[Nudger, HandClock]:
    clock = HandClock()
    return Nudger(cluster=cluster, clock=clock), clock


def annotations(api: FakeApi) -> list[str]:
    """Every value that was written, in order."""
    bodies = [seen.body for seen in api.requests if seen.method == "PATCH"]
    return [body["metadata"]["annotations"][CONFIG_ANNOTATION] for body in bodies]


async def test_a_pod_with_an_older_document_is_nudged_through_its_status() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        wake, _ = nudger(cluster)

        pause = await wake.nudge(TARGET, [(put_pod(api), BEHIND)])

    assert api.writes == ["PATCH /api/v1/namespaces/tools/pods/time-1/status"]
    assert api.requests[0].body == {
        "metadata": {"uid": "uid-time-1", "annotations": {CONFIG_ANNOTATION: "3.0"}}
    }
    assert pause == 1.0


async def test_a_pod_that_enforces_the_document_is_left_alone() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        wake, _ = nudger(cluster)

        assert await wake.nudge(TARGET, [(put_pod(api), CURRENT)]) is None

    assert api.requests == []


async def test_a_pod_that_stays_behind_is_nudged_after_1_2_4_and_at_last_every_30_seconds() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        wake, clock = nudger(cluster)
        put_pod(api)
        pauses = []
        for _ in range(8):
            pod = api.objects[PODS.path("tools", "time-1")]
            pauses.append(await wake.nudge(TARGET, [(pod, BEHIND)]))
            clock.pass_by(pauses[-1] or 0.0)

    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    assert annotations(api) == [f"3.{again}" for again in range(8)]


async def test_before_its_time_a_pod_is_not_nudged_again() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        wake, clock = nudger(cluster)
        pod = put_pod(api)
        await wake.nudge(TARGET, [(pod, BEHIND)])
        clock.pass_by(0.25)

        pause = await wake.nudge(TARGET, [(pod, BEHIND)])

    assert pause == 0.75
    assert len(api.writes) == 1


async def test_a_restarted_operator_writes_a_value_that_the_pod_does_not_bear_yet() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        wake, _ = nudger(cluster)
        pod = put_pod(api, annotations={CONFIG_ANNOTATION: "3.6"})

        await wake.nudge(TARGET, [(pod, BEHIND)])

    assert annotations(api) == ["3.7"]


async def test_a_new_document_starts_from_the_shortest_pause() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        wake, clock = nudger(cluster)
        for _ in range(4):
            pod = put_pod(api)
            clock.pass_by(await wake.nudge(TARGET, [(pod, BEHIND)]) or 0.0)
        newer = Target(4, "sha256:newer", (1, 0), TARGET.written)

        pause = await wake.nudge(newer, [(pod, BEHIND)])

    assert pause == 1.0
    assert annotations(api)[-1] == "4.0"


async def test_a_pod_that_lacks_the_newest_key_is_behind() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        wake, _ = nudger(cluster)
        keyless = report(generation=3, digest="sha256:new", keys=(0,))

        await wake.nudge(TARGET, [(put_pod(api), keyless)])

    assert annotations(api) == ["3.0"]


async def test_a_pod_that_cannot_be_asked_is_told_once_and_asks_for_no_other_look() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        wake, clock = nudger(cluster)
        pauses = []
        for _ in range(3):
            pauses.append(await wake.nudge(TARGET, [(put_pod(api), None)]))
            clock.pass_by(60.0)

    assert pauses == [None, None, None]
    assert annotations(api) == ["3.0"]


async def test_a_silent_pod_that_is_newer_than_the_document_or_nowhere_is_not_told() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        wake, _ = nudger(cluster)
        newer = put_pod(api, "newer", creationTimestamp="2026-07-01T12:02:00Z")
        nowhere = {**put_pod(api, "nowhere"), "spec": {}}
        told = put_pod(api, "told", annotations={CONFIG_ANNOTATION: "3.0"})

        await wake.nudge(TARGET, [(newer, None), (nowhere, None), (told, None)])
        unknown = Target(3, "sha256:new", (1, 0), None)
        await wake.nudge(unknown, [(put_pod(api), None)])

    assert api.writes == []


async def test_pods_that_go_or_are_over_are_left_alone() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        wake, _ = nudger(cluster)
        leaving = put_pod(api, "leaving", deletionTimestamp="2026-07-01T12:02:00Z")
        over = {**put_pod(api, "over"), "status": {"phase": "Failed"}}

        assert await wake.nudge(TARGET, [(leaving, BEHIND), (over, BEHIND)]) is None

    assert api.writes == []


async def test_a_pod_that_is_gone_is_no_error_and_a_namesake_is_not_touched() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        wake, _ = nudger(cluster)
        gone = put_pod(api, "gone")
        api.take(PODS, "tools", "gone")
        old = put_pod(api, "time-1")
        api.take(PODS, "tools", "time-1")
        put_pod(api, "time-1", uid="uid-namesake")

        assert await wake.nudge(TARGET, [(gone, BEHIND), (old, BEHIND)]) is None

        namesake = api.find(PODS, "tools", "time-1")
    assert namesake is not None
    assert "annotations" not in namesake["metadata"]


async def test_a_pod_that_was_forgotten_is_nudged_at_once() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        wake, _ = nudger(cluster)
        pod = put_pod(api)
        await wake.nudge(TARGET, [(pod, BEHIND)])

        wake.forget("uid-time-1")
        await wake.nudge(TARGET, [(pod, BEHIND)])

    assert len(api.writes) == 2


def test_a_document_is_enforced_when_generation_and_bytes_agree() -> None:
    assert is_enforced(TARGET, CURRENT)
    assert is_enforced(TARGET, report(generation=3))
    assert not is_enforced(TARGET, BEHIND)
    assert not is_enforced(TARGET, report(generation=3, digest="sha256:other"))


def test_the_newest_key_alone_decides_whether_the_keys_are_held() -> None:
    assert holds_keys(TARGET, report(keys=(1,)))
    assert not holds_keys(TARGET, report(keys=(0,)))
    assert holds_keys(Target(3, "", (), None), report())
