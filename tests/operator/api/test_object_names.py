"""Names of servers and groups: the patterns as the API server reads them."""

import pytest
import re2

from ostiary_operator.api.object_names import NAME_PATTERN, TAKEN_ENDINGS


@pytest.mark.parametrize("name", ["a", "time", "t-1", "key-7-time", "group"])
def test_a_name_is_taken(name: str) -> None:
    assert re2.search(NAME_PATTERN, name)
    assert not re2.search(TAKEN_ENDINGS, name)


@pytest.mark.parametrize("name", ["", "1a", "-a", "a-", "A", "a.b", "a_b", "a\n"])
def test_a_name_is_a_label_that_begins_with_a_letter(name: str) -> None:
    assert not re2.search(NAME_PATTERN, name)


@pytest.mark.parametrize("ending", ["group", "pods", "mcp", "proxy", "key-0", "key-17"])
def test_an_ending_of_our_own_is_refused(ending: str) -> None:
    assert re2.search(TAKEN_ENDINGS, f"time-{ending}")
