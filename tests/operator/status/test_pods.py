"""What is wrong with pods, in words that stay the same while the cause does."""

from datetime import timedelta
from typing import Any

import pytest
from tests.operator.build import stdio
from tests.operator.cluster_state import (
    JUST_STARTED,
    NOW,
    STARTED,
    deployment,
    pod,
    report,
    running,
    terminated,
    unavailable,
    waiting,
)

from ostiary_operator.status import Observed, pods
from ostiary_operator.status.pods import Trouble

GRACE = timedelta(seconds=60)
OWN = frozenset({"time-proxy"})


def seen(*found: dict[str, Any], **more: Any) -> Observed:
    return Observed(pods=found, **more)


def mount_failure(message: str, uid: str = "uid-time-1") -> dict[str, Any]:
    return {"reason": "FailedMount", "involvedObject": {"uid": uid}, "message": message}


@pytest.mark.parametrize(
    ("message", "reason", "said"),
    [
        ('secret "db" not found', "SecretNotFound", "Secret db not found"),
        (
            "couldn't find key password in Secret tools/db",
            "SecretNotFound",
            "Secret db has no key password",
        ),
        ('configmap "conf" not found', "ConfigMapNotFound", "ConfigMap conf not found"),
        (
            "couldn't find key a in ConfigMap tools/conf",
            "ConfigMapNotFound",
            "ConfigMap conf has no key a",
        ),
    ],
)
def test_what_the_environment_lacks_is_named(message: str, reason: str, said: str) -> None:
    observed = seen(pod(server=waiting("CreateContainerConfigError", message)))

    trouble = pods.missing_references(observed, own=OWN)

    assert trouble == Trouble(reason, f"{said}: create it, or correct the reference")


@pytest.mark.parametrize(
    ("message", "reason", "said"),
    [
        (
            'MountVolume.SetUp failed for volume "cred" : secret "db" not found',
            "SecretNotFound",
            "Secret db not found",
        ),
        (
            'MountVolume.SetUp failed for volume "conf" : references non-existent config key: k',
            "ConfigMapNotFound",
            "the ConfigMap of volume conf has no key k",
        ),
        (
            'MountVolume.SetUp failed for volume "cred" : references non-existent secret key: k',
            "SecretNotFound",
            "the Secret of volume cred has no key k",
        ),
    ],
)
def test_what_a_volume_lacks_is_named_from_events(message: str, reason: str, said: str) -> None:
    observed = seen(
        pod(server=waiting("PodInitializing"), phase="Pending"), events=(mount_failure(message),)
    )

    trouble = pods.missing_references(observed, own=OWN)

    assert trouble == Trouble(reason, f"{said}: create it, or correct the reference")


def test_an_old_event_about_a_pod_that_runs_says_nothing() -> None:
    observed = seen(pod(), events=(mount_failure('secret "db" not found'),))

    assert pods.missing_references(observed, own=OWN) is None


def test_a_child_of_ours_that_is_on_its_way_is_no_missing_reference() -> None:
    observed = seen(
        pod(server=waiting("PodInitializing")),
        events=(mount_failure('configmap "time-proxy" not found'),),
    )

    assert pods.missing_references(observed, own=OWN) is None


def test_two_missing_things_are_both_named_in_a_stable_order() -> None:
    one = pod("a", server=waiting("CreateContainerConfigError", 'secret "z" not found'))
    two = pod("b", server=waiting("CreateContainerConfigError", 'secret "a" not found'))

    trouble = pods.missing_references(seen(two, one), own=OWN)

    assert trouble is not None
    assert trouble.message.startswith("Secret a not found; Secret z not found")


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_an_image_that_cannot_be_pulled_is_one_sentence_through_the_back_off(reason: str) -> None:
    observed = seen(pod(server=waiting(reason, "Back-off 17s pulling image")))

    assert pods.image_trouble(observed) == Trouble(
        "ImagePullFailed",
        "the node cannot get image time:1 of container server (the pull fails): check its name "
        "and tag, and spec.imagePullSecrets",
    )


