"""What is read of metadata."""

import pytest
from pydantic import ValidationError

from ostiary_operator.api.metadata import Metadata


def test_without_a_namespace_it_is_the_default_one() -> None:
    assert Metadata(name="time").namespace == "default"


@pytest.mark.parametrize("name", ["", "A", "a_b", "a" * 254])
def test_a_name_that_no_object_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Metadata(name=name)


def test_its_age_is_told_in_any_offset_and_never_missing() -> None:
    made = Metadata(name="time", creationTimestamp="2026-01-01T02:00:00+02:00").created

    assert made.isoformat() == "2026-01-01T00:00:00+00:00"
    assert Metadata(name="time").created.timestamp() == 0
