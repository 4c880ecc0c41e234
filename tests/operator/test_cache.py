"""What the cache takes for true."""

from typing import Any

from ostiary_operator import cache as module
from ostiary_operator.cache import Cache, Change, controller_of, is_leaving, version_of
from ostiary_operator.resources import NAMESPACES, PODS, SERVICES, Manifest


def pod(name: str = "a", *, uid: str = "", version: int = 1, **metadata: Any) -> Manifest:
    given = {"namespace": "tools", "name": name, "uid": uid or f"uid-{name}"}
    return {"metadata": {**given, "resourceVersion": str(version), **metadata}}


def names(cache: Cache) -> set[str]:
    return {manifest["metadata"]["name"] for manifest in cache.all(PODS)}


def test_the_newest_version_wins_whatever_the_order_of_events() -> None:
    cache = Cache()
    cache.see(PODS, pod(version=10))

    older = cache.see(PODS, pod(version=9))

    assert older is None
    assert cache.get(PODS, "tools", "a") == pod(version=10)


def test_versions_compare_as_numbers() -> None:
    cache = Cache()
    cache.see(PODS, pod(version=9))

    change = cache.see(PODS, pod(version=10))

    assert change == Change(PODS, pod(version=9), pod(version=10))


def test_an_echo_is_no_change() -> None:
    cache = Cache()
    cache.see(PODS, pod(version=3))

    assert cache.see(PODS, pod(version=3)) is None


def test_a_first_sight_has_nothing_before_it() -> None:
    change = Cache().see(PODS, pod())

    assert change == Change(PODS, None, pod())
    assert change.manifest == pod()


def test_a_deleted_uid_never_returns() -> None:
    cache = Cache()
    cache.see(PODS, pod(version=3))
    cache.lose(PODS, pod(version=4))

    assert cache.see(PODS, pod(version=3)) is None
    assert cache.see(PODS, pod(version=9)) is None
    assert cache.replace(PODS, [pod(version=3)], version=9) == []
    assert cache.get(PODS, "tools", "a") is None


def test_a_deletion_that_comes_before_the_object_wins_too() -> None:
    cache = Cache()

    assert cache.lose(PODS, pod(version=4)) is None
    assert cache.see(PODS, pod(version=3)) is None


def test_a_namesake_lives_on_when_its_predecessors_deletion_comes_late() -> None:
    cache = Cache()
    cache.see(PODS, pod(uid="old", version=3))
    cache.see(PODS, pod(uid="new", version=5))

    late = cache.lose(PODS, pod(uid="old", version=4))

    assert late is None
    assert cache.get(PODS, "tools", "a") == pod(uid="new", version=5)


def test_only_so_many_deletions_are_remembered(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "REMEMBERED_DELETIONS", 2)
    cache = Cache()
    for name in "abc":
        cache.lose(PODS, pod(name))

    seen = {name: cache.see(PODS, pod(name)) is not None for name in "abc"}

    assert seen == {"a": True, "b": False, "c": False}


def test_a_relist_drops_what_vanished() -> None:
    cache = Cache()
    cache.see(PODS, pod("a", version=1))
    cache.see(PODS, pod("b", version=2))

    changes = cache.replace(PODS, [pod("b", version=2)], version=7)

    assert changes == [Change(PODS, pod("a", version=1), None)]
    assert names(cache) == {"b"}


def test_a_relist_keeps_what_a_watch_saw_later() -> None:
    cache = Cache()
    cache.see(PODS, pod("late", version=8))

    changes = cache.replace(PODS, [pod("a", version=3)], version=7)

    assert changes == [Change(PODS, None, pod("a", version=3))]
    assert names(cache) == {"a", "late"}


def test_a_relist_never_brings_back_an_older_state() -> None:
    cache = Cache()
    cache.see(PODS, pod("a", version=8))

    changes = cache.replace(PODS, [pod("a", version=3)], version=7)

    assert changes == []
    assert cache.get(PODS, "tools", "a") == pod("a", version=8)


