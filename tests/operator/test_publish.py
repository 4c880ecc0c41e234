from datetime import UTC, datetime
from typing import Any

import pytest
from tests.operator.build import server_manifest
from tests.operator.fake_api import FakeApi, Refusal, Seen, serving

from ostiary_operator.cache import Cache, Change
from ostiary_operator.cluster import Cluster, Unreachable
from ostiary_operator.metrics import Metrics
from ostiary_operator.publish import Publisher, transitions
from ostiary_operator.resources import SERVERS

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)
STATUS_PATH = "/apis/ostiary.dev/v1alpha1/namespaces/tools/mcpservers/time/status"
EVENTS_PATH = "/api/v1/namespaces/tools/events"


def condition(kind: str, status: str, message: str = "because") -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": "Reason", "message": message}


def status(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"observedGeneration": 2, "conditions": list(conditions)}


def publisher(cluster: Cluster, cache: Cache) -> Publisher:
    return Publisher(
        cluster=cluster, cache=cache, metrics=Metrics(), reporter="operator-1", now=lambda: NOW
    )


def live_of(api: FakeApi) -> dict[str, Any]:
    return api.objects[SERVERS.path("tools", "time")]


def status_of(api: FakeApi) -> Any:
    return live_of(api)["status"]


def events(api: FakeApi) -> list[dict[str, Any]]:
    return [it for path, it in api.objects.items() if path.startswith(EVENTS_PATH)]


def told(api: FakeApi) -> list[tuple[str, str]]:
    return [(event["type"], event["message"]) for event in events(api)]


async def test_a_status_is_applied_to_that_very_object_and_seen_at_once() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        manifest, cache = api.put(SERVERS, server_manifest()), Cache()

        await publisher(cluster, cache).publish(
            SERVERS, manifest, status(condition("Ready", "True"))
        )

        request = api.requests[0]
        seen = cache.get(SERVERS, "tools", "time")
    assert (request.method, request.path) == ("PATCH", STATUS_PATH)
    assert request.query == {"fieldManager": "ostiary-status", "force": "true"}
    assert request.body["metadata"]["uid"] == "u-1"
    assert "spec" not in request.body
    assert seen is not None
    assert seen["status"] == status(condition("Ready", "True"))


@pytest.mark.parametrize(
    "edit",
    [{"generation": 3}, {"labels": {"team": "a"}}, {"deletionTimestamp": "2026-07-01T12:00:00Z"}],
    ids=lambda edit: next(iter(edit)),
)
async def test_an_edit_that_comes_while_a_status_is_written_is_left_to_the_watch(
    edit: dict[str, Any],
) -> None:
    api, cache = FakeApi(), Cache()
    async with serving(api) as cluster:
        manifest = api.put(SERVERS, server_manifest())
        cache.see(SERVERS, manifest)
        edited = api.put(SERVERS, {**manifest, "metadata": manifest["metadata"] | edit})

        await publisher(cluster, cache).publish(
            SERVERS, manifest, status(condition("Ready", "True"))
        )

    written = live_of(api)
    assert status_of(api) == status(condition("Ready", "True"))
    assert cache.get(SERVERS, "tools", "time") == manifest
    # Either event of the watch is news, and so somebody acts on it.
    assert cache.see(SERVERS, edited) == Change(SERVERS, manifest, edited)
    assert cache.see(SERVERS, written) == Change(SERVERS, edited, written)


async def test_nothing_is_written_when_nothing_changed() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        manifest = api.put(SERVERS, server_manifest() | {"status": status()})

        await publisher(cluster, Cache()).publish(SERVERS, manifest, status())

        assert api.requests == []


async def test_a_field_that_the_api_server_does_not_keep_is_written_once() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        cache = Cache()
        wanted = status(condition("Ready", "True")) | {"unknown": None}
        speaker = publisher(cluster, cache)
        bare = api.put(SERVERS, server_manifest() | {"status": {}})
        await speaker.publish(SERVERS, bare, wanted)
        live = cache.get(SERVERS, "tools", "time")
        assert live is not None

        await speaker.publish(SERVERS, live, wanted)
        again = len(api.writes)
        speaker.forget("u-1")
        await speaker.publish(SERVERS, live, wanted)

    assert "unknown" not in live["status"]
    assert again == 1
    assert len(api.writes) == 2


async def test_a_status_that_somebody_overwrote_is_written_again() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        wanted, speaker = status(condition("Ready", "True")), publisher(cluster, Cache())
        await speaker.publish(SERVERS, api.put(SERVERS, server_manifest()), wanted)
        broken = {**live_of(api), "status": {"conditions": []}}

        await speaker.publish(SERVERS, api.put(SERVERS, broken), wanted)

        assert status_of(api) == wanted


async def test_a_condition_that_changed_sides_is_told_after_the_write() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        before = server_manifest() | {"status": status(condition("Ready", "True"))}
        manifest = api.put(SERVERS, before)

        await publisher(cluster, Cache()).publish(
            SERVERS, manifest, status(condition("Ready", "False", "no pod answers"))
        )

        event = events(api)[0]
    assert api.writes == [f"PATCH {STATUS_PATH}", f"POST {EVENTS_PATH}"]
    assert (event["type"], event["message"]) == ("Warning", "Ready: no pod answers")
    assert event["involvedObject"]["uid"] == "u-1"
    assert event["reportingInstance"] == "operator-1"
    assert event["eventTime"] == "2026-07-01T12:00:00.000000Z"


async def test_a_new_message_on_the_same_side_is_no_event() -> None:
    api = FakeApi()
    async with serving(api) as cluster:
        before = server_manifest() | {"status": status(condition("Ready", "False", "first"))}

        await publisher(cluster, Cache()).publish(
            SERVERS, api.put(SERVERS, before), status(condition("Ready", "False", "second"))
        )

        assert told(api) == []


async def test_without_the_status_written_nothing_is_told() -> None:
    def refuse(request: Seen) -> None:
        if request.path == STATUS_PATH:
            raise Refusal(503, "ServiceUnavailable", "not now")

    api = FakeApi()
    async with serving(api) as cluster:
        manifest = api.put(SERVERS, server_manifest())
        api.before = refuse

        with pytest.raises(Unreachable, match="not now"):
            await publisher(cluster, Cache()).publish(
                SERVERS, manifest, status(condition("Stalled", "True"))
            )

        assert told(api) == []


async def test_an_event_that_is_refused_costs_nothing() -> None:
    def refuse(request: Seen) -> None:
        if request.path == EVENTS_PATH:
            raise Refusal(403, "Forbidden", "no events here")

    api = FakeApi()
    async with serving(api) as cluster:
        manifest = api.put(SERVERS, server_manifest())
        api.before = refuse

        await publisher(cluster, Cache()).publish(
            SERVERS, manifest, status(condition("Stalled", "True"))
        )

        assert status_of(api)["conditions"][0]["status"] == "True"


def test_what_everybody_hopes_for_is_no_news_at_first() -> None:
    good = [condition("Ready", "True"), condition("Stalled", "False")]
    bad = [condition("Ready", "False"), condition("Stalled", "True")]

    assert transitions([], good) == []
    assert transitions([], bad) == bad


def test_what_is_not_known_and_what_follows_from_others_is_no_news() -> None:
    after = [condition("Ready", "Unknown"), condition("Programmed", "False")]

    assert transitions([condition("Ready", "True")], after) == []


def test_a_recovery_is_news() -> None:
    assert transitions([condition("Stalled", "True")], [condition("Stalled", "False")])
