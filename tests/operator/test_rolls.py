"""Each group's members as they stand, looked up from either side."""

from typing import Any

from tests.operator.build import STDIO, group_manifest, server, server_manifest

from ostiary_operator.cache import Cache
from ostiary_operator.models import Models
from ostiary_operator.resources import GROUPS, SERVERS, Manifest, Resource
from ostiary_operator.rolls import Rolls

OPEN: dict[str, Any] = STDIO | {"exposeTo": {"namespaces": {"from": "All"}}}


class Kept:
    def __init__(self) -> None:
        self.cache = Cache()
        self.labels: dict[str, dict[str, str]] = {"agents": {}, "tools": {}}
        self.rolls = Rolls(Models(self.cache), lambda: dict(self.labels))
        self._version = 0

    def see(self, resource: Resource, manifest: Manifest, **metadata: Any) -> None:
        self._version += 1
        version = {"resourceVersion": str(self._version), "generation": self._version}
        self.cache.see(
            resource, {**manifest, "metadata": {**manifest["metadata"], **version, **metadata}}
        )


def test_without_groups_there_is_nothing_to_read() -> None:
    kept = Kept()
    kept.see(SERVERS, server_manifest(OPEN))

    assert kept.rolls.current == ()
    assert kept.rolls.links(server(OPEN)) == ()
    assert kept.rolls.of("agents", "everyday") is None


def test_both_sides_find_each_other() -> None:
    kept = Kept()
    kept.see(SERVERS, server_manifest(OPEN))
    kept.see(GROUPS, group_manifest())

    (roll,) = kept.rolls.having("tools", "time")

    assert roll == kept.rolls.of("agents", "everyday")
    assert kept.rolls.having("tools", "notes") == ()
    assert [it.name for it in kept.rolls.links(server(OPEN))] == ["everyday"]


def test_it_is_read_again_only_when_something_changed() -> None:
    kept = Kept()
    kept.see(SERVERS, server_manifest(OPEN))
    kept.see(GROUPS, group_manifest())
    first = kept.rolls.current

    same = kept.rolls.current
    kept.see(SERVERS, server_manifest(STDIO))
    withdrawn = kept.rolls.current

    assert same is first
    assert withdrawn != first
    assert kept.rolls.links(server(STDIO)) == ()


def test_labels_of_namespaces_are_part_of_it() -> None:
    kept = Kept()
    to = {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}
    kept.see(SERVERS, server_manifest(STDIO | {"exposeTo": {"namespaces": to}}))
    kept.see(GROUPS, group_manifest())

    before = bool(kept.rolls.having("tools", "time"))
    kept.labels["agents"] = {"team": "a"}

    assert not before
    assert kept.rolls.having("tools", "time")


def test_a_group_that_is_to_go_has_no_members() -> None:
    kept = Kept()
    kept.see(SERVERS, server_manifest(OPEN))
    kept.see(GROUPS, group_manifest(), deletionTimestamp="2026-07-01T00:00:00Z")

    assert kept.rolls.links(server(OPEN)) == ()