def test_a_relist_of_one_kind_leaves_the_others() -> None:
    cache = Cache()
    cache.see(SERVICES, pod("a"))

    cache.replace(PODS, [], version=100)

    assert cache.get(SERVICES, "tools", "a") == pod("a")


def test_managed_fields_are_not_kept() -> None:
    cache = Cache()

    cache.see(PODS, pod(managedFields=[{"manager": "kubectl"}]))

    assert cache.get(PODS, "tools", "a") == pod()


def test_objects_are_found_by_namespace_and_by_label() -> None:
    cache = Cache(indexed=("server",))
    labelled = [pod(name, labels={"server": "time"}) for name in ("b", "a")]
    for manifest in (*labelled, pod("c"), pod("d", labels={"server": "notes"})):
        cache.see(PODS, manifest)
    cache.see(PODS, pod("e", namespace="shop", labels={"server": "time"}))

    found = cache.labelled(PODS, "tools", "time", label="server")

    assert found == (labelled[1], labelled[0])
    assert set(cache.within(PODS, "tools")) == {"a", "b", "c", "d"}
    assert set(cache.within(PODS, "nowhere")) == set()


def test_an_object_is_found_by_the_label_it_bears_now() -> None:
    cache = Cache(indexed=("server",))
    cache.see(PODS, pod("a", labels={"server": "time"}))

    cache.see(PODS, pod("a", version=2, labels={"server": "notes"}))
    assert cache.labelled(PODS, "tools", "time", label="server") == ()
    assert len(cache.labelled(PODS, "tools", "notes", label="server")) == 1

    cache.lose(PODS, pod("a", version=3, labels={"server": "notes"}))
    assert cache.labelled(PODS, "tools", "notes", label="server") == ()


def test_a_loop_over_all_outlives_a_loss_within_it() -> None:
    cache = Cache()
    for name in "abc":
        cache.see(PODS, pod(name))

    for manifest in cache.all(PODS):
        cache.lose(PODS, manifest)

    assert names(cache) == set()


def test_a_change_without_after_speaks_of_what_was_before() -> None:
    assert Change(PODS, pod(), None).manifest == pod()


def test_the_controller_is_the_owner_that_controls() -> None:
    owners = [{"uid": "1"}, {"uid": "2", "controller": True}]

    assert controller_of(pod(ownerReferences=owners)) == owners[1]
    assert controller_of(pod(ownerReferences=owners[:1])) is None
    assert controller_of(pod()) is None


def test_an_object_with_a_deletion_time_is_leaving() -> None:
    assert is_leaving(pod(deletionTimestamp="2026-07-01T11:00:00Z"))
    assert not is_leaving(pod())


def test_an_object_without_a_version_is_older_than_any() -> None:
    assert version_of({"metadata": {"name": "a"}}) == 0


def test_a_namespace_that_is_leaving_or_gone_is_ending() -> None:
    cache = Cache()
    for name, more in (("here", {}), ("leaving", {"deletionTimestamp": "now"})):
        metadata = {"name": name, "uid": name, "resourceVersion": "1", **more}
        cache.see(NAMESPACES, {"metadata": metadata})

    assert [cache.is_ending(it) for it in ("here", "leaving", "gone")] == [False, True, True]


def test_what_is_on_its_way_out_does_not_stand() -> None:
    cache = Cache()
    assert cache.standing(PODS, "tools", "a") is None
    cache.see(PODS, pod(version=1))
    assert cache.standing(PODS, "tools", "a") is None, "its namespace is not there"

    cache.see(NAMESPACES, {"metadata": {"name": "tools", "uid": "n", "resourceVersion": "1"}})
    assert cache.standing(PODS, "tools", "a") == pod(version=1)

    cache.see(PODS, pod(version=2, deletionTimestamp="2026-01-01T00:00:00Z"))
    assert cache.standing(PODS, "tools", "a") is None
    cache.see(PODS, pod("b", version=3))
    ending = {"deletionTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "4"}
    cache.see(NAMESPACES, {"metadata": {"name": "tools", "uid": "n", **ending}})
    assert cache.standing(PODS, "tools", "b") is None
