"""When a live object is as we want it."""

from typing import Any

import pytest

from ostiary_operator.likeness import digest, matches, project

WANTED: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "time", "labels": {"app": "time"}},
    "spec": {
        "replicas": 1,
        "containers": [
            {"name": "server", "image": "time:1", "env": [], "resources": {"limits": {"cpu": "1"}}}
        ],
    },
}
LIVE: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {
        "name": "time",
        "labels": {"app": "time", "team": "b"},
        "annotations": {"deployment.kubernetes.io/revision": "1"},
        "uid": "u-1",
    },
    "spec": {
        "replicas": 1,
        "paused": False,
        "containers": [
            {"name": "mesh", "image": "mesh:1"},
            {
                "name": "server",
                "image": "time:1",
                "imagePullPolicy": "Always",
                "resources": {"limits": {"cpu": "1000m"}},
            },
        ],
    },
    "status": {"replicas": 1},
}


def test_what_others_own_is_no_difference() -> None:
    assert matches(WANTED, LIVE)


def test_a_changed_field_of_ours_is_a_difference() -> None:
    live = LIVE | {"spec": LIVE["spec"] | {"replicas": 2}}

    assert not matches(WANTED, live)


def test_a_missing_element_of_a_keyed_list_is_a_difference() -> None:
    live = LIVE | {"spec": LIVE["spec"] | {"containers": LIVE["spec"]["containers"][:1]}}

    assert not matches(WANTED, live)


@pytest.mark.parametrize(
    ("wanted", "live"),
    [
        ("1", "1000m"),
        ("1", 1),
        ("0.5", "500m"),
        ("1Gi", "1024Mi"),
        ("1G", "1000M"),
        ("100n", "0.1u"),
    ],
)
def test_a_quantity_in_another_form_is_the_same(wanted: object, live: object) -> None:
    assert matches({"limits": {"x": wanted}}, {"limits": {"x": live}})


@pytest.mark.parametrize(
    ("wanted", "live"), [("1Gi", "1G"), ("1", "2"), ("1", "much"), ("much", "more"), ("1", None)]
)
def test_another_quantity_is_a_difference(wanted: object, live: object) -> None:
    assert not matches({"requests": {"x": wanted}}, {"requests": {"x": live}})


def test_only_a_quantity_is_read_as_one() -> None:
    assert not matches({"labels": {"size": "1"}}, {"labels": {"size": "1000m"}})


@pytest.mark.parametrize("nothing", [[], {}, "", 0, False, None])
def test_what_the_api_server_leaves_out_was_empty(nothing: object) -> None:
    assert matches({"field": nothing}, {})


@pytest.mark.parametrize("something", [["a"], {"a": {}}, "a", 1, True])
def test_what_is_wanted_and_absent_is_a_difference(something: object) -> None:
    assert not matches({"field": something}, {})


@pytest.mark.parametrize(
    "live", [["b", "a"], ["a"], ["a", "b", "c"], []], ids=["order", "fewer", "more", "none"]
)
def test_a_plain_list_must_be_the_same_in_order_and_length(live: list[str]) -> None:
    assert not matches(["a", "b"], live)


def test_lists_of_objects_without_a_common_key_are_sequences() -> None:
    wanted = [{"from": "a"}, {"from": "b"}]

    assert matches(wanted, [{"from": "a"}, {"from": "b"}])
    assert not matches(wanted, [{"from": "b"}, {"from": "a"}])


def test_the_order_of_a_keyed_list_does_not_matter() -> None:
    wanted = [{"name": "a"}, {"name": "b"}]

    assert matches(wanted, [{"name": "b"}, {"name": "a"}])


def test_a_projection_speaks_only_of_the_wanted_fields() -> None:
    found = project(WANTED, LIVE)

    assert found == {
        "kind": "Deployment",
        "metadata": {"name": "time", "labels": {"app": "time"}},
        "spec": {
            "replicas": 1,
            "containers": [
                {
                    "name": "server",
                    "image": "time:1",
                    "env": None,
                    "resources": {"limits": {"cpu": "1000m"}},
                }
            ],
        },
    }


def test_a_projection_does_not_change_with_what_others_write() -> None:
    touched = LIVE | {"status": {"replicas": 9}, "metadata": LIVE["metadata"] | {"uid": "u-2"}}

    assert project(WANTED, touched) == project(WANTED, LIVE)


def test_a_projection_shows_a_hand_on_our_fields() -> None:
    touched = LIVE | {"spec": LIVE["spec"] | {"replicas": 2}}

    assert project(WANTED, touched) != project(WANTED, LIVE)


def test_a_projection_of_nothing_is_none() -> None:
    assert project({"a": {"b": 1}}, {}) == {"a": None}
    assert project([{"name": "a"}], None) is None


def test_a_digest_knows_no_order_of_keys() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})
