"""MCPGroup: what stands when little is said, and what two names are never the same."""

from typing import Any

import pytest
import re2
from tests.operator.build import group, group_manifest

from ostiary_operator.api import Invalid, parse_group
from ostiary_operator.api.object_names import TAKEN_ENDINGS
from ostiary_operator.render import names


def test_nothing_is_defaulted_into_the_spec() -> None:
    spec = group({"members": [{"server": {"name": "time"}}]}).spec

    assert spec.replicas is None
    assert spec.naming is None
    assert spec.model_dump(by_alias=True, exclude_none=True) == {
        "members": ({"server": {"name": "time"}},)
    }


WRONG: dict[str, dict[str, Any]] = {
    "no members": {"members": []},
    "neither": {"members": [{}]},
    "both": {"members": [{"server": {"name": "time"}, "selector": {}}]},
    "an alias for many": {"members": [{"selector": {}, "alias": "a"}]},
    "namespaces of one": {"members": [{"server": {"name": "a"}, "namespaces": {"from": "All"}}]},
    "an underscore": {"members": [{"server": {"name": "time"}, "alias": "my_clock"}]},
    "a dot": {"members": [{"server": {"name": "time"}, "alias": "my.clock"}]},
    "capitals": {"members": [{"server": {"name": "time"}, "alias": "Clock"}]},
    "another separator": {"members": [{"selector": {}}], "naming": {"separator": "-"}},
    "a short name": {"members": [{"selector": {}}], "naming": {"maxLength": 31}},
}


@pytest.mark.parametrize("spec", WRONG.values(), ids=WRONG.keys())
def test_what_is_no_group_is_refused(spec: dict[str, Any]) -> None:
    assert isinstance(parse_group(group_manifest(spec)), Invalid)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"server": "time"}, "must be an object; its fields are name, namespace"),
        ({"server": {"name": "a"}, "alias": "my_clock"}, "write small letters, digits and dashes"),
    ],
    ids=["a word for an object", "an underscore"],
)
def test_what_is_wrong_with_an_entry_says_what_to_write(entry: dict[str, Any], said: str) -> None:
    found = parse_group(group_manifest({"members": [entry]}))

    assert isinstance(found, Invalid)
    assert said in str(found)


def test_no_server_can_have_the_name_of_a_groups_child() -> None:
    assert re2.search(TAKEN_ENDINGS, names.group("everyday"))


def test_the_longest_name_leaves_room_for_every_child() -> None:
    longest = names.group(group(name="a" * 52).metadata.name)

    assert len(names.pods_service(longest)) <= 63
    assert len(names.config(longest)) <= 64
    assert isinstance(parse_group(group_manifest(name="a" * 53)), Invalid)
