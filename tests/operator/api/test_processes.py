"""What a stdio server's owner may say of its processes."""

import pytest
from pydantic import ValidationError

from ostiary_operator.api.processes import Stdio


def test_nothing_is_said_for_the_owner() -> None:
    assert Stdio().model_dump(exclude_none=True) == {}


@pytest.mark.parametrize(
    "wrong",
    [{"process": "PerTeam"}, {"lists": "Never"}, {"maxProcesses": 0}, {"idleSeconds": 0}],
    ids=str,
)
def test_what_no_proxy_could_do_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Stdio.model_validate(wrong)