def test_an_image_name_that_is_none_is_said() -> None:
    trouble = pods.image_trouble(seen(pod(server=waiting("InvalidImageName"))))

    assert trouble is not None
    assert "(it is no image name)" in trouble.message


@pytest.mark.parametrize(
    "server",
    [
        terminated(exitCode=3),
        waiting("CrashLoopBackOff", "back-off 10s", exitCode=3),
        running(JUST_STARTED, exitCode=3),
    ],
    ids=["ended", "waits", "was started again"],
)
def test_a_server_that_ends_is_one_sentence_through_the_loop(server: dict[str, Any]) -> None:
    trouble = pods.crash_trouble(seen(pod(server=server)), now=NOW, grace=GRACE)

    assert trouble == Trouble(
        "CrashLooping",
        "container server ends with code 3: see kubectl logs -n tools -l "
        "ostiary.dev/server=time -c server --previous",
    )


def test_the_shims_own_words_are_passed_on_in_one_line() -> None:
    server = waiting("CrashLoopBackOff", "", exitCode=127, message="nope: not\nfound\x1b[0m ")

    trouble = pods.crash_trouble(seen(pod(server=server)), now=NOW, grace=GRACE)

    assert trouble is not None
    assert trouble.message == "container server ends with code 127: nope: not found [0m"


def test_a_server_killed_over_its_memory_limit_is_told_what_to_raise() -> None:
    server = waiting("CrashLoopBackOff", "", exitCode=137, reason="OOMKilled")

    trouble = pods.crash_trouble(seen(pod(server=server)), now=NOW, grace=GRACE)

    assert trouble is not None
    assert "raise spec.resources.limits.memory" in trouble.message


def test_a_server_that_crashed_and_answers_again_is_no_trouble() -> None:
    observed = seen(pod(server=running(JUST_STARTED, exitCode=1)), reports={"uid-time-1": report()})

    assert pods.crash_trouble(observed, now=NOW, grace=GRACE) is None


def test_a_crash_of_long_ago_is_not_why_a_server_is_silent_now() -> None:
    observed = seen(
        pod(server=running(STARTED, exitCode=1)),
        reports={"uid-time-1": report(unavailable("NoAnswer"))},
    )

    assert pods.crash_trouble(observed, now=NOW, grace=GRACE) is None


def test_a_proxy_that_crashes_is_named() -> None:
    observed = seen(pod(proxy=waiting("CrashLoopBackOff", "", exitCode=1)))

    trouble = pods.crash_trouble(observed, now=NOW, grace=GRACE)

    assert trouble is not None
    assert trouble.message.startswith("container proxy ends with code 1")


def test_an_installer_that_has_done_its_work_is_no_crash() -> None:
    assert pods.crash_trouble(seen(pod()), now=NOW, grace=GRACE) is None


def test_a_pod_that_cannot_be_scheduled_says_why() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "message": '0/1 nodes are available: persistentvolumeclaim "n" not found.',
    }

    trouble = pods.placement_trouble(seen(pod(conditions=[condition])))

    assert trouble is not None
    assert 'persistentvolumeclaim "n" not found' in trouble.message


@pytest.mark.parametrize(
    ("message", "reason", "said"),
    [
        (
            'pods "time-6d4f-abcde" is forbidden: exceeded quota: q, requested: pods=1',
            "QuotaExceeded",
            "pods are refused: exceeded quota: q, requested: pods=1",
        ),
        (
            'pods "time-6d4f-xyzzy" is forbidden: error looking up service account tools/robot',
            "Forbidden",
            "pods are refused: error looking up service account tools/robot",
        ),
    ],
)
def test_pods_that_the_api_server_refuses_are_said_without_their_random_names(
    message: str, reason: str, said: str
) -> None:
    conditions = [{"type": "ReplicaFailure", "status": "True", "message": message}]

    assert pods.replica_trouble(deployment(stdio(), conditions=conditions)) == Trouble(reason, said)


def test_a_replica_failure_that_is_over_says_nothing() -> None:
    conditions = [{"type": "ReplicaFailure", "status": "False", "message": "x"}]

    assert pods.replica_trouble(deployment(stdio(), conditions=conditions)) is None
