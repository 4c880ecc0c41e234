"""The shapes of policies in the document: closed, and the same under `config`."""

import pytest
from pydantic import ValidationError

from ostiary_proxy import config, policy_shapes


def test_config_has_them_all() -> None:
    assert config.Policy is policy_shapes.Policy
    assert config.ToolFilter is policy_shapes.ToolFilter


@pytest.mark.parametrize(
    "given",
    [
        {"namespace": "a", "name": "b", "mode": "Watch"},
        {"namespace": "a", "name": "b", "unknown": 1},
        {"namespace": "a", "name": "b", "rules": [{"name": "r", "subjects": []}]},
        {"namespace": "a", "name": "b", "deny": [{"effects": ["ReadOnly"]}]},
    ],
    ids=str,
)
def test_what_is_not_known_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        config.Policy.model_validate(given)
